"""The desired state of the last reconciliation, as long as its inputs are the same."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final, TypeVar

from pryv_operator.api.platform import Platform
from pryv_operator.kube.work_queue import Key
from pryv_operator.reconcile.computation import Computation

T = TypeVar("T")

#: Of so many platforms: more are not rolled out at the same time by one process.
_MOST: Final = 8


@dataclass(frozen=True)
class _Result:
    function: Callable[..., Any]
    arguments: tuple[Any, ...] = field(repr=False)
    value: Any = field(repr=False)


class ReusedComputation:
    """Computes with another one, unless it has computed the same for the platform just before.

    Only what the platform's own limits keep small is kept: results of built-in templates.
    """

    def __init__(self, computation: Computation, most: int = _MOST) -> None:
        """``most``: of so many platforms results are kept."""
        self._computation = computation
        self._most = most
        self._results: OrderedDict[Key, dict[Callable[..., Any], _Result]] = OrderedDict()

    async def run(self, platform: Platform, function: Callable[..., T], *arguments: Any) -> T:
        """The function's result, as ``Computation.run``."""
        key = Key(platform.namespace, platform.name)
        known = self._results.get(key, {}).get(function)
        if known and known.arguments == arguments:
            value: T = known.value
            return value
        value = await self._computation.run(platform, function, *arguments)
        if platform.spec.templates is None:
            self._results.setdefault(key, {})[function] = _Result(function, arguments, value)
            self._results.move_to_end(key)
            if len(self._results) > self._most:
                self._results.popitem(last=False)
        return value

    def forget(self, key: Key) -> None:
        """Drop the results of a platform."""
        self._results.pop(key, None)
