"""The texts of Secrets: without the line break that ``echo`` and editors write at the end."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from pryv_operator.api import secret_variables
from pryv_operator.api.findings import Advisory, Problem
from pryv_operator.api.reasons import Reason
from pryv_operator.api.spec import PryvPlatformSpec

#: Variables whose value opens a door.
_KEYS: Final = (*secret_variables.SYSTEM_KEYS, *secret_variables.ADMIN_KEYS)
#: An empty text, and what the leader takes for one to be generated or filled in.
_NO_KEYS: Final = ("", secret_variables.GENERATE, secret_variables.REPLACE_ME)


@dataclass(frozen=True)
class SecretTexts:
    """Variable or dotted path → its text, warnings about dropped line breaks, and unusable keys."""

    texts: Mapping[str, str]
    warnings: tuple[Advisory, ...]
    problems: tuple[Problem, ...] = ()

    def __repr__(self) -> str:
        """Without the texts: representations end up in logs."""
        return f"SecretTexts({len(self.texts)} texts)"


def trimmed_secrets(spec: PryvPlatformSpec, secrets: Mapping[str, str]) -> SecretTexts:
    """The texts, without one final LF or CRLF of those that ``spec.secrets`` refers to."""
    texts = dict(secrets)
    warnings: list[Advisory] = []
    problems: list[Problem] = []
    for name, source in sorted(spec.secrets.items()):
        reference = source.secret_key_ref
        if reference is None or name not in texts:
            continue
        text = texts[name]
        if reference.trim is not False:
            texts[name] = text.removesuffix("\n").removesuffix("\r") if text[-1:] == "\n" else text
        if name in _KEYS and texts[name].strip() in _NO_KEYS:
            problems.append(
                Problem(
                    Reason.INVALID_SECRET,
                    f'spec.secrets.{name}: the text under key "{reference.key}" of Secret '
                    f'"{reference.name}" is empty or a placeholder, so anybody could guess it; '
                    "write a random text, or use generate: {} instead",
                )
            )
        if texts[name] == text:
            continue
        warnings.append(
            Advisory(
                Reason.LINE_BREAK_DROPPED,
                f'spec.secrets.{name}: the text under key "{reference.key}" of Secret '
                f'"{reference.name}" ends with a line break, which is dropped; write it without '
                "one (printf '%s'), or set secretKeyRef.trim: false to keep it",
            )
        )
    return SecretTexts(texts, tuple(warnings), tuple(problems))
