"""Which platform and revision log lines are about.

It is set once in a reconciliation, for every line that is logged inside, in threads too.
"""

from __future__ import annotations

from contextvars import ContextVar
from dataclasses import dataclass, replace
from typing import Final


@dataclass(frozen=True)
class LogContext:
    """What log lines are about. Empty: not about a platform."""

    namespace: str = ""
    platform: str = ""
    #: Number of the desired revision, as far as it is known.
    revision: int | None = None


_CONTEXT: Final[ContextVar[LogContext]] = ContextVar("log_context", default=LogContext())  # noqa: B039 - frozen


def log_context() -> LogContext:
    """What lines of the running task or thread are about."""
    return _CONTEXT.get()


def set_platform(namespace: str, platform: str) -> None:
    """From now on, lines of this task are about a platform."""
    _CONTEXT.set(LogContext(namespace, platform))


def set_revision(revision: int | None) -> None:
    """From now on, lines of this task are about a revision of their platform."""
    _CONTEXT.set(replace(_CONTEXT.get(), revision=revision))


def of_component(label: str) -> dict[str, str]:
    """``extra`` of a line about a component. ``label``: ``co1/core``."""
    return {"component": label}
