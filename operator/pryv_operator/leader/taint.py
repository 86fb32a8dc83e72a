"""Taint tracking: values and texts that know whether they hold a secret.

Whatever a secret value goes into becomes secret itself, however deep the nesting. That decides
whether a rendered file is stored in a Secret or in a ConfigMap, and what may be shown. Nobody looks
into a secret text: who has to know what a file says reads its masked rendering, in which each
secret is replaced by a mask, so that the answer cannot depend on a secret.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Final

from pryv_operator.leader.platform_yml import LeaderValue

#: CJK Extension B: letters for YAML, JSON and JavaScript, which none of them escapes.
_FIRST, _LAST = 0x20000, 0x2A6DF
_MASK_LENGTH: Final = 12
_MASKED: Final = re.compile(f"[{chr(_FIRST)}-{chr(_LAST)}]")
_MASKS: Final = re.compile(f"{_MASKED.pattern}+")
#: The mask of a secret that has none of its own.
MASK: Final = chr(_LAST) * _MASK_LENGTH


def is_masked(text: str) -> bool:
    """Whether a mask, or a part of one, is in a text."""
    return _MASKED.search(text) is not None


def readable(text: str) -> str:
    """A masked text as messages quote it."""
    return _MASKS.sub("(secret)", text)


def masks_in(text: str) -> frozenset[str]:
    """The masks that are in a text, or parts of them."""
    return frozenset(found * _MASK_LENGTH for found in set(_MASKED.findall(text)))


def new_masks(names: Iterable[str]) -> Iterator[str]:
    """Masks that differ from each other and share no character with the names of variables."""
    used = {character for name in names for character in name}
    return (chr(code) * _MASK_LENGTH for code in range(_FIRST, _LAST) if chr(code) not in used)


@dataclass(frozen=True)
class Value:
    """A variable's value; if ``secret``, every text that it goes into is secret.

    ``masked`` is a secret value with masks in the place of the secrets. ``whole`` is the mask of a
    value that is one secret, so that its form is not public either; None if only parts are secret.
    """

    value: LeaderValue
    secret: bool = False
    masked: LeaderValue = field(default=MASK, compare=False)
    whole: str | None = field(default=MASK, compare=False)

    @property
    def visible(self) -> LeaderValue:
        """The value, masked if it is secret."""
        return self.masked if self.secret else self.value

    def __repr__(self) -> str:
        """Without the secret: representations end up in logs."""
        return "Value(secret)" if self.secret else f"Value({self.value!r})"


@dataclass(frozen=True)
class RenderedText:
    """A text after substitution; ``secret`` if a secret value went into it.

    ``constant``: if it is the same with any values, as they were not asked for.
    """

    text: str
    secret: bool
    constant: bool = field(default=False, compare=False)

    def __repr__(self) -> str:
        """Without the text, which may be a part of a secret: representations end up in logs."""
        return f"RenderedText({len(self.text)} characters, secret={self.secret})"
