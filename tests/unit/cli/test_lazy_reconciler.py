"""What reconciles is loaded once, by the first reconciliation, and not by the event loop."""

from __future__ import annotations

import asyncio
import threading
from typing import Any

import pytest

from pryv_operator.cli import lazy_reconciler
from pryv_operator.cli.lazy_reconciler import LazyReconciler
from pryv_operator.kube.work_queue import Key

PARTS: Any = ("client", "settings", "references", "domains", "children", "memory")


async def test_it_is_loaded_once_in_another_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    loads: list[threading.Thread] = []
    made: list[tuple[Any, ...]] = []
    reconciled: list[Key] = []

    class Reconciler:
        def __init__(self, *parts: Any) -> None:
            made.append(parts)

        async def __call__(self, key: Key) -> float:
            await asyncio.sleep(0)
            reconciled.append(key)
            return 7.0

    def load() -> type[Reconciler]:
        loads.append(threading.current_thread())
        return Reconciler

    monkeypatch.setattr(lazy_reconciler, "_load", load)
    lazy = LazyReconciler(*PARTS)
    assert not loads
    keys = [Key("n", str(number)) for number in range(3)]
    assert await asyncio.gather(*map(lazy, keys)) == [7.0] * 3
    assert sorted(reconciled) == keys
    assert made == [PARTS]
    assert len(loads) == 1
    assert loads[0] is not threading.main_thread()


async def test_a_failure_is_not_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    """The queue logs it and retries, as it does for a reconciliation."""
    attempts = 0

    class Reconciler:
        def __init__(self, *_: Any) -> None: ...

        async def __call__(self, key: Key) -> None: ...

    def load() -> type[Reconciler]:
        nonlocal attempts
        attempts += 1
        if attempts == 1:
            raise MemoryError
        return Reconciler

    monkeypatch.setattr(lazy_reconciler, "_load", load)
    lazy = LazyReconciler(*PARTS)
    with pytest.raises(MemoryError):
        await lazy(Key("n", "a"))
    assert await lazy(Key("n", "a")) is None


class Recorded:
    """What is remembered of platforms."""

    def __init__(self) -> None:
        self.forgotten: list[Key] = []

    def forget(self, key: Key) -> None:
        self.forgotten.append(key)


async def test_what_was_restored_is_forgotten_too(monkeypatch: pytest.MonkeyPatch) -> None:
    """A platform may be at rest, and reported, although nothing was ever reconciled."""
    memory, references, reconciler = Recorded(), Recorded(), Recorded()

    class Reconciler(Recorded):
        def __init__(self, *_: Any) -> None: ...

        async def __call__(self, key: Key) -> None: ...

        def forget(self, key: Key) -> None:
            reconciler.forget(key)

    parts: Any = ("client", "settings", references, "domains", "children", memory)
    lazy = LazyReconciler(*parts)
    key = Key("n", "a")
    lazy.forget(key)
    assert (memory.forgotten, references.forgotten) == ([key], [key])
    monkeypatch.setattr(lazy_reconciler, "_load", lambda: Reconciler)
    await lazy(key)
    lazy.forget(key)
    assert reconciler.forgotten == [key]  # which forgets the others
    assert (memory.forgotten, references.forgotten) == ([key], [key])
