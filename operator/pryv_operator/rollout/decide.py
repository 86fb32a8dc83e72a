"""The rollout decision: from what is observed to the next step, and why. One pure function; ``rollout/execute.py`` carries it out.

A workload has three templates, compared by digest: the *wanted* one, the *live* one (what was last applied to it) and the *good* one
(of the last revision that was rolled out to the end). Everything follows from these, so an operator that is restarted in the middle
goes on where it was.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Final, Literal

from pryv_operator.api import names
from pryv_operator.api.findings import Explanation, Finding, Waiting
from pryv_operator.api.reasons import Reason

#: Variable and keyed hash of its value (``KEY:HASH``), for secrets that several roles share.
SharedSecret = tuple[str, str]

DEFAULT_DEADLINE: Final = dt.timedelta(seconds=600)


@dataclass(frozen=True)
class Template:
    """A pod template, as far as a rollout is concerned."""

    digest: str
    image: str | None = None
    shared: frozenset[SharedSecret] = frozenset()


@dataclass(frozen=True)
class Workload:
    """A workload as a rollout sees it. ``label`` is what people know it by: ``co1/core``.

    ``tier``: 0 stores, 1 services, 2 reverse proxies. ``live`` is None when there is no such workload, ``good`` when the last good
    revision has none. ``ready``: all its pods run the live template and are available. ``since``: when that was applied.
    ``migrates``: it migrates its data when it starts, so that an older image may not be able to read them. ``migrated``: since the last
    good revision it was given another image than that one's. ``settles``: how long it has to be ready before it counts.
    ``unready_since``: when its pod got unready, if it has one.
    """

    name: str
    label: str
    role: str
    instance: str
    tier: int
    wanted: Template
    live: Template | None
    good: Template | None
    ready: bool
    since: dt.datetime | None = None
    problem: Finding | None = None
    migrates: bool = False
    migrated: bool = False
    settles: dt.timedelta = dt.timedelta()
    unready_since: dt.datetime | None = None

    @property
    def outdated(self) -> bool:
        """Whether it runs something else than what is wanted."""
        return self.live is not None and self.live.digest != self.wanted.digest

    @property
    def touched(self) -> bool:
        """Whether it runs what is wanted, and that is not what the last good revision has."""
        return (
            self.live is not None
            and not self.outdated
            and (self.good is None or self.good.digest != self.wanted.digest)
        )

    @property
    def changes_image(self) -> bool:
        """Whether it is to run another image than that of the last good revision."""
        return self.good is not None and self.good.image != self.wanted.image


@dataclass(frozen=True)
class Progress:
    """The revision that is wanted: when its rollout began (or was begun again), and why it has failed, if it has.

    ``unready``: names of the workloads that were not ready when it began, for whatever reason.
    """

    revision: int
    began: dt.datetime
    failed: str | None = None
    #: The last revision that was rolled out to the end.
    good: int | None = None
    unready: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Policy:
    """What the platform says about rollouts."""

    roll_back: bool = False
    deadline: dt.timedelta = DEFAULT_DEADLINE


#: ``Complete``: all runs what is wanted. ``Step``: something is to be applied. ``Wait``: for what was applied.
#: ``Failed``: it was not ready in time, which is to be recorded. ``Held``, ``RolledBack``: it had failed before.
Kind = Literal["Complete", "Step", "Wait", "Failed", "Held", "RollingBack", "RolledBack"]


@dataclass(frozen=True)
class Decision:
    """The next step. What is in neither set stays as it is.

    ``to_wanted`` and ``to_good``: names of workloads that are to have that template now. ``pending``: labels of those that wait
    for their turn. ``deadline``: when a step that is waited for counts as failed.
    """

    kind: Kind
    why: Finding
    to_wanted: frozenset[str] = frozenset()
    to_good: frozenset[str] = frozenset()
    pending: tuple[str, ...] = ()
    deadline: dt.datetime | None = None


def decide(
    workloads: Iterable[Workload], progress: Progress, policy: Policy, now: dt.datetime
) -> Decision:
    """What to do next. ``workloads`` in any order."""
    ordered = sorted(workloads, key=_place)
    if progress.failed is None:
        return _forward(ordered, progress, policy, now)
    if not policy.roll_back:
        return _hold(ordered, progress, progress.failed)
    obstacle = _no_way_back(ordered, progress)
    if obstacle:
        return _hold(ordered, progress, f"{progress.failed}; {obstacle}")
    return _back(ordered, progress, progress.failed)


def _forward(
    ordered: Sequence[Workload], progress: Progress, policy: Policy, now: dt.datetime
) -> Decision:
    """On to what is wanted."""
    restored = _restored(ordered, progress, forward=True)
    split = _split(ordered)
    remaining = [each for each in ordered if _to_do(each, progress) and each not in split]
    busy = _busy(ordered, progress)
    pending = tuple(each.label for each in remaining)
    decision = replace(restored, to_wanted=restored.to_wanted | _names(split), pending=pending)
    if split:
        return replace(decision, kind="Step", why=_applying(split, progress))
    candidates = [
        each for each in remaining if not any(_waits_for(each, other, busy) for other in busy)
    ]
    step = _next_step(candidates, remaining, ordered, progress) if candidates else []
    obstacle = _another_core(step, ordered)
    if busy and (obstacle or not step):
        if restored.to_wanted | restored.to_good:  # they may be what the others wait for
            return replace(
                decision,
                kind="Step",
                why=_applying([each for each in ordered if each.live is None], progress),
            )
        return _waiting(decision, busy, ordered, progress, policy, now)
    if not step:
        return _at_the_end(decision, ordered, progress)
    if obstacle:
        return replace(decision, kind="Wait", why=obstacle)
    rest = tuple(each.label for each in remaining if each not in step)
    return replace(
        decision,
        kind="Step",
        why=_applying(step, progress),
        to_wanted=decision.to_wanted | _names(step),
        pending=rest,
    )


def _hold(ordered: Sequence[Workload], progress: Progress, failed: str) -> Decision:
    """Nothing more is touched; what somebody takes away is put back as it was."""
    restored = _restored(ordered, progress, forward=False)
    split = _split(ordered)
    pending = tuple(each.label for each in ordered if _to_do(each, progress) and each not in split)
    kept = f"; not touched: {_listed(pending)}" if pending else ""
    message = f"revision {progress.revision} is stopped: {failed}{kept}; it is tried again when something is changed"
    return replace(
        restored,
        kind="Held",
        why=Explanation(Reason.ROLLOUT_HELD, message),
        to_wanted=restored.to_wanted | _names(split),
        pending=pending,
    )


def _back(ordered: Sequence[Workload], progress: Progress, failed: str) -> Decision:
    """Back to the last good revision, the one that failed first."""
    known = [each for each in ordered if each.good is not None]
    missing = [each for each in known if each.live is None]
    backwards = [replace(each, wanted=each.good) for each in known if each.good]
    remaining = [each for each in backwards if each.outdated]
    why = f"revision {progress.revision} has failed ({failed})"
    put_back = Decision("RollingBack", Waiting(Reason.ROLLING_BACK, ""), to_good=_names(missing))
    if remaining:
        first = _split(backwards) or _next_step(remaining, remaining, backwards, progress)
        obstacle = _another_core(first, backwards)
        if obstacle:
            return replace(
                put_back,
                why=Waiting(
                    Reason.ROLLING_BACK,
                    f"{why}: going back to revision {progress.good}; {obstacle.message}",
                ),
            )
        message = f"{why}: putting {_listed([each.label for each in first])} back to revision {progress.good}"
        return replace(
            put_back,
            why=Waiting(Reason.ROLLING_BACK, message),
            to_good=put_back.to_good | _names(first),
        )
    unready = [each for each in known if not each.ready]
    if unready or missing:
        message = f"{why}: all is put back to revision {progress.good}, waiting for {_listed([each.label for each in unready or missing])}"
        cause = next((each.problem for each in unready if each.problem), None)
        message += f" ({cause.message})" if cause else ""
        return replace(put_back, why=Waiting(Reason.ROLLING_BACK, message))
    message = (
        f"{why}: revision {progress.good} runs again; it is tried again when something is changed"
    )
    return replace(put_back, kind="RolledBack", why=Explanation(Reason.ROLLED_BACK, message))


def _no_way_back(ordered: Iterable[Workload], progress: Progress) -> str | None:
    """Why the last good revision cannot be put back automatically."""
    if progress.good is None:
        return "there is no good revision to go back to"
    for each in ordered:
        if not each.migrates or each.good is None:
            continue
        runs_another = (
            each.live is not None
            and each.live.digest != each.good.digest
            and each.live.image != each.good.image
        )
        ran_another = each.migrated and each.changes_image
        if runs_another or ran_another:
            image = (
                each.live if each.live and runs_another else each.wanted
            ).image or "another image"
            return (
                f"{each.label} is not put back to {each.good.image} automatically: it may have migrated its data when it started "
                f"with {image}"
            )
    return None


def _restored(ordered: Sequence[Workload], progress: Progress, *, forward: bool) -> Decision:
    """Workloads that somebody has deleted, or that a first install has not made yet: made at once.

    One whose turn has not come is put back as it was.
    """
    first_install = progress.good is None
    reached = max((index for index, each in enumerate(ordered) if each.touched), default=-1)
    waiting = min(
        (index for index, each in enumerate(ordered) if each.outdated), default=len(ordered)
    )
    to_wanted: set[str] = set()
    to_good: set[str] = set()
    for index, each in enumerate(ordered):
        if each.live is not None or (each.good is None and not first_install):
            continue
        same = each.good is not None and each.good.digest == each.wanted.digest
        no_way_back = each.migrates and each.migrated and each.changes_image
        if (
            first_install
            or same
            or no_way_back
            or index <= reached
            or (forward and index < waiting)
        ):
            to_wanted.add(each.name)
        else:
            to_good.add(each.name)
    nothing = Waiting(Reason.PROGRESSING, "")
    return Decision("Wait", nothing, frozenset(to_wanted), frozenset(to_good))


def _to_do(each: Workload, progress: Progress) -> bool:
    """Whether its turn is still to come: outdated, or new since the last good revision."""
    return each.outdated or (each.live is None and each.good is None and progress.good is not None)


def _busy(ordered: Sequence[Workload], progress: Progress) -> list[Workload]:
    """What was changed and is not ready, and what got unready beside it: a store's change may be the end of what uses it."""
    if progress.good is None:
        return []
    changed = {each.instance for each in ordered if each.touched}

    def disturbed(each: Workload) -> bool:
        in_use = each.live is not None and not each.outdated
        return in_use and each.instance in changed and each.name not in progress.unready

    return [each for each in ordered if not each.ready and (each.touched or disturbed(each))]


def _waits_for(each: Workload, other: Workload, busy: Sequence[Workload]) -> bool:
    """Whether a step comes after one that is waited for. What comes before that is not held up: it may be what mends it."""
    role, other_role = _role(each), _role(other)
    if role != other_role:
        return role > other_role
    if each.instance != other.instance:  # of two that are down, each may be mended
        return not any(one.instance == each.instance for one in busy)
    return each.tier > other.tier or (each.tier == other.tier and not other.touched)


def _split(ordered: Sequence[Workload]) -> list[Workload]:
    """Workloads that have an old value of a secret that others have the new value of already: they cannot talk to each other.

    A step that was interrupted in its middle looks like this; it is finished before anything else.
    """
    changed = {
        shared
        for each in ordered
        if each.live and not each.outdated
        for shared in each.live.shared
    }  # fmt: skip
    return [each for each in ordered if each.live and each.outdated and _gains(each) & changed]


def _gains(each: Workload) -> frozenset[SharedSecret]:
    """New values of shared secrets that it does not have yet, but had an old value of.

    Hashes that were made with different keys tell nothing: a key that was lost changes no value.
    """
    if each.live is None:
        return frozenset()
    had = {(variable, _key_of(digest)) for variable, digest in each.live.shared}
    return frozenset(
        shared
        for shared in each.wanted.shared - each.live.shared
        if (shared[0], _key_of(shared[1])) in had
    )


def _key_of(digest: str) -> str:
    return digest.rpartition(":")[0]


def _waiting(
    decision: Decision,
    busy: Sequence[Workload],
    ordered: Sequence[Workload],
    progress: Progress,
    policy: Policy,
    now: dt.datetime,
) -> Decision:
    def deadline(each: Workload) -> dt.datetime:
        return _awaited_since(each, ordered, progress) + policy.deadline + each.settles

    late = [each for each in busy if deadline(each) <= now]
    if late:
        cause = late[0].problem
        detail = cause.message if cause else f"{late[0].label} is not ready"
        message = f"{detail} ({policy.deadline.total_seconds():.0f} s were given)"
        return replace(decision, kind="Failed", why=Explanation(Reason.ROLLOUT_FAILED, message))
    cause = busy[0].problem or Waiting(Reason.PROGRESSING, f"{busy[0].label} is not ready yet")
    return replace(decision, kind="Wait", why=cause, deadline=min(map(deadline, busy)))


def _awaited_since(each: Workload, ordered: Sequence[Workload], progress: Progress) -> dt.datetime:
    """Since when it is waited for: since it was changed, or what it may need (a store of its instance, say).

    One that has been ready since then is given its time anew when it is not any more.
    """
    causes = [
        other
        for other in ordered
        if other.touched and other.instance == each.instance and other.tier <= each.tier
    ]
    times = [progress.began, each.since, *(other.since for other in causes)]
    changed = each.since or progress.began
    later = [
        other
        for other in ordered
        if other.touched and (other.instance, other.tier) != (each.instance, each.tier)
    ]
    if not each.touched or any(other.since and other.since > changed for other in later):
        times.append(each.unready_since)
    return max(time for time in times if time)


def _at_the_end(decision: Decision, ordered: Sequence[Workload], progress: Progress) -> Decision:
    """Nothing is left to apply."""
    missing = decision.to_wanted | decision.to_good
    unready = [
        each for each in ordered if not each.ready and (progress.good is None or each.touched)
    ]
    if missing or unready:
        problem = next((each.problem for each in unready if each.problem), None)
        return replace(
            decision,
            kind="Wait",
            why=problem or Waiting(Reason.PROGRESSING, "waiting for what was applied"),
        )
    return replace(
        decision,
        kind="Complete",
        why=Explanation(Reason.COMPLETE, "every workload runs its newest configuration"),
    )


def _next_step(
    candidates: Sequence[Workload],
    remaining: Sequence[Workload],
    ordered: Sequence[Workload],
    progress: Progress,
) -> list[Workload]:
    """What is applied together next: a tier of an instance, a new instance, or all that share a changed secret."""
    if (
        progress.good is None
    ):  # nothing has ever worked: what does not work is mended at once, what does in order
        down = [each for each in candidates if not _serves(each.instance, ordered)]
        if down:
            return down
    first = min(candidates, key=lambda each: _turn(each, ordered))
    mates = [each for each in candidates if each.instance == first.instance]
    is_new = all(each.live is None for each in ordered if each.instance == first.instance)
    step = mates if is_new else [each for each in mates if each.tier == first.tier]
    return _with_shared(step, remaining)


def _with_shared(step: list[Workload], remaining: Sequence[Workload]) -> list[Workload]:
    """The step, and everything else that gets a new value of a secret that is changed in it."""
    while True:
        changed = frozenset(shared for each in step for shared in _gains(each))
        more = [each for each in remaining if each not in step and _gains(each) & changed]
        if not more:
            return step
        step = [*step, *more]


def _another_core(step: Sequence[Workload], ordered: Sequence[Workload]) -> Finding | None:
    """Why a step has to wait: it would disturb a core instance while another one is down."""
    instances = {each.instance for each in step}
    if not any(
        each.role == names.CORE and each.live and _serves(each.instance, ordered) for each in step
    ):
        return None
    others = [
        each for each in ordered if each.role == names.CORE and each.instance not in instances
    ]
    down = [each for each in others if not each.ready and (each.live or each.good)]
    if not down:
        return None
    detail = f": {down[0].problem.message}" if down[0].problem else ""
    return Waiting(
        Reason.WAITING_FOR_OTHER_CORE,
        f"{_listed([each.label for each in step])} waits until {down[0].label} is ready{detail}",
    )


def _serves(instance: str, ordered: Iterable[Workload]) -> bool:
    """Whether all of an instance is ready."""
    return all(
        each.ready and each.live is not None for each in ordered if each.instance == instance
    )


def _place(each: Workload) -> tuple[int, str, int, str]:
    """Its place in the order: by role, instance and tier."""
    return _role(each), each.instance, each.tier, each.name


def _role(each: Workload) -> int:
    return names.ROLES.index(each.role) if each.role in names.ROLES else len(names.ROLES)


def _turn(each: Workload, ordered: Sequence[Workload]) -> tuple[int, bool, str, int, str]:
    """Its place in the order; of several core instances, one that is down comes first: it disturbs nobody."""
    role, instance, tier, name = _place(each)
    return role, _serves(each.instance, ordered), instance, tier, name


def _applying(step: Sequence[Workload], progress: Progress) -> Finding:
    return Waiting(
        Reason.PROGRESSING,
        f"revision {progress.revision}: applying {_listed([each.label for each in step])}",
    )


def _names(workloads: Iterable[Workload]) -> frozenset[str]:
    return frozenset(each.name for each in workloads)


def _listed(labels: Sequence[str], shown: int = 4) -> str:
    rest = len(labels) - shown
    return ", ".join(labels[:shown]) + (f" and {rest} more" if rest > 0 else "")
