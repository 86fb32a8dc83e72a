"""The work queue, on a clock of its own."""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import Callable, Coroutine
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pryv_operator.kube.metrics import REGISTRY
from pryv_operator.kube.work_queue import Key, Priority, WorkQueue
from tests.unit.kube.simulated_clock import SimulatedClock

A, B, C = Key("ns", "a"), Key("ns", "b"), Key("ns", "c")


class TransientError(Exception):
    """Again later."""


class BusyError(TransientError):
    retry_after = 20.0


class RecordingReconciler:
    """Records its calls. ``answers`` decides what each returns, ``seconds`` how long it takes."""

    def __init__(
        self, *, seconds: float = 0.0, answers: Callable[[int], float | None] = lambda _: None
    ) -> None:
        self.seconds = seconds
        self.answers = answers
        self.began: list[tuple[float, Key]] = []
        self.running: list[Key] = []
        self.most = 0

    async def __call__(self, key: Key) -> float | None:
        assert key not in self.running, "two reconciliations of one platform at the same time"
        self.began.append((round(asyncio.get_running_loop().time(), 6), key))
        self.running.append(key)
        self.most = max(self.most, len(self.running))
        await asyncio.sleep(self.seconds)
        self.running.remove(key)
        return self.answers(len(self.began))

    @property
    def times(self) -> list[float]:
        return [at for at, _ in self.began]


def play(
    reconciler: RecordingReconciler,
    scene: Callable[[WorkQueue], Coroutine[Any, Any, None]],
    *,
    until: float,
    concurrency: int = 8,
    group: Callable[[str], str] = str,
) -> None:
    """Run a queue and a scene beside it, and stop the queue at a moment."""

    async def run() -> None:
        queue = WorkQueue(
            reconciler, concurrency=concurrency, group=group, retryable=TransientError
        )
        working = asyncio.create_task(queue.run())
        await scene(queue)
        await asyncio.sleep(until - asyncio.get_running_loop().time())
        queue.stop()
        await working

    with asyncio.Runner(loop_factory=SimulatedClock) as runner:
        runner.run(run())


def failing(error: Exception, times: int = 1000) -> Callable[[int], None]:
    def answer(count: int) -> None:
        if count <= times:
            raise error

    return answer


async def add_one(queue: WorkQueue) -> None:
    queue.add(A)


def queue_metric(name: str) -> float:
    return REGISTRY.get_sample_value(name, {"name": "pryvplatform"}) or 0.0


def test_the_depth_counts_what_is_due_and_waits() -> None:
    reconciler = RecordingReconciler(seconds=5, answers=lambda _: 300.0)
    lengths: list[float | None] = []

    async def scene(queue: WorkQueue) -> None:
        for key in (A, B, C):
            queue.add(key)
        for _ in range(4):
            await asyncio.sleep(4)
            lengths.append(queue_metric("workqueue_depth"))

    play(reconciler, scene, until=20, concurrency=1)
    assert lengths == [2, 1, 0, 0]


def test_adds_count_what_was_due_once() -> None:
    reconciler = RecordingReconciler(seconds=5, answers=lambda _: 300.0)
    adds: list[float] = []

    async def scene(queue: WorkQueue) -> None:
        for key in (A, B, A):
            queue.add(key)
        queue.add(C, delay=100)
        for _ in range(3):
            await asyncio.sleep(4)
            adds.append(queue_metric("workqueue_adds_total"))

    play(reconciler, scene, until=20, concurrency=1)
    assert adds == [2, 2, 2]


def test_work_under_way_is_seen_before_it_is_done() -> None:
    reconciler = RecordingReconciler(seconds=10)
    seen: list[tuple[float, float, float]] = []

    async def scene(queue: WorkQueue) -> None:
        before = queue_metric("workqueue_work_duration_seconds_count")
        queue.add(A)
        queue.add(B, delay=3)
        for _ in range(3):
            await asyncio.sleep(5)
            seen.append(
                (
                    queue_metric("workqueue_unfinished_work_seconds"),
                    queue_metric("workqueue_longest_running_processor_seconds"),
                    queue_metric("workqueue_work_duration_seconds_count") - before,
                )
            )

    play(reconciler, scene, until=20)
    assert seen[0] == (7, 5, 0)
    assert seen[2] == (0, 0, 2)


def test_the_time_in_the_queue_is_measured_from_when_a_key_is_due() -> None:
    name = "workqueue_queue_duration_seconds_sum"
    before = queue_metric(name)

    async def scene(queue: WorkQueue) -> None:
        queue.add(A, delay=2)
        queue.add(B, delay=3)

    play(RecordingReconciler(seconds=10), scene, until=30, concurrency=1)
    assert queue_metric(name) - before == pytest.approx(9)  # B is due at 3, and starts at 12


def test_retries_are_counted() -> None:
    before = queue_metric("workqueue_retries_total")
    play(RecordingReconciler(answers=failing(TransientError(), times=3)), add_one, until=60)
    assert queue_metric("workqueue_retries_total") - before == 3


def test_a_key_added_several_times_is_reconciled_once() -> None:
    reconciler = RecordingReconciler()

    async def scene(queue: WorkQueue) -> None:
        for key in (A, B, A, A):
            queue.add(key)

    play(reconciler, scene, until=10)
    assert reconciler.began == [(0, A), (0, B)]


def test_changes_are_batched_in_a_window_that_begins_with_the_first() -> None:
    reconciler = RecordingReconciler()

    async def scene(queue: WorkQueue) -> None:
        for _ in range(5):
            queue.add(A, delay=1.0)
            await asyncio.sleep(0.3)

    play(reconciler, scene, until=10)
    assert reconciler.times == [1.0, 2.2]


def test_the_earlier_of_two_requests_wins() -> None:
    reconciler = RecordingReconciler()

    async def scene(queue: WorkQueue) -> None:
        queue.add(A, delay=300)
        queue.add(A, delay=2)

    play(reconciler, scene, until=400)
    assert reconciler.times == [2]


def test_one_reconciliation_of_a_key_at_a_time_and_no_request_is_lost() -> None:
    reconciler = RecordingReconciler(seconds=5)

    async def scene(queue: WorkQueue) -> None:
        for _ in range(4):
            queue.add(A)
            await asyncio.sleep(1)

    play(reconciler, scene, until=30)
    assert reconciler.times == [0, 5]


def test_several_keys_in_parallel_up_to_half_of_the_concurrency() -> None:
    reconciler = RecordingReconciler(seconds=5)

    async def scene(queue: WorkQueue) -> None:
        for number in range(6):
            queue.add(Key("ns", str(number)))

    play(reconciler, scene, until=30, concurrency=4)
    assert reconciler.most == 2
    assert reconciler.times == [0, 0, 5, 5, 10, 10]


def test_namespaces_take_turns() -> None:
    reconciler = RecordingReconciler(seconds=5)

    async def scene(queue: WorkQueue) -> None:
        for number in range(6):
            queue.add(Key("many", str(number)))
        await asyncio.sleep(1)
        for namespace in ("one", "two"):
            queue.add(Key(namespace, "a"))
            queue.add(Key(namespace, "b"))

    play(reconciler, scene, until=60, concurrency=1)
    order = [key.namespace for _, key in reconciler.began]
    assert order == ["many", "one", "two", "many", "one", "two", "many", "many", "many", "many"]


def test_what_namespaces_leave_of_the_workers() -> None:
    """Others find a worker at once, however long the reconciliations take."""
    reconciler = RecordingReconciler(seconds=100)

    async def scene(queue: WorkQueue) -> None:
        for namespace in ("first", "second", "third"):
            for number in range(20):
                queue.add(Key(namespace, str(number)))
            await asyncio.sleep(1)

    play(reconciler, scene, until=50)
    assert [key.namespace for _, key in reconciler.began] == (
        ["first"] * 4 + ["second"] * 2 + ["third"]
    )


def test_a_group_of_namespaces_has_the_workers_of_one() -> None:
    reconciler = RecordingReconciler(seconds=100)
    grouped = {f"hostile-{number}": "" for number in range(10)}

    async def scene(queue: WorkQueue) -> None:
        for namespace in grouped:
            for number in range(5):
                queue.add(Key(namespace, str(number)))
        await asyncio.sleep(1)
        queue.add(Key("other", "a"))

    play(reconciler, scene, until=50, group=lambda name: grouped.get(name, name))
    assert [key.namespace for _, key in reconciler.began] == [
        *(f"hostile-{number}" for number in range(4)),
        "other",
    ]


def test_a_namespace_that_joins_a_group_counts_there_with_all_it_has() -> None:
    reconciler = RecordingReconciler(seconds=20)
    grouped: set[str] = set()

    async def scene(queue: WorkQueue) -> None:
        for namespace in ("a", "b"):
            for number in range(10):
                queue.add(Key(namespace, str(number)))
        await asyncio.sleep(1)
        grouped.update("ab")

    play(reconciler, scene, until=30, group=lambda name: "" if name in grouped else name)
    began = Counter(reconciler.times)
    assert (began[0], began[20]) == (6, 4)


@given(
    keys=st.lists(st.tuples(st.sampled_from("abcde"), st.integers(0, 5)), max_size=40),
    concurrency=st.integers(1, 8),
    together=st.sets(st.sampled_from("abcde")),
)
def test_every_key_is_reconciled(
    keys: list[tuple[str, int]], concurrency: int, together: set[str]
) -> None:
    reconciler = RecordingReconciler(seconds=1)

    async def scene(queue: WorkQueue) -> None:
        for namespace, name in keys:
            queue.add(Key(namespace, str(name)))

    def group(namespace: str) -> str:
        return "" if namespace in together else namespace

    play(reconciler, scene, until=100, concurrency=concurrency, group=group)
    assert {key for _, key in reconciler.began} == {Key(a, str(b)) for a, b in keys}
    assert reconciler.most <= concurrency


def test_the_key_that_waits_longest_comes_first() -> None:
    reconciler = RecordingReconciler(seconds=5)

    async def scene(queue: WorkQueue) -> None:
        queue.add(C)
        await asyncio.sleep(1)
        queue.add(B)
        await asyncio.sleep(1)
        queue.add(A)

    play(reconciler, scene, until=30, concurrency=1)
    assert [key for _, key in reconciler.began] == [C, B, A]


def test_the_returned_seconds_requeue_the_key() -> None:
    reconciler = RecordingReconciler(answers=lambda count: 300.0 if count < 3 else None)
    play(reconciler, add_one, until=2000)
    assert reconciler.times == [0, 300, 600]


def test_back_off_grows_to_a_limit_and_ends_with_success() -> None:
    reconciler = RecordingReconciler(answers=failing(TransientError("no"), times=10))
    play(reconciler, add_one, until=2000)
    waits = [
        round(later - earlier, 3)
        for earlier, later in zip(reconciler.times, reconciler.times[1:], strict=False)
    ]
    assert waits == [0.5, 1, 2, 4, 8, 16, 32, 60, 60, 60]


def test_success_forgets_failures() -> None:
    def answer(count: int) -> float | None:
        if count in (1, 2, 4):
            raise TransientError("no")
        return 100.0 if count == 3 else None

    reconciler = RecordingReconciler(answers=answer)
    play(reconciler, add_one, until=1000)
    assert reconciler.times == [0, 0.5, 1.5, 101.5, 102]


def test_retry_after_of_the_server_is_respected() -> None:
    reconciler = RecordingReconciler(answers=failing(BusyError("busy"), times=1))
    play(reconciler, add_one, until=100)
    assert reconciler.times == [0, 20]


def test_a_bug_met_by_one_platform_does_not_stop_the_others(
    caplog: pytest.LogCaptureFixture,
) -> None:
    canary = "canary"

    class Buggy(RecordingReconciler):
        async def __call__(self, key: Key) -> float | None:
            await super().__call__(key)
            if key == A:
                raise KeyError(canary * 2)
            return None

    reconciler = Buggy()

    async def scene(queue: WorkQueue) -> None:
        queue.add(A)
        await asyncio.sleep(5)
        queue.add(B)

    with caplog.at_level(logging.ERROR):
        play(reconciler, scene, until=20)
    assert (5, B) in reconciler.began
    assert [key for _, key in reconciler.began].count(A) > 3
    assert "KeyError" in caplog.text
    assert canary * 2 not in caplog.text, "an unexpected message could quote anything"


def test_stop_lets_a_reconciliation_finish_and_starts_no_other() -> None:
    reconciler = RecordingReconciler(seconds=5)

    async def scene(queue: WorkQueue) -> None:
        for key in (A, B, C):
            queue.add(key)

    play(reconciler, scene, until=2, concurrency=4)
    assert reconciler.began == [(0, A), (0, B)]
    assert reconciler.running == []


def test_overdue_tells_how_long_a_key_has_waited_or_run() -> None:
    reconciler = RecordingReconciler(seconds=50)
    seen: list[float] = []

    async def scene(queue: WorkQueue) -> None:
        seen.append(queue.overdue())
        queue.add(A, delay=10)
        seen.append(queue.overdue())
        await asyncio.sleep(40)
        seen.append(queue.overdue())  # A's reconciliation has run for 30 seconds
        queue.add(B)
        await asyncio.sleep(15)
        seen.append(queue.overdue())
        await asyncio.sleep(15)
        seen.append(queue.overdue())  # A has ended, B runs

    play(reconciler, scene, until=300, concurrency=1)
    assert seen == [0, 0, 30, 45, 10]


def test_what_waits_for_its_own_namespace_is_not_overdue() -> None:
    """However many platforms a namespace has, its waiting does not fail the health check."""
    seen: list[float] = []

    async def scene(queue: WorkQueue) -> None:
        for number in range(40):
            queue.add(Key("many", f"p{number}"))
        for _ in range(20):
            await asyncio.sleep(9)
            seen.append(queue.overdue())

    play(RecordingReconciler(seconds=10), scene, until=400)
    assert max(seen) <= 10


def test_what_waits_for_its_group_is_not_overdue() -> None:
    """Nor does that of many namespaces which share a process."""
    seen: list[float] = []

    async def scene(queue: WorkQueue) -> None:
        for number in range(40):
            queue.add(Key(f"many-{number}", "a"))
        for _ in range(20):
            await asyncio.sleep(9)
            seen.append(queue.overdue())

    play(RecordingReconciler(seconds=10), scene, until=400, group=lambda _: "")
    assert max(seen) <= 10


def test_a_namespace_that_leaves_its_group_is_not_overdue() -> None:
    """However long ago a reconciliation of it began while it was in no group."""
    seen: list[float] = []
    grouped = {f"many-{number}" for number in range(40)}

    async def scene(queue: WorkQueue) -> None:
        for namespace in sorted(grouped):
            for number in range(5):
                queue.add(Key(namespace, f"p{number}"))
        for _ in range(30):
            await asyncio.sleep(9)
            seen.append(queue.overdue())
        grouped.clear()
        seen.append(queue.overdue())

    play(
        RecordingReconciler(seconds=10),
        scene,
        until=280,
        group=lambda name: "" if name in grouped else name,
    )
    assert max(seen) <= 10


def test_the_age_is_that_of_the_oldest_key_whatever_it_waits_for() -> None:
    ages: list[float | None] = []

    async def scene(queue: WorkQueue) -> None:
        for number in range(4):
            queue.add(Key("many", f"p{number}"))
        for _ in range(4):
            await asyncio.sleep(9)
            ages.append(REGISTRY.get_sample_value("pryv_operator_queue_age_seconds"))

    play(RecordingReconciler(seconds=10), scene, until=100, concurrency=1)
    assert ages == [9, 18, 27, 6]


class QueueingReconciler:
    """Reconciliations that wait one after another for what only one of them can use at a time."""

    def __init__(self, seconds: Callable[[Key], float]) -> None:
        self._seconds = seconds
        self._one = asyncio.Lock()
        self.queue: WorkQueue

    async def __call__(self, key: Key) -> None:
        with self.queue.waiting_for_others():
            await self._one.acquire()
        try:
            await asyncio.sleep(self._seconds(key))
        finally:
            self._one.release()


def overdue_after(seconds: Callable[[Key], float], *, lock_held: bool = False) -> float:
    """The most that was overdue in 590 seconds of eight reconciliations that share something."""

    async def run() -> float:
        reconciler = QueueingReconciler(seconds)
        queue = reconciler.queue = WorkQueue(reconciler, retryable=TransientError)
        if lock_held:
            await reconciler._one.acquire()
        for number in range(8):
            queue.add(Key(f"ns-{number}", "a"))
        working = asyncio.create_task(queue.run())
        most = 0.0
        for _ in range(59):
            await asyncio.sleep(10)
            most = max(most, queue.overdue())
        working.cancel()
        await asyncio.gather(working, return_exceptions=True)
        return most

    with asyncio.Runner(loop_factory=SimulatedClock) as runner:
        return runner.run(run())


def test_reconciliations_that_wait_for_others_are_not_overdue() -> None:
    assert overdue_after(lambda _: 60) <= 60


def test_the_one_that_others_wait_for_is_overdue() -> None:
    assert overdue_after(lambda key: 1e6 if key.namespace == "ns-3" else 60) == 410


def test_reconciliations_that_wait_are_overdue_when_nothing_moves() -> None:
    """Also when what they wait for got lost."""
    assert overdue_after(lambda _: 60, lock_held=True) == 590


@pytest.mark.parametrize("namespace", ["many", "other"])
def test_a_change_does_not_wait_for_a_fan_out(namespace: str) -> None:
    """Of a Secret that hundreds share: one start of four goes to others, so at most two before."""
    reconciler = RecordingReconciler(seconds=5)
    changed = Key(namespace, "p250")

    async def scene(queue: WorkQueue) -> None:
        for number in range(500):
            queue.add(Key("many", f"p{number:03}"), priority=Priority.FAN_OUT)
        await asyncio.sleep(51)
        queue.add(changed, priority=Priority.CHANGE)

    play(reconciler, scene, until=100)
    after = [key for at, key in reconciler.began if at >= 51]
    assert changed in after[:2]


def test_the_highest_priority_of_several_requests_counts() -> None:
    reconciler = RecordingReconciler(seconds=5)

    async def scene(queue: WorkQueue) -> None:
        for key in (A, B, C):
            queue.add(key, priority=Priority.RESYNC)
        queue.add(C, delay=1, priority=Priority.CHANGE)
        queue.add(C, priority=Priority.RESYNC)

    play(reconciler, scene, until=30, concurrency=1)
    assert [key for _, key in reconciler.began] == [C, A, B]


def test_a_retry_has_the_priority_of_its_request() -> None:
    reconciler = RecordingReconciler(seconds=0.1, answers=failing(TransientError(), times=1))

    async def scene(queue: WorkQueue) -> None:
        queue.add(A, priority=Priority.CHANGE)
        await asyncio.sleep(0.2)
        for number in range(100):
            queue.add(Key("ns", f"{number}"), priority=Priority.EVENT)

    play(reconciler, scene, until=60, concurrency=1)
    order = [key for _, key in reconciler.began]
    assert order.index(A, 1) <= 7


def test_a_resync_does_not_delay_events() -> None:
    """What the reconciler asks for is a resync, whatever came before."""
    reconciler = RecordingReconciler(seconds=1, answers=lambda _: 10.0)

    async def scene(queue: WorkQueue) -> None:
        for number in range(10):
            queue.add(Key("ns", f"{number}"), priority=Priority.CHANGE)
        await asyncio.sleep(20.5)
        queue.add(A)

    play(reconciler, scene, until=60, concurrency=1)
    assert A in [key for at, key in reconciler.began if at > 20.5][:2]


def kept(item: object) -> list[object]:
    """What collections hold, however deep."""
    if isinstance(item, (str, int, float, asyncio.Event)) or callable(item):
        return []
    if isinstance(item, (list, set)):
        return list(item)
    if isinstance(item, dict):
        if all(isinstance(each, Priority) for each in item):
            return [each for value in item.values() for each in kept(value)]
        return list(item)
    return [each for value in vars(item).values() for each in kept(value)]


def test_nothing_is_kept_of_platforms_that_are_gone() -> None:
    queues: list[WorkQueue] = []

    async def scene(queue: WorkQueue) -> None:
        queues.append(queue)
        for number in range(40):
            queue.add(Key(f"ns-{number % 20}", f"{number}"), priority=Priority(number % 4))

    play(RecordingReconciler(seconds=1), scene, until=200, group=lambda name: f"group of {name}")
    assert kept(queues[0]) == []


class Admission:
    """Namespaces whose keys are accepted."""

    def __init__(self, *namespaces: str) -> None:
        self.namespaces = set(namespaces)

    def __call__(self, namespace: str) -> bool:
        return namespace in self.namespaces


def play_drain(
    reconciler: RecordingReconciler, seconds: float
) -> tuple[frozenset[Key], list[tuple[float, Key]]]:
    """Drain a namespace in the fifth second; what was dropped, and what was reconciled after.

    One of its keys is reconciled, is requested again, and its neighbours wait.
    """
    admits = Admission("leaving", "staying")
    leaving = [Key("leaving", name) for name in "abc"]

    async def main() -> tuple[frozenset[Key], list[tuple[float, Key]]]:
        queue = WorkQueue(reconciler, concurrency=2, admits=admits, retryable=TransientError)
        working = asyncio.create_task(queue.run())
        for key in leaving:
            queue.add(key)
        queue.add(Key("staying", "d"), delay=20)
        queue.add(Key("leaving", "e"), delay=30)
        await asyncio.sleep(5)
        queue.add(leaving[0])
        admits.namespaces.discard("leaving")
        before = len(reconciler.began)
        dropped = await queue.drain(lambda namespace: namespace == "leaving", seconds)
        assert not {key for key in reconciler.running if key.namespace == "leaving"}
        queue.add(leaving[0])
        await asyncio.sleep(100)
        after = reconciler.began[before:]
        admits.namespaces.add("leaving")  # it comes back
        queue.add(leaving[0])
        await asyncio.sleep(100)
        assert reconciler.began[before + len(after)][1] == leaving[0]
        queue.stop()
        await working
        return dropped, after

    with asyncio.Runner(loop_factory=SimulatedClock) as runner:
        return runner.run(main())


class CancellableReconciler(RecordingReconciler):
    """Records which of its calls were cancelled."""

    def __init__(self, *, seconds: float, answer: float | None = None) -> None:
        super().__init__(seconds=seconds, answers=lambda _: answer)
        self.cancelled: list[Key] = []

    async def __call__(self, key: Key) -> float | None:
        try:
            return await super().__call__(key)
        except asyncio.CancelledError:
            self.running.remove(key)
            self.cancelled.append(key)
            raise


LEAVING = frozenset(Key("leaving", name) for name in "abce")


def test_what_is_drained_may_end_and_is_not_reconciled_again() -> None:
    reconciler = CancellableReconciler(seconds=7, answer=3.0)
    dropped, after = play_drain(reconciler, seconds=5)
    assert dropped == LEAVING
    assert not reconciler.cancelled
    assert {key for _, key in after} == {Key("staying", "d")}


def test_what_takes_too_long_to_drain_is_cancelled_and_the_rest_goes_on() -> None:
    reconciler = CancellableReconciler(seconds=50)
    dropped, after = play_drain(reconciler, seconds=5)
    assert dropped == LEAVING
    assert reconciler.cancelled == [Key("leaving", "a")]
    assert after == [(20.0, Key("staying", "d"))]


@given(st.lists(st.tuples(st.sampled_from("ab"), st.sampled_from("xy"), st.floats(0, 9))))
def test_keys_that_are_not_admitted_leave_nothing_behind(
    requests: list[tuple[str, str, float]],
) -> None:
    reconciler = RecordingReconciler()

    async def main() -> None:
        queue = WorkQueue(reconciler, admits=Admission("a"), retryable=TransientError)
        for namespace, name, delay in requests:
            queue.add(Key(namespace, name), delay=delay)
        working = asyncio.create_task(queue.run())
        await asyncio.sleep(10)
        queue.stop()
        await working
        assert not queue._states
        assert not queue._tasks

    with asyncio.Runner(loop_factory=SimulatedClock) as runner:
        runner.run(main())
    admitted = {Key(namespace, name) for namespace, name, _ in requests if namespace == "a"}
    assert {key for _, key in reconciler.began} == admitted
