"""Where a reconciliation computes: never on the event loop, which has to renew the lease."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, Final, Protocol, TypeVar

from pryv_operator.api.findings import Problem
from pryv_operator.api.platform import Platform
from pryv_operator.api.reasons import Reason
from pryv_operator.child_processes.limits import LimitExceededError
from pryv_operator.child_processes.pool import ChildProcesses
from pryv_operator.desired.inputs import Inputs
from pryv_operator.rollout.revisions import compact_json

T = TypeVar("T")

#: A fresh platform has some 600 characters of generated secrets.
_SHORT_CHARACTERS: Final = 4096

_REMEDY: Final = (
    "use fewer and shorter templates, variables and Secrets, and simpler expressions in templates"
)


class Computation(Protocol):
    """Runs pure functions that compute from a platform's input."""

    async def run(self, platform: Platform, function: Callable[..., T], *arguments: Any) -> T:
        """The function's result.

        Raises:
            LimitExceededError: it exceeds a limit.
        """


class UnlimitedComputation:
    """In a thread: for the command line, whose user's own machine it is."""

    async def run(self, platform: Platform, function: Callable[..., T], *arguments: Any) -> T:
        """The function's result."""
        del platform
        return await asyncio.to_thread(function, *arguments)


class LimitedComputation:
    """In a thread for the operator's own templates and little input, else in a child with limits.

    A thread cannot be ended, and C code in it (regular expressions, parsers) holds up the others.
    So it gets only what is short enough to cost little, however it is made.
    """

    def __init__(self, children: ChildProcesses) -> None:
        """``children``: those of the operator."""
        self._children = children

    async def run(self, platform: Platform, function: Callable[..., T], *arguments: Any) -> T:
        """The function's result, as ``Computation.run``."""
        if platform.spec.templates is None and _is_short(platform, arguments):
            return await asyncio.to_thread(function, *arguments)
        return await self._children.run(platform.namespace, function, *arguments)


def _is_short(platform: Platform, arguments: tuple[Any, ...]) -> bool:
    """Whether what users have written into variables and Secrets is short altogether."""
    secrets = (
        len(value)
        for given in arguments
        if isinstance(given, Inputs)
        for value in given.secrets.values()
    )
    return len(compact_json(platform.spec.variables)) + sum(secrets) <= _SHORT_CHARACTERS


def limit_problem(error: LimitExceededError) -> Problem:
    """The problem that an exceeded limit is reported as."""
    text = f"reading and rendering the platform's input takes {error}, the limit; {_REMEDY}"
    return Problem(Reason.LIMIT_EXCEEDED, text)
