"""Taint tracking: values and texts that know whether they hold a secret.

Whatever a secret value goes into becomes secret itself, however deep the nesting. That decides
whether a rendered file is stored in a Secret or in a ConfigMap, and what may be shown.
"""

from __future__ import annotations

from dataclasses import dataclass

from pryv_operator.leader.platform_yml import LeaderValue


@dataclass(frozen=True)
class Value:
    """A variable's value; if ``secret``, every text that it goes into is secret."""

    value: LeaderValue
    secret: bool = False

    def __repr__(self) -> str:
        """Without the secret: representations end up in logs."""
        return "Value(secret)" if self.secret else f"Value({self.value!r})"


@dataclass(frozen=True)
class RenderedText:
    """A text after substitution; ``secret`` if a secret value went into it."""

    text: str
    secret: bool

    def __repr__(self) -> str:
        """Without the text, which may be a part of a secret: representations end up in logs."""
        return f"RenderedText({len(self.text)} characters, secret={self.secret})"
