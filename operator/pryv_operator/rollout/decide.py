"""The rollout decision: from the observed workloads to the next step, and why. One pure function.

``rollout/execute.py`` carries the decision out. A workload has three pod templates, compared by
digest: the *desired* one, the *live* one (what was last applied to it) and the *last good* one (of
the newest revision that was rolled out completely). Everything follows from these, so an operator
that restarts in the middle of a rollout continues where it was.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Final, Literal

from pryv_operator.api import labels_annotations as keys
from pryv_operator.api import names
from pryv_operator.api.findings import Explanation, Finding, Waiting
from pryv_operator.api.reasons import Reason
from pryv_operator.api.spec import DEFAULT_DEADLINE_SECONDS

#: Variable and keyed hash of its value (``KEY:HASH``), for secrets that several roles share.
SharedSecret = tuple[str, str]

DEFAULT_DEADLINE: Final = dt.timedelta(seconds=DEFAULT_DEADLINE_SECONDS)
_RETRY: Final = f"correct the spec, or set the annotation {keys.RECONCILE} to a new value, to retry"
#: Messages list at most so many components.
_LISTED: Final = 4


@dataclass(frozen=True)
class PodTemplate:
    """A pod template, as far as a rollout compares it.

    ``boot_inputs``: digest of what the component reads from another one when it starts.
    """

    digest: str
    image: str | None = None
    shared: frozenset[SharedSecret] = frozenset()
    boot_inputs: str = ""


@dataclass(frozen=True)
class Trial:
    """The look at a workload's new images before its old pod is stopped.

    ``Missing``: its pod has to be created. ``Running``: the images are not pulled yet. ``Passed``:
    they are. ``GivenUp``: it cannot run, so the step goes on without it.

    ``since``: when its pod was created. ``problem``: why the images are not pulled.
    """

    state: Literal["Missing", "Running", "Passed", "GivenUp"]
    since: dt.datetime | None = None
    problem: Finding | None = None

    @property
    def ended(self) -> bool:
        """Whether nothing more is awaited of it."""
        return self.state in ("Passed", "GivenUp")


@dataclass(frozen=True)
class Workload:
    """A workload as a rollout sees it.

    ``label``: the name that users know: ``co1/core``.
    ``tier``: its place in the order of its instance, see ``Profile.tier``.
    ``live``: None when the workload does not exist.
    ``last_good``: None when the last good revision has no such workload.
    ``ready``: all its pods run the live template and are available; or it has none by the spec.
    ``since``: when the live template was applied.
    ``migrates``: it migrates its data when it starts; an older image may not read them afterwards.
    ``migrated``: since the last good revision it was given another image than that revision's.
    ``settles``: how long it has to be ready before it counts (``minReadySeconds``).
    ``unready_since``: when its newest unready pod became unready.
    ``runs``: False when the spec wants no pod of it.
    ``proven``: False when it has no pod by the spec, and has never run the desired template.
    ``reads``: name of the workload that it reads something from when it starts, and keeps it.
    ``trial``: the trial that it needs before it gets the desired template; None: it needs none.
    """

    name: str
    label: str
    role: str
    instance: str
    tier: int
    desired: PodTemplate
    live: PodTemplate | None
    last_good: PodTemplate | None
    ready: bool
    since: dt.datetime | None = None
    problem: Finding | None = None
    migrates: bool = False
    migrated: bool = False
    settles: dt.timedelta = dt.timedelta()
    unready_since: dt.datetime | None = None
    runs: bool = True
    proven: bool = True
    reads: str = ""
    trial: Trial | None = None

    @property
    def outdated(self) -> bool:
        """Whether it runs another template than the desired one."""
        return self.live is not None and self.live.digest != self.desired.digest

    @property
    def changed(self) -> bool:
        """Whether it runs the desired template, and the last good one is another."""
        return (
            self.live is not None
            and not self.outdated
            and (self.last_good is None or self.last_good.digest != self.desired.digest)
        )

    @property
    def reads_again(self) -> bool:
        """Whether it has to start again to read what another workload answers by then."""
        return bool(self.reads) and (
            self.live is None or self.live.boot_inputs != self.desired.boot_inputs
        )

    @property
    def changes_image(self) -> bool:
        """Whether the desired image is another one than that of the last good revision."""
        return self.last_good is not None and self.last_good.image != self.desired.image


@dataclass(frozen=True)
class Progress:
    """How far the desired revision has come.

    ``began``: when its rollout began, or was retried.
    ``failed``: why it has failed, if it has.
    ``last_good``: number of the newest revision that was rolled out completely.
    ``unready``: names of the workloads that were not ready when it began, for whatever reason.
    ``blocked``: labels of its workloads that wait for something of their own: neither applied nor
    observed, so nothing is known of them.
    ``unsigned``: number of a revision that a rollback needs, and that does not carry the operator's
    MAC: its templates may be another client's.
    """

    revision: int
    began: dt.datetime
    failed: str | None = None
    last_good: int | None = None
    unready: frozenset[str] = frozenset()
    blocked: tuple[str, ...] = ()
    unsigned: int | None = None


@dataclass(frozen=True)
class Policy:
    """``spec.rollout``, as far as the decision depends on it."""

    roll_back: bool = False
    deadline: dt.timedelta = DEFAULT_DEADLINE


#: ``Complete``: everything runs the desired template. ``Step``: something has to be applied.
#: ``Wait``: for what was applied. ``Failed``: it was not ready in time, which has to be recorded.
#: ``Held``, ``RollingBack``, ``RolledBack``: the revision has failed before.
Kind = Literal["Complete", "Step", "Wait", "Failed", "Held", "RollingBack", "RolledBack"]


@dataclass(frozen=True)
class Decision:
    """The next step. A workload in neither set stays as it is.

    ``to_desired`` and ``to_last_good``: names of workloads that get that template now.
    ``pending``: labels of the workloads that wait for their turn.
    ``deadline``: when the step that is waited for counts as failed.
    ``to_try``: names of workloads of which a trial is needed now, or goes on.
    """

    kind: Kind
    finding: Finding
    to_desired: frozenset[str] = frozenset()
    to_last_good: frozenset[str] = frozenset()
    pending: tuple[str, ...] = ()
    deadline: dt.datetime | None = None
    to_try: frozenset[str] = frozenset()


@dataclass(frozen=True)
class _Rollout:
    """What a decision is made from. ``ordered``: the workloads in the order of a rollout."""

    ordered: tuple[Workload, ...]
    progress: Progress
    policy: Policy
    now: dt.datetime

    @property
    def is_first_install(self) -> bool:
        """Whether no revision has ever been rolled out completely."""
        return self.progress.last_good is None

    @property
    def title(self) -> str:
        """How messages begin."""
        return f"revision {self.progress.revision}"


def decide(
    workloads: Iterable[Workload], progress: Progress, policy: Policy, now: dt.datetime
) -> Decision:
    """The next step of a rollout. ``workloads`` may be in any order."""
    rollout = _Rollout(tuple(sorted(workloads, key=_place)), progress, policy, now)
    if progress.failed is None:
        return _forward(rollout)
    if not policy.roll_back:
        return _hold(rollout, progress.failed)
    obstacle = _rollback_obstacle(rollout)
    if obstacle:
        return _hold(rollout, f"{progress.failed}; {obstacle}")
    return _roll_back(rollout, progress.failed)


# --- towards the desired state ---


def _forward(rollout: _Rollout) -> Decision:
    """The next step towards the desired state: the first rule that applies decides."""
    restored = _restored(rollout, forward=True)
    split = _split_by_secret(rollout.ordered)
    remaining = [
        each for each in rollout.ordered if _is_pending(each, rollout) and each not in split
    ]
    awaited = _awaited(rollout)
    decision = replace(
        restored,
        to_desired=restored.to_desired | _names(split),
        pending=tuple(each.label for each in remaining),
    )
    # A change of a shared secret that was interrupted is finished before anything else.
    if split:
        return replace(decision, kind="Step", finding=_applying(split, rollout))
    # What is recreated with the change has to prove it first, as if it were applied already.
    recreated = [
        each
        for each in rollout.ordered
        if each.name in restored.to_desired and each.last_good != each.desired
    ]
    step = _next_step(remaining, [*awaited, *recreated], rollout)
    other_core = _waits_for_other_core(step, rollout.ordered)
    if awaited and (other_core or not step):
        # Deleted workloads come back at once: the awaited ones may depend on them.
        if restored.to_desired | restored.to_last_good:
            missing = [each for each in rollout.ordered if each.live is None]
            return replace(decision, kind="Step", finding=_applying(missing, rollout))
        # What was applied is waited for, until its deadline.
        return _wait_for(awaited, decision, rollout)
    # Everything was applied.
    if not step:
        return _wait_or_complete(decision, rollout)
    # Two core instances are never disturbed at once.
    if other_core:
        return replace(decision, kind="Wait", finding=other_core)
    # What has to stop before it is started is tried before; in a first install nothing serves.
    tried = [each for each in step if each.trial and not each.trial.ended]
    if tried and not rollout.is_first_install:
        return _wait_for_trials(tried, decision, rollout)
    # The next step is applied.
    return replace(
        decision,
        kind="Step",
        finding=_applying(step, rollout),
        to_desired=decision.to_desired | _names(step),
        pending=tuple(each.label for each in remaining if each not in step),
    )


def _next_step(
    remaining: Sequence[Workload], awaited: Sequence[Workload], rollout: _Rollout
) -> list[Workload]:
    """The workloads that are applied together next; empty when each has to wait."""
    candidates = [
        each
        for each in remaining
        if not any(_waits_for(each, other, awaited) for other in awaited)
        and not _reads_early(each, rollout.ordered)
    ]
    return _step_of(candidates, remaining, rollout) if candidates else []


def _wait_for(awaited: Sequence[Workload], decision: Decision, rollout: _Rollout) -> Decision:
    """Wait for workloads that are not ready, or fail when one of them is late."""
    limit = rollout.policy.deadline

    def deadline(each: Workload) -> dt.datetime:
        return _awaited_since(each, rollout) + limit + each.settles

    late = [each for each in awaited if deadline(each) <= rollout.now]
    if late:
        cause = late[0].problem
        detail = cause.message if cause else f"{late[0].label}: not ready"
        message = f"{detail} (not ready within {limit.total_seconds():.0f} s)"
        return replace(decision, kind="Failed", finding=Explanation(Reason.ROLLOUT_FAILED, message))
    cause = awaited[0].problem or Waiting(Reason.PROGRESSING, f"{awaited[0].label}: not ready yet")
    return replace(decision, kind="Wait", finding=cause, deadline=min(map(deadline, awaited)))


def _wait_for_trials(tried: Sequence[Workload], decision: Decision, rollout: _Rollout) -> Decision:
    """Wait until the new images are pulled; nothing of the step is applied before."""
    limit = rollout.policy.deadline
    problems = {each.name: each.trial.problem for each in tried if each.trial}
    deadlines = {
        each.name: each.trial.since + limit for each in tried if each.trial and each.trial.since
    }
    late = [
        each for each in tried if each.name in deadlines and deadlines[each.name] <= rollout.now
    ]
    if late:
        problem = problems.get(late[0].name)
        detail = problem.message if problem else f"{late[0].label}: its new image is not pulled"
        message = f"{detail} (not pulled within {limit.total_seconds():.0f} s)"
        return replace(decision, kind="Failed", finding=Explanation(Reason.ROLLOUT_FAILED, message))
    labels = _listed([each.label for each in tried])
    waiting = Waiting(
        Reason.PROGRESSING, f"{labels}: the new image is pulled before the old pod is stopped"
    )
    return replace(
        decision,
        kind="Wait",
        finding=next((each for each in problems.values() if each), waiting),
        deadline=min(deadlines.values(), default=None),
        to_try=_names(tried),
    )


def _wait_or_complete(decision: Decision, rollout: _Rollout) -> Decision:
    """Everything was applied: complete when it is ready."""
    missing = decision.to_desired | decision.to_last_good
    unready = [
        each
        for each in rollout.ordered
        if not each.ready and (rollout.is_first_install or each.changed)
    ]
    if missing or unready:
        problem = next((each.problem for each in unready if each.problem), None)
        waiting = Waiting(
            Reason.PROGRESSING, f"{rollout.title}: waiting for its workloads to become ready"
        )
        return replace(decision, kind="Wait", finding=problem or waiting)
    complete = Explanation(Reason.COMPLETE, "every workload runs its newest configuration")
    return replace(decision, kind="Complete", finding=complete)


# --- after a failure ---


def _hold(rollout: _Rollout, failed: str) -> Decision:
    """Apply nothing more; deleted workloads are recreated as they were."""
    restored = _restored(rollout, forward=False)
    split = _split_by_secret(rollout.ordered)
    pending = tuple(
        each.label for each in rollout.ordered if _is_pending(each, rollout) and each not in split
    )
    not_touched = f"; not changed: {_listed(pending)}" if pending else ""
    message = f"{rollout.title}: stopped: {failed}{not_touched}; {_RETRY}"
    return replace(
        restored,
        kind="Held",
        finding=Explanation(Reason.ROLLOUT_HELD, message),
        to_desired=restored.to_desired | _names(split),
        pending=pending,
    )


def _roll_back(rollout: _Rollout, failed: str) -> Decision:
    """The next step back to the last good revision; what has failed goes first."""
    known = [each for each in rollout.ordered if each.last_good is not None]
    missing = [each for each in known if each.live is None]
    backwards = tuple(replace(each, desired=each.last_good) for each in known if each.last_good)
    remaining = [each for each in backwards if each.outdated]
    again = rollout.progress.last_good == rollout.progress.revision
    # What has never run before, because it had no pod, goes back alone.
    target = "what ran before" if again else f"revision {rollout.progress.last_good}"
    title = f"{rollout.title}: failed ({failed})"

    def rolling_back(message: str, step: Iterable[Workload] = ()) -> Decision:
        finding = Waiting(Reason.ROLLING_BACK, f"{title}; {message}")
        return Decision("RollingBack", finding, to_last_good=_names(missing) | _names(step))

    def waiting_for(awaited: Sequence[Workload]) -> str:
        cause = next((each.problem for each in awaited if each.problem), None)
        detail = f" ({cause.message})" if cause else ""
        return f"waiting for {_listed([each.label for each in awaited])}{detail}"

    if remaining:
        to_last_good = replace(rollout, ordered=backwards)
        candidates = [each for each in remaining if not _reads_early(each, backwards)]
        step = _split_by_secret(backwards)
        if not step and candidates:
            step = _step_of(candidates, remaining, to_last_good)
        if not step:
            read = {each.reads for each in remaining}
            awaited = waiting_for([each for each in known if each.name in read and not each.ready])
            return rolling_back(f"rolling back to {target}: {awaited}")
        other_core = _waits_for_other_core(step, backwards)
        if other_core:
            return rolling_back(f"rolling back to {target}: {other_core.message}")
        labels = _listed([each.label for each in step])
        return rolling_back(f"rolling back to {target}: applying {labels}", step)
    unready = [each for each in known if not each.ready]
    if unready or missing:
        return rolling_back(f"rolled back to {target}, {waiting_for(unready or missing)}")
    if rollout.progress.blocked:
        listed = _listed(rollout.progress.blocked)
        return rolling_back(f"rolled back to {target}, blocked: {listed}")
    message = f"{title}; {target} runs again; {_RETRY}"
    return Decision("RolledBack", Explanation(Reason.ROLLED_BACK, message))


def _rollback_obstacle(rollout: _Rollout) -> str | None:
    """Why the operator does not roll back automatically; None when it does."""
    if rollout.is_first_install:
        return "no complete revision to roll back to"
    if rollout.progress.unsigned is not None:
        return (
            f"revision {rollout.progress.unsigned} is not rolled back to automatically: "
            f"it does not carry the operator's MAC (annotation {keys.MAC}), "
            "or status.revisions does not list it"
        )
    for each in rollout.ordered:
        if not each.migrates or each.last_good is None:
            continue
        runs_another = (
            each.live is not None
            and each.live.digest != each.last_good.digest
            and each.live.image != each.last_good.image
        )
        ran_another = each.migrated and each.changes_image
        if runs_another or ran_another:
            newer = each.live if each.live and runs_another else each.desired
            return (
                f"{each.label} is not rolled back to {each.last_good.image} automatically: "
                "it may have migrated its data when it started with "
                f"{newer.image or 'a newer image'}"
            )
    return None


# --- the rules about single workloads ---


def _restored(rollout: _Rollout, *, forward: bool) -> Decision:
    """Recreate deleted workloads, and create those of a first install, at once.

    One whose turn has not come is recreated with its last good template: a deletion brings no
    change forward.
    """
    ordered = rollout.ordered
    awaited = _awaited(rollout)
    next_outdated = min(
        (index for index, each in enumerate(ordered) if each.outdated), default=len(ordered)
    )
    to_desired: set[str] = set()
    to_last_good: set[str] = set()
    for index, each in enumerate(ordered):
        if each.live is not None or (each.last_good is None and not rollout.is_first_install):
            continue
        if rollout.is_first_install and _reads_early(each, ordered):
            continue
        gets_desired = (
            rollout.is_first_install
            # Both templates are the same.
            or (each.last_good is not None and each.last_good.digest == each.desired.digest)
            # The older image may not read data that the newer one has migrated.
            or (each.migrates and each.migrated and each.changes_image)
            # Its turn has come already, or comes now.
            or (_had_its_turn(each, ordered) and not _is_unproved_elsewhere(each, ordered))
            or (forward and index < next_outdated and not _is_early(each, awaited, ordered))
        )
        (to_desired if gets_desired else to_last_good).add(each.name)
    nothing = Waiting(Reason.PROGRESSING, "")
    return Decision("Wait", nothing, frozenset(to_desired), frozenset(to_last_good))


def _had_its_turn(each: Workload, ordered: Sequence[Workload]) -> bool:
    """Whether a change has reached what comes with, or after, a deleted workload.

    Another instance does not show it while it is down: it may have come first for that reason.
    """

    def shows(other: Workload) -> bool:
        if other.role != each.role:
            return _role_index(other) > _role_index(each)
        if other.tier < each.tier:
            return False
        if other.instance == each.instance:
            return True
        return other.instance > each.instance and _serves(other.instance, ordered)

    return any(other.changed and shows(other) for other in ordered)


def _is_unproved_elsewhere(each: Workload, ordered: Sequence[Workload]) -> bool:
    """Whether another core is down with the change, and no component of this one is."""

    def unproved(other: Workload) -> bool:
        return other.changed and not other.ready

    if each.role != names.CORE:
        return False
    cores = [other for other in ordered if other.role == each.role and other is not each]
    mine = [other for other in cores if other.instance == each.instance]
    return any(map(unproved, cores)) and not any(map(unproved, mine))


def _is_early(each: Workload, awaited: Sequence[Workload], ordered: Sequence[Workload]) -> bool:
    """Whether a deleted workload comes after something that has not proved the change yet."""
    if any(_waits_for(each, other, awaited) for other in awaited):
        return True
    # What was deleted as well, and has to run the change first.
    missing = [other for other in ordered if other.live is None and other.last_good is not None]
    return any(other.last_good != other.desired and _comes_before(other, each) for other in missing)


def _comes_before(other: Workload, each: Workload) -> bool:
    """Whether a workload is in an earlier step than another."""
    step = (_role_index(each), each.instance, each.tier)
    return (_role_index(other), other.instance, other.tier) < step


def _reads_early(each: Workload, ordered: Sequence[Workload]) -> bool:
    """Whether a workload may get an answer of before, if it starts again now to read another one.

    Until that runs its desired template and is ready, old pods of it may answer. In a first
    installation both are created at once.
    """
    other = next((other for other in ordered if other.name == each.reads), None)
    if other is None or not each.reads_again:
        return False
    if other.live is None:
        return other.last_good is not None
    return other.outdated or not other.ready


def _is_pending(each: Workload, rollout: _Rollout) -> bool:
    """Whether its turn is still to come: outdated, or new since the last good revision."""
    is_new = each.live is None and each.last_good is None and not rollout.is_first_install
    return each.outdated or is_new


def _awaited(rollout: _Rollout) -> list[Workload]:
    """Workloads that are not ready and that the rollout waits for.

    Those that it has changed, those that others have to read again, and others of the same
    instances that have become unready: a change of a store may take down what uses it.
    """
    if rollout.is_first_install:
        return []
    instances = {each.instance for each in rollout.ordered if each.changed}
    read = {each.reads for each in rollout.ordered if each.outdated and each.reads_again}

    def disturbed(each: Workload) -> bool:
        if each.live is None or each.outdated:
            return False
        was_ready = each.name not in rollout.progress.unready
        return each.name in read or (each.instance in instances and was_ready)

    return [
        each for each in rollout.ordered if not each.ready and (each.changed or disturbed(each))
    ]


def _waits_for(each: Workload, other: Workload, awaited: Sequence[Workload]) -> bool:
    """Whether a workload comes after one that is awaited.

    What comes before that one does not wait: it may be what repairs it.
    """
    role, other_role = _role_index(each), _role_index(other)
    if role != other_role:
        return role > other_role
    if each.instance != other.instance:  # of two instances that are down, each may be repaired
        return not any(one.instance == each.instance for one in awaited)
    return each.tier > other.tier or (each.tier == other.tier and not other.changed)


def _awaited_since(each: Workload, rollout: _Rollout) -> dt.datetime:
    """Since when a workload is awaited.

    Since it was changed, or since what it may depend on was (a store of its instance, for example).
    One that has become ready and then unready again has its full time from then on.
    """
    dependencies = [
        other
        for other in rollout.ordered
        if other.changed and other.instance == each.instance and other.tier <= each.tier
    ]
    began = rollout.progress.began
    times = [began, each.since, *(other.since for other in dependencies)]
    applied = each.since or began
    others = [
        other
        for other in rollout.ordered
        if other.changed and (other.instance, other.tier) != (each.instance, each.tier)
    ]
    # A later step means that this one had become ready.
    if not each.changed or any(other.since and other.since > applied for other in others):
        times.append(each.unready_since)
    return max(time for time in times if time)


def _step_of(
    candidates: Sequence[Workload], remaining: Sequence[Workload], rollout: _Rollout
) -> list[Workload]:
    """Workloads that are applied together next.

    A tier of an instance, or a new instance as a whole, and all that share a changed secret with
    it.
    """
    # Before the first complete revision, what is down is repaired at once, the rest in order.
    if rollout.is_first_install:
        down = [each for each in candidates if not _serves(each.instance, rollout.ordered)]
        if down:
            return down
    first = min(candidates, key=lambda each: _turn(each, rollout.ordered))
    same_instance = [each for each in candidates if each.instance == first.instance]
    is_new = all(each.live is None for each in rollout.ordered if each.instance == first.instance)
    step = same_instance if is_new else [each for each in same_instance if each.tier == first.tier]
    return _with_shared_secrets(step, remaining)


# --- secrets that several workloads share ---


def _split_by_secret(ordered: Sequence[Workload]) -> list[Workload]:
    """Workloads that hold an old value of a secret of which others hold the new value already.

    They cannot talk to each other. A step that was interrupted looks like this.
    """
    changed = {
        shared
        for each in ordered
        if each.live and not each.outdated
        for shared in each.live.shared
    }  # fmt: skip
    return [each for each in ordered if each.live and each.outdated and _gains(each) & changed]


def _with_shared_secrets(step: list[Workload], remaining: Sequence[Workload]) -> list[Workload]:
    """The step, and all others that get a new value of a secret that is changed in it."""
    while True:
        changed = frozenset(shared for each in step for shared in _gains(each))
        more = [each for each in remaining if each not in step and _gains(each) & changed]
        if not more:
            return step
        step = [*step, *more]


def _gains(each: Workload) -> frozenset[SharedSecret]:
    """New values of shared secrets of which it holds an old value.

    Hashes that were made with different keys are not compared: losing the key changes no value.
    """
    if each.live is None:
        return frozenset()
    held = {(variable, _hash_key(digest)) for variable, digest in each.live.shared}
    return frozenset(
        shared
        for shared in each.desired.shared - each.live.shared
        if (shared[0], _hash_key(shared[1])) in held
    )


def _hash_key(digest: str) -> str:
    return digest.rpartition(":")[0]


# --- instances and order ---


def _waits_for_other_core(step: Sequence[Workload], ordered: Sequence[Workload]) -> Finding | None:
    """Why a step has to wait, if so: it would disturb a core instance while another one is down."""
    instances = {each.instance for each in step}
    if not any(
        each.role == names.CORE and each.live and _serves(each.instance, ordered) for each in step
    ):
        return None
    others = [
        each for each in ordered if each.role == names.CORE and each.instance not in instances
    ]
    down = [each for each in others if not each.ready and (each.live or each.last_good)]
    if not down:
        return None
    labels = _listed([each.label for each in step])
    detail = f" ({down[0].problem.message})" if down[0].problem else ""
    return Waiting(
        Reason.WAITING_FOR_OTHER_CORE, f"{labels}: waiting until {down[0].label} is ready{detail}"
    )


def _serves(instance: str, ordered: Iterable[Workload]) -> bool:
    """Whether all workloads of an instance are ready."""
    return all(
        each.ready and each.live is not None for each in ordered if each.instance == instance
    )


def _place(each: Workload) -> tuple[int, str, int, str]:
    """The place of a workload in the order: by role, instance and tier."""
    return _role_index(each), each.instance, each.tier, each.name


def _role_index(each: Workload) -> int:
    return names.ROLES.index(each.role) if each.role in names.ROLES else len(names.ROLES)


def _turn(each: Workload, ordered: Sequence[Workload]) -> tuple[int, bool, str, int, str]:
    """The place in the order; of several core instances, one that is down comes first."""
    role, instance, tier, name = _place(each)
    return role, _serves(each.instance, ordered), instance, tier, name


# --- messages ---


def _applying(step: Sequence[Workload], rollout: _Rollout) -> Finding:
    labels = _listed([each.label for each in step])
    return Waiting(Reason.PROGRESSING, f"{rollout.title}: applying {labels}")


def _names(workloads: Iterable[Workload]) -> frozenset[str]:
    return frozenset(each.name for each in workloads)


def _listed(labels: Sequence[str]) -> str:
    rest = len(labels) - _LISTED
    return ", ".join(labels[:_LISTED]) + (f" and {rest} more" if rest > 0 else "")
