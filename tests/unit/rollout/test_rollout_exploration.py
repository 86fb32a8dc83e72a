"""The rollout decision, explored exhaustively.

Every interleaving of steps, pods, edits and disturbances of small platforms. The model does what a
cluster does with a decision. The decision has no memory, so an operator that restarts between two
reconciliations is covered by construction; one that dies in the middle of a reconciliation leaves a
step that is applied to only one workload.
"""

from __future__ import annotations

import datetime as dt
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from typing import Literal

import pytest

from pryv_operator.rollout.decide import (
    Decision,
    PodTemplate,
    Policy,
    Progress,
    Trial,
    Workload,
    decide,
)

NOW = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)
DEADLINE = dt.timedelta(seconds=600)
INSTANCES = ("co1", "co2")
#: Component → its tier; an edit changes one of them, in both instances.
COMPONENTS = {"core": 1, "mongodb": 0}
WORKLOADS = tuple((instance, component) for instance in INSTANCES for component in COMPONENTS)

Versions = tuple[int, ...]  # by component
#: The states of a trial; ``Late``: it runs, and its deadline has passed. None: it does not exist.
Tried = Literal["Running", "Late", "Passed", "GivenUp"] | None
NO_TRIALS: tuple[Tried, ...] = (None,) * len(WORKLOADS)


@dataclass(frozen=True)
class Pod:
    """A workload of the model. ``late``: not ready, and its deadline has passed.

    ``answers``: the version that clients get from it, that of the old pod until the new is ready.
    ``read``: the version that it has got from its instance's mongodb when it started.
    """

    version: int | None
    ready: bool = True
    late: bool = False
    answers: int | None = None
    read: int | None = None


@dataclass(frozen=True)
class State:
    """A platform.

    ``rolled``: workloads that got the desired version since the last edit. ``migrated``: those that
    were given another image than that of the last good state. ``unready``: those that were not
    ready at the last edit. The operator records the last two with the revision.
    """

    desired: Versions
    good: Versions | None
    pods: tuple[Pod, ...]
    failed: bool = False
    rolled: frozenset[int] = frozenset()
    migrated: frozenset[int] = frozenset()
    unready: frozenset[int] = frozenset()
    trials: tuple[Tried, ...] = NO_TRIALS
    edits: int = 0
    failures: int = 0
    deletions: int = 0


@dataclass(frozen=True)
class Model:
    """What may happen, and how often.

    ``needs``: a core works only with a mongodb that is as new as itself.
    ``reads``: a core reads its mongodb's version once, when it starts, and works with any. An edit
    changes both.
    ``tries``: the old pods stop before the new ones start, so the new images are tried before.
    ``unknown``: a version whose image cannot be pulled.
    """

    policy: Policy
    edits: int
    failures: int
    deletions: int
    shared: bool = False
    migrates: bool = False
    needs: bool = False
    reads: bool = False
    tries: bool = False
    unknown: int | None = None
    #: By state; of one exploration only, as hundreds of thousands of them fill the memory.
    _decisions: dict[State, Decision] = field(
        default_factory=dict, init=False, compare=False, repr=False
    )

    def may_be_ready(self, pods: tuple[Pod, ...], index: int) -> bool:
        """Whether a pod can become ready, or stay so."""
        instance, component = WORKLOADS[index]
        if pods[index].version == self.unknown:
            return False
        if pods[index].version is None or component != "core":
            return pods[index].version is not None
        store = pods[WORKLOADS.index((instance, "mongodb"))]
        if self.reads:
            return pods[index].read is not None or store.answers is not None
        if not self.needs:
            return True
        return store.version is not None and store.version >= (pods[index].version or 0)

    def started(self, pods: list[Pod], index: int, version: int) -> Pod:
        """A pod that gets a version; it reads what is answered at this moment."""
        if not self.reads:
            return Pod(version, ready=False)
        instance, component = WORKLOADS[index]
        if component == "mongodb":
            return Pod(version, ready=False, answers=pods[index].answers)
        read = pods[WORKLOADS.index((instance, "mongodb"))].answers
        return Pod(version, ready=False, read=read)

    def made_ready(self, pods: tuple[Pod, ...], index: int) -> Pod:
        """A pod that becomes ready: from then on it answers, and has read."""
        pod = replace(pods[index], ready=True, late=False)
        if not self.reads:
            return pod
        instance, component = WORKLOADS[index]
        if component == "mongodb":
            return replace(pod, answers=pod.version)
        answered = pods[WORKLOADS.index((instance, "mongodb"))].answers
        return replace(pod, read=answered if pod.read is None else pod.read)

    def works(self, versions: Versions) -> bool:
        """Whether all can be ready with these versions."""
        core, store = (
            versions[list(COMPONENTS).index(component)] for component in ("core", "mongodb")
        )
        return self.unknown not in versions and (not self.needs or core <= store)

    def settled(self, pods: tuple[Pod, ...]) -> tuple[Pod, ...]:
        """What cannot be ready any more is not."""
        return tuple(
            pod if self.may_be_ready(pods, index) else replace(pod, ready=False)
            for index, pod in enumerate(pods)
        )

    def template(self, version: int) -> PodTemplate:
        shared = frozenset({("KEY", str(version))}) if self.shared else frozenset()
        image = f"image:{version}" if self.migrates or self.tries else "image:1"
        return PodTemplate(str(version), image, shared, str(version) if self.reads else "")

    def workloads(self, state: State) -> list[Workload]:
        found = []
        for place, ((instance, component), pod) in enumerate(
            zip(WORKLOADS, state.pods, strict=True)
        ):
            index = list(COMPONENTS).index(component)
            found.append(
                Workload(
                    name=f"{instance}-{component}",
                    label=f"{instance}/{component}",
                    role="core",
                    instance=instance,
                    tier=COMPONENTS[component],
                    desired=self.template(state.desired[index]),
                    live=None if pod.version is None else self.template(pod.version),
                    last_good=None if state.good is None else self.template(state.good[index]),
                    ready=pod.ready and pod.version is not None,
                    since=NOW - DEADLINE if pod.late else NOW,
                    migrates=self.migrates,
                    migrated=place in state.migrated,
                    reads=f"{instance}-mongodb" if self.reads and component == "core" else "",
                    trial=self.trial(state, place),
                )
            )
        return found

    def trial(self, state: State, index: int) -> Trial | None:
        """The trial that a workload needs."""
        pod, tried = state.pods[index], state.trials[index]
        desired = state.desired[list(COMPONENTS).index(WORKLOADS[index][1])]
        if not self.tries or pod.version in (None, desired):
            return None
        if tried is None:
            return Trial("Missing") if pod.ready else None
        if tried == "Late":
            return Trial("Running", NOW - DEADLINE)
        return Trial(tried, NOW)

    def ended_trials(self, state: State, index: int) -> Iterator[Tried]:
        """How a trial may go on."""
        if state.trials[index] in ("Running", "Late"):
            desired = state.desired[list(COMPONENTS).index(WORKLOADS[index][1])]
            yield "Late" if desired == self.unknown else "Passed"
            yield "GivenUp"

    def decision(self, state: State) -> Decision:
        if state not in self._decisions:
            self._decisions[state] = self._decide(state)
        return self._decisions[state]

    def _decide(self, state: State) -> Decision:
        began = min((NOW - DEADLINE if pod.late else NOW) for pod in state.pods)
        unready = frozenset("-".join(WORKLOADS[index]) for index in state.unready)
        failed = "it was not ready in time" if state.failed else None
        progress = Progress(2, began, failed, None if state.good is None else 1, unready)
        return decide(self.workloads(state), progress, self.policy, NOW)

    def operated(self, state: State, only: int | None = None) -> State:
        """After a reconciliation, or after one that ended with a single applied workload."""
        decision = self.decision(state)
        if decision.kind == "Failed":
            return replace(state, failed=True, trials=NO_TRIALS)
        pods, rolled, migrated = list(state.pods), set(state.rolled), set(state.migrated)
        for index, each in enumerate(self.workloads(state)):
            if self.migrates and each.name in decision.to_desired and each.changes_image:
                migrated.add(index)  # recorded before anything is applied
            for names, version in (
                (decision.to_desired, each.desired),
                (decision.to_last_good, each.last_good),
            ):
                if each.name not in names or only not in (None, index):
                    continue
                assert version is not None
                if pods[index].version is None:
                    rolled.discard(index)  # another client has deleted it, so this does not count
                pods[index] = self.started(pods, index, int(version.digest))
                if names is decision.to_desired:
                    rolled.add(index)
        complete = decision.kind == "Complete" and only is None
        good = state.desired if complete else state.good
        recorded = frozenset() if complete else frozenset(migrated)
        return replace(
            state,
            pods=self.settled(tuple(pods)),
            rolled=frozenset(rolled),
            good=good,
            migrated=recorded,
            trials=self._tried(state, decision) if only is None else state.trials,
        )

    def _tried(self, state: State, decision: Decision) -> tuple[Tried, ...]:
        """The trials after a reconciliation: those it names are created, what ended is deleted."""
        needed = decision.kind in ("Step", "Wait")
        found: list[Tried] = []
        for each, tried in zip(self.workloads(state), state.trials, strict=True):
            goes_on = needed and each.outdated and each.name not in decision.to_desired
            created = tried or ("Running" if each.name in decision.to_try else None)
            found.append(created if goes_on else None)
        return tuple(found)

    def followers(self, state: State) -> Iterator[State]:
        """Every state that may come next."""
        yield self.operated(state)
        for index, pod in enumerate(state.pods):
            yield self.operated(state, only=index)
            if not pod.ready and pod.version is not None:
                if self.may_be_ready(state.pods, index):
                    yield _with(state, index, self.made_ready(state.pods, index))
                if not pod.late:
                    yield _with(state, index, replace(pod, late=True))
            for ended in self.ended_trials(state, index):
                yield _with_trial(state, index, ended)
            if state.trials[index] == "Running":
                yield _with_trial(state, index, "Late")
            if pod.ready and state.failures < self.failures:
                yield replace(
                    _with(state, index, replace(pod, ready=False)), failures=state.failures + 1
                )
            # A core that is deleted is recreated at once, whatever its mongodb answers.
            may_go = not (self.reads and WORKLOADS[index][1] == "core")
            if pod.version is not None and may_go and state.deletions < self.deletions:
                gone = _with(state, index, Pod(None, ready=False))
                yield replace(gone, pods=self.settled(gone.pods), deletions=state.deletions + 1)
        if state.edits < self.edits:
            for edited in [[0, 1]] if self.shared or self.reads else [[0], [1]]:
                changed = tuple(
                    1 - version if index in edited else version
                    for index, version in enumerate(state.desired)
                )
                fresh = tuple(replace(pod, late=False) for pod in state.pods)
                unready = frozenset(index for index, pod in enumerate(fresh) if not pod.ready)
                edit = replace(
                    state,
                    desired=changed,
                    pods=fresh,
                    failed=False,
                    rolled=frozenset(),
                    unready=unready,
                    trials=NO_TRIALS,
                )
                yield replace(edit, edits=state.edits + 1)


def _with(state: State, index: int, pod: Pod) -> State:
    return replace(state, pods=(*state.pods[:index], pod, *state.pods[index + 1 :]))


def _with_trial(state: State, index: int, tried: Tried) -> State:
    trials = (*state.trials[:index], tried, *state.trials[index + 1 :])
    return replace(state, trials=trials)


def explored(model: Model, start: State) -> Iterator[State]:
    """All reachable states, breadth first."""
    seen, queue = {start}, deque([start])
    while queue:
        state = queue.popleft()
        yield state
        for following in model.followers(state):
            if following not in seen:
                seen.add(following)
                queue.append(following)


def _changed(before: State, after: State) -> set[int]:
    """Workloads whose template the operator has changed; what was missing is not among them."""
    pairs = enumerate(zip(before.pods, after.pods, strict=True))
    return {
        index
        for index, (old, new) in pairs
        if old.version is not None and old.version != new.version
    }


def _instance(index: int) -> str:
    return WORKLOADS[index][0]


def _serves(state: State, instance: str) -> bool:
    return all(
        pod.ready and pod.version is not None
        for index, pod in enumerate(state.pods)
        if _instance(index) == instance
    )


def never_two_cores_at_once(model: Model, before: State, after: State) -> None:
    touched = {_instance(index) for index in _changed(before, after)}
    if model.shared:
        return  # a value that all share is one step for all
    for instance in touched:
        if not _serves(before, instance):
            continue
        others = [pod for index, pod in enumerate(before.pods) if _instance(index) != instance]
        assert len(touched) == 1, f"two at once: {before}"
        assert all(pod.ready for pod in others if pod.version is not None or before.good), (
            f"{instance} is disturbed while another one is down: {before}"
        )


def nothing_after_a_failed_step(model: Model, before: State, after: State) -> None:
    if not before.failed:
        return
    versions = before.good or ()
    for index in _changed(before, after):
        component = list(COMPONENTS).index(WORKLOADS[index][1])
        allowed = {versions[component]} if model.policy.roll_back else set()
        if model.shared:
            allowed |= {pod.version for pod in before.pods}  # an interrupted step is finished
        assert after.pods[index].version in allowed, f"changed after a failure: {before}"


def nothing_twice(model: Model, before: State, after: State) -> None:
    again = {
        index for index in _changed(before, after) if index in before.rolled and not before.failed
    }
    assert not again, f"rolled twice for one change: {before}"


def migrated_data_is_never_taken_back(model: Model, before: State, after: State) -> None:
    if not model.migrates:
        return
    if before.failed:
        assert not _changed(before, after), f"an older image is applied: {before}"
    for index in before.migrated:
        component = list(COMPONENTS).index(WORKLOADS[index][1])
        old, new = before.pods[index].version, after.pods[index].version
        assert old == new or new == before.desired[component], (
            f"an older image is recreated: {before}"
        )


def deletion_brings_no_change_forward(model: Model, before: State, after: State) -> None:
    """What is deleted returns as it was while another instance has not proved the change."""
    if before.good is None or model.shared:
        return
    good = {
        index: before.good[list(COMPONENTS).index(component)]
        for index, (_, component) in enumerate(WORKLOADS)
    }

    def unproven(index: int) -> bool:
        version = after.pods[index].version
        return version not in (None, good[index]) and not before.pods[index].ready

    for index, pod in enumerate(before.pods):
        if pod.version is not None or not unproven(index) or index in before.migrated:
            continue
        mine = {
            other
            for other, (instance, _) in enumerate(WORKLOADS)
            if instance == _instance(index) and before.pods[other].version is not None
        }
        if any(map(unproven, mine)):
            continue  # its own instance is down with the change: it may be what repairs it
        others = {other for other in range(len(WORKLOADS)) if _instance(other) != _instance(index)}
        assert not any(unproven(other) and other not in before.migrated for other in others), (
            f"{WORKLOADS[index]} is recreated with a change that is not proved: {before}"
        )


def nothing_untried_replaces_what_serves(model: Model, before: State, after: State) -> None:
    if not model.tries or before.failed or before.good is None:
        return
    decision = model.decision(before)
    changed = _changed(before, after)
    assert not decision.to_try or not changed, f"changed while a trial runs: {before}"
    workloads = model.workloads(before)
    if any(each.live and not each.outdated and each.changed for each in workloads) and model.shared:
        return  # an interrupted step is finished
    for index in changed:
        if before.pods[index].ready:
            assert before.trials[index] in ("Passed", "GivenUp"), f"not tried: {before}"


INVARIANTS: tuple[Callable[[Model, State, State], None], ...] = (
    never_two_cores_at_once,
    nothing_after_a_failed_step,
    nothing_twice,
    migrated_data_is_never_taken_back,
    deletion_brings_no_change_forward,
    nothing_untried_replaces_what_serves,
)


def comes_to_rest(model: Model, state: State, known: set[State]) -> None:
    """Once disturbances stop, the rollout completes, holds or is rolled back.

    ``known``: states from which it was shown already.
    """
    way: set[State] = set()
    while state not in known:
        assert state not in way, f"no rest: {state}"
        way.add(state)
        for index in reversed(range(len(WORKLOADS))):  # the stores first
            pod = state.pods[index]
            if model.may_be_ready(state.pods, index):
                state = _with(state, index, model.made_ready(state.pods, index))
            else:
                state = _with(state, index, replace(pod, late=pod.version is not None))
            for ended in model.ended_trials(state, index):
                state = _with_trial(state, index, ended)
                break
        following = model.operated(state)
        assert state.failed or not following.failed or not model.works(state.desired), (
            f"the desired state works, and is given up: {state}"
        )
        if following == state:
            is_sound_at_rest(model, state)
            break
        state = following
    known |= way


def is_sound_at_rest(model: Model, state: State) -> None:
    """What is true when nothing moves any more."""
    decision = model.decision(state)
    assert not decision.to_desired | decision.to_last_good
    assert decision.kind == (
        "Held" if state.failed and (model.migrates or not model.policy.roll_back) else decision.kind
    )
    assert decision.kind in (("Held", "RolledBack") if state.failed else ("Complete",)), (
        f"{decision.kind}: {state}"
    )
    assert not model.shared or len({pod.version for pod in state.pods}) == 1, (
        f"left half-done: {state}"
    )
    if model.reads and decision.kind in ("Complete", "RolledBack"):
        for index, (instance, component) in enumerate(WORKLOADS):
            if component == "core":
                store = state.pods[WORKLOADS.index((instance, "mongodb"))]
                assert state.pods[index].read == store.version, f"an old answer is kept: {state}"
    if decision.kind == "Complete":
        desired = {
            index: state.desired[list(COMPONENTS).index(component)]
            for index, (_, component) in enumerate(WORKLOADS)
        }
        assert {index: pod.version for index, pod in enumerate(state.pods)} == desired


RUNNING = State((0, 0), (0, 0), tuple(Pod(0, answers=0, read=0) for _ in WORKLOADS))
NOTHING = State((0, 0), None, tuple(Pod(None, ready=False) for _ in WORKLOADS))
HOLD, ROLL_BACK = Policy(deadline=DEADLINE), Policy(roll_back=True, deadline=DEADLINE)


@pytest.mark.parametrize(
    ("model", "start"),
    [
        (Model(HOLD, edits=1, failures=1, deletions=1), RUNNING),
        pytest.param(
            Model(ROLL_BACK, edits=1, failures=1, deletions=1), RUNNING, marks=pytest.mark.long
        ),
        pytest.param(
            Model(HOLD, edits=2, failures=1, deletions=0), RUNNING, marks=pytest.mark.long
        ),
        pytest.param(
            Model(ROLL_BACK, edits=2, failures=0, deletions=1), RUNNING, marks=pytest.mark.long
        ),
        (Model(HOLD, edits=1, failures=0, deletions=2), RUNNING),
        pytest.param(
            Model(ROLL_BACK, edits=1, failures=0, deletions=2, needs=True),
            RUNNING,
            marks=pytest.mark.long,
        ),
        (Model(HOLD, edits=1, failures=0, deletions=1, shared=True), RUNNING),
        pytest.param(
            Model(ROLL_BACK, edits=1, failures=0, deletions=1, shared=True),
            RUNNING,
            marks=pytest.mark.long,
        ),
        (Model(ROLL_BACK, edits=1, failures=0, deletions=1, migrates=True), RUNNING),
        pytest.param(
            Model(ROLL_BACK, edits=1, failures=1, deletions=1, migrates=True),
            RUNNING,
            marks=pytest.mark.long,
        ),
        pytest.param(
            Model(HOLD, edits=1, failures=1, deletions=1, migrates=True),
            RUNNING,
            marks=pytest.mark.long,
        ),
        pytest.param(
            Model(ROLL_BACK, edits=2, failures=0, deletions=1, migrates=True),
            RUNNING,
            marks=pytest.mark.long,
        ),
        (Model(HOLD, edits=2, failures=1, deletions=0, needs=True), RUNNING),
        pytest.param(
            Model(ROLL_BACK, edits=2, failures=0, deletions=1, needs=True),
            RUNNING,
            marks=pytest.mark.long,
        ),
        pytest.param(
            Model(HOLD, edits=1, failures=1, deletions=0), NOTHING, marks=pytest.mark.long
        ),
        (Model(HOLD, edits=1, failures=1, deletions=0, tries=True), RUNNING),
        (Model(HOLD, edits=1, failures=0, deletions=1, tries=True, unknown=1), RUNNING),
        (Model(ROLL_BACK, edits=1, failures=0, deletions=1, tries=True, unknown=1), RUNNING),
        (Model(HOLD, edits=1, failures=0, deletions=0, tries=True, shared=True), RUNNING),
        pytest.param(
            Model(HOLD, edits=2, failures=1, deletions=0, tries=True, unknown=1),
            RUNNING,
            marks=pytest.mark.long,
        ),
        pytest.param(
            Model(ROLL_BACK, edits=1, failures=1, deletions=1, tries=True),
            RUNNING,
            marks=pytest.mark.long,
        ),
        (Model(HOLD, edits=2, failures=0, deletions=1, reads=True), RUNNING),
        (Model(ROLL_BACK, edits=1, failures=1, deletions=1, reads=True), RUNNING),
        pytest.param(
            Model(ROLL_BACK, edits=2, failures=1, deletions=0, reads=True),
            RUNNING,
            marks=pytest.mark.long,
        ),
        pytest.param(
            Model(HOLD, edits=1, failures=1, deletions=0, reads=True),
            NOTHING,
            marks=pytest.mark.long,
        ),
    ],
    ids=[
        "hold",
        "roll back",
        "hold, two edits",
        "roll back, two edits",
        "hold, two deletions",
        "roll back, two deletions, core needs its store",
        "hold, shared secret",
        "roll back, shared secret",
        "roll back, migrated data, no failing pod",
        "roll back, migrated data",
        "hold, migrated data",
        "roll back, migrated data, two edits",
        "hold, core needs its store",
        "roll back, core needs its store",
        "first install",
        "hold, trials",
        "hold, trials, unknown image",
        "roll back, trials, unknown image",
        "hold, trials, shared secret",
        "hold, trials, unknown image, two edits",
        "roll back, trials",
        "hold, core reads from its store, two edits",
        "roll back, core reads from its store",
        "roll back, core reads from its store, two edits",
        "first install, core reads from its store",
    ],
)
def test_every_reachable_state_is_sound(
    model: Model, start: State, capsys: pytest.CaptureFixture[str], request: pytest.FixtureRequest
) -> None:
    count = 0
    model = replace(model)  # its decisions are freed at the end
    known: set[State] = set()
    for state in explored(model, start):
        count += 1
        after = model.operated(state)
        for invariant in INVARIANTS:
            invariant(model, state, after)
        comes_to_rest(model, state, known)
    with capsys.disabled():
        print(f"\n{request.node.callspec.id}: {count} states explored", end="")
    assert count > 200
