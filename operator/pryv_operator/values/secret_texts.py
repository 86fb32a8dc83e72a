"""The texts of Secrets: without the line break that ``echo`` and editors write at the end."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from pryv_operator.api.findings import Advisory
from pryv_operator.api.reasons import Reason
from pryv_operator.api.spec import PryvPlatformSpec


@dataclass(frozen=True)
class SecretTexts:
    """Variable or dotted path → its text, and warnings about line breaks that were dropped."""

    texts: Mapping[str, str]
    warnings: tuple[Advisory, ...]

    def __repr__(self) -> str:
        """Without the texts: representations end up in logs."""
        return f"SecretTexts({len(self.texts)} texts)"


def trimmed_secrets(spec: PryvPlatformSpec, secrets: Mapping[str, str]) -> SecretTexts:
    """The texts, without one final LF or CRLF of those that ``spec.secrets`` refers to."""
    texts = dict(secrets)
    warnings: list[Advisory] = []
    for name, source in sorted(spec.secrets.items()):
        reference = source.secret_key_ref
        if reference is None or reference.trim is False or name not in texts:
            continue
        text = texts[name]
        if not text.endswith("\n"):
            continue
        texts[name] = text.removesuffix("\n").removesuffix("\r")
        warnings.append(
            Advisory(
                Reason.LINE_BREAK_DROPPED,
                f'spec.secrets.{name}: the text under key "{reference.key}" of Secret '
                f'"{reference.name}" ends with a line break, which is dropped; write it without '
                "one (printf '%s'), or set secretKeyRef.trim: false to keep it",
            )
        )
    return SecretTexts(texts, tuple(warnings))
