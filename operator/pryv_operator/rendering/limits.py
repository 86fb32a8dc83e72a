"""How large rendered files may be."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from pryv_operator.leader.substitution import SIZE_LIMIT, TooLargeError
from pryv_operator.rendering.parse_checks import is_parsed

_TOTAL_LIMIT: Final = 4 * SIZE_LIMIT


@dataclass(frozen=True)
class Limits:
    """Limits of one rendering (bytes)."""

    #: Of every file, and of every value that is inserted.
    file: int = SIZE_LIMIT
    #: Of all files together.
    total: int = _TOTAL_LIMIT
    #: Of all files together that are parsed to check them.
    parsed: int = _TOTAL_LIMIT


#: For the command line, which renders one platform.
DEFAULT_LIMITS: Final = Limits()
#: For the operator, which renders many platforms: a ConfigMap holds no more than 1 MiB anyway.
RECONCILIATION_LIMITS: Final = Limits(
    file=2 * 1024 * 1024, total=4 * 1024 * 1024, parsed=512 * 1024
)


class TotalTooLargeError(TooLargeError):
    """All files together exceed a limit."""

    hidden_message = (
        "the files of all roles are together too large with their secrets; shorten the Secrets "
        "that go into them"
    )


class SizeBudget:
    """What is left of the limits for all files together, while they are rendered in turn."""

    def __init__(self, limits: Limits = DEFAULT_LIMITS) -> None:
        self._limits = limits
        self._total = limits.total
        self._parsed = limits.parsed

    def spend(self, path: str, size: int) -> None:
        """Count a rendered file of ``size`` bytes.

        Raises:
            TotalTooLargeError: it exceeds a limit, together with the files before it.
        """
        self._total -= size
        if self._total < 0:
            raise TotalTooLargeError(
                limit=self._limits.total, subject="the total size of all files"
            )
        if is_parsed(path):
            self._parsed -= size
            if self._parsed < 0:
                raise TotalTooLargeError(
                    limit=self._limits.parsed,
                    subject="the total size of JSON, YAML and Hjson files",
                )
