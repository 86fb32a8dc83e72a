"""What a service would do with a value in its rendered file that it cannot use."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


class Effect(Enum):
    """What becomes of the service that reads the value."""

    #: It exits when it starts.
    STOPS = "does not start"
    #: It starts, and answers wrongly or exits when it is asked.
    MISLEADS = "does not answer as configured"
    #: Nothing, today.
    IGNORED = "ignores it"


@dataclass(frozen=True)
class Fault:
    """A value that a service cannot use.

    ``path`` leads to it inside the variable; it may hold secrets, ``message`` does not. Without
    a ``variable`` it is any whose value has ``word`` in it.
    """

    variable: str
    path: tuple[str | int, ...]
    message: str
    effect: Effect
    word: str = ""
