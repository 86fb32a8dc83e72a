"""Computations in child processes: their limits, their order, and that nothing is left behind."""

from __future__ import annotations

import asyncio
import importlib
import os
import time
from collections.abc import Callable
from pathlib import Path
from types import MappingProxyType
from typing import Any

import pytest

from pryv_operator.child_processes import frames
from pryv_operator.child_processes.limits import LimitExceededError, ProcessLimits
from pryv_operator.child_processes.pool import ChildProcesses, UnexpectedInChildError
from pryv_operator.child_processes.slots import Slots

#: Without a deadline that a busy machine reaches.
SMALL = ProcessLimits(cpu_seconds=1, deadline_seconds=300, result_size=1024 * 1024)


def spin() -> None:
    while True:
        pass


def spin_in_c() -> int:
    """One call of the interpreter's that takes minutes: a thread with it cannot be stopped."""
    return int(str(10 ** (10**8))[:1])


def sleep() -> None:
    time.sleep(60)


def fill_memory() -> int:
    return len([bytes(1024 * 1024) for _ in range(100_000)])


def fill_memory_at_once() -> int:
    return len(bytearray(10**10))


def large_result(_: int = 0) -> bytes:
    return bytes(2 * 1024 * 1024)


def leave() -> None:
    os._exit(3)


def lambda_result() -> Any:
    return lambda: None  # cannot be pickled


def fail(secret: str) -> None:
    raise ValueError(secret)


def end_by_signal() -> None:
    os.abort()


@pytest.mark.parametrize(
    ("function", "limit"),
    [
        (spin, "1 s of CPU time"),
        (spin_in_c, "1 s of CPU time"),
        (fill_memory, "256 MiB of memory"),
        (fill_memory_at_once, "256 MiB of memory"),
        (end_by_signal, "256 MiB of memory"),
        (large_result, "1 MiB of results"),
    ],
)
def test_what_exceeds_a_limit_is_ended_and_the_next_call_answered(
    function: Callable[[], Any], limit: str
) -> None:
    async def run() -> int:
        children = ChildProcesses(SMALL)
        with pytest.raises(LimitExceededError, match=f"^more than {limit}$"):
            await children.run("a", function)
        answer = await children.run("a", len, "four")
        await children.close()
        return answer

    assert asyncio.run(run()) == 4


def test_the_deadline_is_by_the_clock() -> None:
    async def run() -> None:
        children = ChildProcesses(ProcessLimits(deadline_seconds=1))
        with pytest.raises(LimitExceededError, match=r"^more than 1 s$"):
            await children.run("a", sleep)
        await children.close()

    asyncio.run(run())


def test_a_computation_that_exceeded_a_limit_is_not_tried_again_at_once() -> None:
    async def run() -> tuple[float, float]:
        children = ChildProcesses(SMALL)
        with pytest.raises(LimitExceededError) as first:
            await children.run("a", large_result)
        with pytest.raises(LimitExceededError) as again:
            await children.run("b", large_result)
        assert await children.run("a", len, (1, 2)) == 2
        await children.close()
        return first.value.retry_after, again.value.retry_after

    first, again = asyncio.run(run())
    assert 0 < again < first


def test_the_cpu_time_of_one_call_is_not_that_of_the_calls_before() -> None:
    async def run() -> set[int]:
        children = ChildProcesses(SMALL)
        found = {await children.run("a", work_half_a_second, number) for number in range(4)}
        await children.close()
        return found

    assert len(asyncio.run(run())) == 1, "all in one process"


def work_half_a_second(_: int) -> int:
    end = time.process_time() + 0.5
    while time.process_time() < end:
        pass
    return os.getpid()


def test_unexpected_exceptions_are_named_without_their_message(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def run() -> None:
        children = ChildProcesses(SMALL)
        try:
            await children.run("a", fail, "s3cr3t")
        finally:
            await children.close()

    with pytest.raises(UnexpectedInChildError, match="ValueError") as error:
        asyncio.run(run())
    assert error.value.type_name == "ValueError"
    assert "in fail" in caplog.text
    assert "s3cr3t" not in caplog.text


@pytest.mark.parametrize(
    ("function", "name"), [(leave, "exit code 3"), (lambda_result, "AttributeError|PicklingError")]
)
def test_other_ends_are_bugs(function: Callable[[], Any], name: str) -> None:
    async def run() -> None:
        children = ChildProcesses(SMALL)
        try:
            await children.run("a", function)
        finally:
            await children.close()

    with pytest.raises(UnexpectedInChildError, match=name):
        asyncio.run(run())


def test_a_namespace_has_one_process_at_a_time(tmp_path: Path) -> None:
    async def run() -> None:
        children = ChildProcesses(SMALL)
        barrier = tmp_path / "go"
        busy = [
            asyncio.create_task(children.run("a", wait_for_file, str(barrier), n))
            for n in (1, 2, 3)
        ]
        await others_have_begun(barrier)
        # Would wait for the deadline if the calls of namespace a had both processes.
        assert await children.run("b", len, "abc") == 3
        assert not any(task.done() for task in busy)
        barrier.touch()
        assert await asyncio.gather(*busy) == [1, 2, 3]
        await children.close()

    asyncio.run(run())


def test_namespaces_that_exceeded_a_limit_have_one_process_together(tmp_path: Path) -> None:
    async def run() -> None:
        children = ChildProcesses(SMALL)
        barrier = tmp_path / "go"
        hostile = [f"hostile-{number}" for number in range(4)]
        for number, namespace in enumerate(hostile):
            with pytest.raises(LimitExceededError):
                await children.run(namespace, large_result, number)
        busy = [
            asyncio.create_task(children.run(namespace, wait_for_file, str(barrier), number))
            for number, namespace in enumerate(hostile)
        ]
        await others_have_begun(barrier)
        # Would wait for the deadline if they had both processes.
        assert await children.run("b", len, "abc") == 3
        assert not any(task.done() for task in busy)
        barrier.touch()
        assert await asyncio.gather(*busy) == [0, 1, 2, 3]
        await children.close()

    asyncio.run(run())


def test_after_a_while_a_namespace_has_a_process_of_its_own_again(tmp_path: Path) -> None:
    async def run() -> None:
        children = ChildProcesses(SMALL, confined_seconds=0.0)
        barriers = [tmp_path / name / "go" for name in ("a", "b")]
        for number, barrier in enumerate(barriers):
            barrier.parent.mkdir()
            with pytest.raises(LimitExceededError):
                await children.run(f"hostile-{number}", large_result, number)
        busy = [
            asyncio.create_task(children.run(f"hostile-{number}", wait_for_file, str(each), number))
            for number, each in enumerate(barriers)
        ]
        # Both at once; one would wait for the other's barrier until the deadline.
        for barrier in reversed(barriers):
            await others_have_begun(barrier)
            assert list(barrier.parent.glob("begun-*"))
        for barrier in barriers:
            barrier.touch()
        assert await asyncio.gather(*busy) == [0, 1]
        await children.close()

    asyncio.run(run())


def test_a_long_call_is_begun_again_in_a_process_that_such_calls_share(tmp_path: Path) -> None:
    """Two namespaces with calls within the limits leave a process to the third."""

    async def run() -> None:
        children = ChildProcesses(ProcessLimits(deadline_seconds=300))
        barrier = tmp_path / "go"
        busy = [
            asyncio.create_task(children.run(namespace, long_call, str(barrier), number))
            for number, namespace in enumerate(("a", "b"))
        ]
        # Would wait for the deadline if they had both processes.
        assert await children.run("c", len, "abc") == 3
        assert not any(task.done() for task in busy)
        barrier.touch()
        assert await asyncio.gather(*busy) == [0, 1]
        assert [children.sharing(each) for each in "abc"] == ["", "", "c"]
        await children.close()

    asyncio.run(run())


def long_call(path: str, result: int) -> int:
    """Uses CPU time until it is ended; waits for a file when it is begun again."""
    tried = Path(path).with_name(f"tried-{result}")
    if not tried.exists():
        tried.touch()
        spin()
    return wait_for_file(path, result)


def test_each_long_call_confines_its_namespace_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """So it shares a process for as long as it has such calls, and a while longer."""
    confined: list[str] = []
    confine = Slots.confine

    def recorded(slots: Slots, namespace: str, now: float) -> None:
        confined.append(namespace)
        confine(slots, namespace, now)

    monkeypatch.setattr(Slots, "confine", recorded)

    async def run() -> list[int]:
        children = ChildProcesses(ProcessLimits(deadline_seconds=300))
        counts = []
        for function in (work_two_seconds_and_a_half, work_two_seconds_and_a_half, os.getpid):
            await children.run("a", function)
            counts.append(len(confined))
        await children.close()
        return counts

    assert asyncio.run(run()) == [2, 3, 3], "the first was ended and begun again"


def work_two_seconds_and_a_half() -> None:
    end = time.process_time() + 2.5
    while time.process_time() < end:
        pass


def test_what_takes_longest_may_take_the_limit_once_only() -> None:
    """Neither for ever nor twice, also when its namespace is not confined any more."""

    async def run() -> None:
        children = ChildProcesses(
            ProcessLimits(cpu_seconds=2, deadline_seconds=300), confined_seconds=0.0
        )
        with pytest.raises(LimitExceededError, match=r"^more than 2 s of CPU time$"):
            await children.run("a", spin)
        await children.close()

    asyncio.run(run())


def test_calls_that_are_cancelled_while_they_wait_leave_no_trace(tmp_path: Path) -> None:
    async def run() -> None:
        children = ChildProcesses(SMALL, size=1)
        barrier = tmp_path / "go"
        busy = asyncio.create_task(children.run("a", wait_for_file, str(barrier), 1))
        waiting = [asyncio.create_task(children.run(each, len, "x")) for each in "abcb"]
        await others_have_begun(barrier)
        for task in waiting[:3]:
            task.cancel()
        await asyncio.wait(waiting[:3])
        barrier.touch()
        assert await busy == 1
        assert await waiting[3] == 1
        assert all(task.cancelled() for task in waiting[:3])
        await children.close()

    asyncio.run(run())


@pytest.mark.parametrize("function", [leave, end_by_signal, fill_memory_at_once])
def test_a_process_that_dies_leaves_its_slot(function: Callable[[], Any]) -> None:
    async def run() -> list[int]:
        children = ChildProcesses(SMALL, size=1)
        failing = asyncio.create_task(children.run("a", function))
        waiting = [asyncio.create_task(children.run(each, len, "x")) for each in "ab"]
        with pytest.raises((LimitExceededError, UnexpectedInChildError)):
            await failing
        found = await asyncio.gather(*waiting)
        await children.close()
        return found

    assert asyncio.run(run()) == [1, 1]


async def others_have_begun(barrier: Path) -> None:
    """Wait until a call of `wait_for_file` runs, and give others the time to begin too."""
    for _ in range(3000):
        if list(barrier.parent.glob("begun-*")):
            break
        await asyncio.sleep(0.01)
    await asyncio.sleep(0.5)


def wait_for_file(path: str, result: int) -> int:
    Path(path).with_name(f"begun-{result}").touch()
    while not Path(path).exists():
        time.sleep(0.01)
    return result


def test_idle_processes_end() -> None:
    async def run() -> None:
        children = ChildProcesses(SMALL, idle_seconds=0.1)
        process = await children.run("a", os.getpid)
        for _ in range(500):
            if not exists(process):
                break
            await asyncio.sleep(0.02)
        else:
            pytest.fail("the process does not end")
        assert await children.run("a", os.getpid) != process
        await children.close()

    asyncio.run(run())


def exists(process: int) -> bool:
    return Path(f"/proc/{process}").exists()


def test_cancelled_calls_end_their_process() -> None:
    async def run() -> None:
        children = ChildProcesses(SMALL)
        task = asyncio.create_task(children.run("a", sleep))
        await asyncio.sleep(0.2)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert await children.run("a", len, "") == 0
        await children.close()

    asyncio.run(run())


def test_children_inherit_nothing_of_the_pod(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CREDENTIAL", "s3cr3t")

    async def run() -> dict[str, str]:
        children = ChildProcesses(SMALL)
        found = await children.run("a", environment)
        await children.close()
        return found

    assert "CREDENTIAL" not in asyncio.run(run())


def environment() -> dict[str, str]:
    return dict(os.environ)


def test_importing_the_entry_point_starts_nothing() -> None:
    before = os.nice(0), os.fstat(0), os.fstat(1)
    importlib.import_module("pryv_operator.child_processes.__main__")
    assert (os.nice(0), os.fstat(0), os.fstat(1)) == before


def test_a_large_answer_is_decoded_in_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    """Between two pieces other threads run: the event loop must not wait for a whole answer."""
    sizes: list[int] = []
    read = frames._Pieces.read

    def measured(pieces: frames._Pieces, size: int) -> bytes:
        sizes.append(size)
        return read(pieces, size)

    monkeypatch.setattr(frames._Pieces, "read", measured)
    long = "x" * 900_000
    value = ([{"name": f"E{number}", "value": "v"} for number in range(100_000)], long)
    encoded = frames.encode(value)
    assert frames.decode(encoded[frames.LENGTH_SIZE :]) == value
    # A frame holds many small objects, at most 64 KiB and the last one; a long text is one object.
    assert sum(sizes) <= len(encoded)
    assert max(size for size in sizes if size < len(long)) < 70_000
    assert len(sizes) > (len(encoded) - len(long)) / 70_000


def test_read_only_maps_are_understood() -> None:
    async def run() -> object:
        children = ChildProcesses(SMALL)
        found = await children.run("a", dict, MappingProxyType({"a": MappingProxyType({"b": 1})}))
        await children.close()
        return found

    assert asyncio.run(run()) == {"a": MappingProxyType({"b": 1})}


def test_a_process_that_has_grown_is_not_used_again() -> None:
    async def run() -> tuple[int, int, int]:
        children = ChildProcesses(SMALL)
        first = await children.run("a", keep_memory, 1)
        second = await children.run("a", keep_memory, 100)
        third = await children.run("a", keep_memory, 1)
        await children.close()
        return first, second, third

    first, second, third = asyncio.run(run())
    assert first == second != third


_KEPT: list[bytes] = []


def keep_memory(mebibytes: int) -> int:
    _KEPT.append(bytes(mebibytes * 1024 * 1024))
    return os.getpid()
