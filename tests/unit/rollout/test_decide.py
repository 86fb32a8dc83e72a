"""The rollout decision as a table: what is observed → the next step, and why."""

from __future__ import annotations

import datetime as dt
from dataclasses import replace

import pytest

from pryv_operator.api.findings import Problem
from pryv_operator.rollout.decide import (
    Decision,
    PodTemplate,
    Policy,
    Progress,
    Trial,
    Workload,
    decide,
)

NOW = dt.datetime(2026, 1, 1, 12, tzinfo=dt.UTC)
JUST_NOW = NOW - dt.timedelta(seconds=1)
LONG_AGO = NOW - dt.timedelta(hours=1)
OLD, NEW, NEWER = (
    PodTemplate("old", "image:1"),
    PodTemplate("new", "image:1"),
    PodTemplate("newer", "image:1"),
)
HOLD, ROLL_BACK = Policy(), Policy(roll_back=True)
GOOD = Progress(2, LONG_AGO, last_good=1)
FIRST = Progress(1, LONG_AGO)
FAILED = replace(GOOD, failed='co1/core: image "x" cannot be pulled')

_TIERS = {"mongodb": 0, "redis": 0, "register": 1, "reverse-proxy": 3}
_ROLES = {"reg": "reg-master", "sw": "static", "reg-slave": "reg-slave"}


def at(
    label: str,
    desired: PodTemplate = OLD,
    live: PodTemplate | None = OLD,
    last_good: PodTemplate | None = OLD,
    *,
    ready: bool = True,
    **more: object,
) -> Workload:
    instance, component = label.split("/")
    return Workload(
        name=f"acme-{instance}-{component}",
        label=label,
        role=_ROLES.get(instance, "core"),
        instance=instance,
        tier=_TIERS.get(component, 2),
        desired=desired,
        live=live,
        last_good=last_good,
        ready=ready and live is not None,
        since=more.pop("since", JUST_NOW),  # type: ignore[arg-type]
        problem=None
        if ready
        else Problem("CrashLoopBackOff", f"{label}: container exits repeatedly"),
        **more,  # type: ignore[arg-type]
    )


def changed(label: str) -> Workload:
    return at(label, NEW, OLD, OLD)


def done(label: str, *, ready: bool = True, **more: object) -> Workload:
    return at(label, NEW, NEW, OLD, ready=ready, **more)


def labels(names: frozenset[str]) -> set[str]:
    return {
        name.removeprefix("acme-").replace("-", "/", 1).replace("reg/slave", "reg-slave")
        for name in names
    }


def next_step(*workloads: Workload, progress: Progress = GOOD, policy: Policy = HOLD) -> Decision:
    decision = decide(workloads, progress, policy, NOW)
    assert decision == decide(tuple(reversed(workloads)), progress, policy, NOW), (
        "the order of what is observed decides nothing"
    )
    return decision


EVERYTHING = (
    "reg/redis",
    "reg/register",
    "reg/reverse-proxy",
    "co1/mongodb",
    "co1/core",
    "co2/core",
    "sw/reverse-proxy",
    "reg-slave/redis",
)


def test_steps_are_ordered_by_role_instance_and_tier() -> None:
    workloads = {label: changed(label) for label in EVERYTHING}
    order = []
    while (decision := next_step(*workloads.values())).kind == "Step":
        step = labels(decision.to_desired) if "reg-slave/redis" in workloads else set()
        step = {label for label in workloads if workloads[label].name in decision.to_desired}
        order.append(sorted(step))
        workloads |= {label: done(label) for label in step}
    assert order == [[label] for label in EVERYTHING]
    assert decision.kind == "Complete"


def test_a_tier_of_an_instance_is_one_step() -> None:
    assert labels(
        next_step(
            changed("co1/core"), changed("co1/hfs"), changed("co2/core"), changed("co2/hfs")
        ).to_desired
    ) == {
        "co1/core",
        "co1/hfs",
    }


def test_applied_workloads_are_awaited() -> None:
    decision = next_step(done("co1/core", ready=False), changed("co2/core"))
    assert (decision.kind, decision.to_desired, decision.pending) == (
        "Wait",
        frozenset(),
        ("co2/core",),
    )
    assert decision.finding == Problem("CrashLoopBackOff", "co1/core: container exits repeatedly")
    assert decision.deadline == JUST_NOW + dt.timedelta(seconds=600)


def test_a_workload_that_is_not_ready_in_time_fails_the_rollout() -> None:
    decision = next_step(done("co1/core", ready=False, since=LONG_AGO), changed("co2/core"))
    assert (decision.kind, decision.to_desired) == ("Failed", frozenset())
    assert "co1/core" in decision.finding.message
    assert "600 s" in decision.finding.message


@pytest.mark.parametrize("since", [LONG_AGO, None])
def test_a_new_revision_has_its_own_deadline(since: dt.datetime | None) -> None:
    """A component that was unready before does not fail the next change at once."""
    progress = replace(GOOD, began=JUST_NOW)
    assert (
        next_step(
            done("co1/core", ready=False, since=since), changed("co2/core"), progress=progress
        ).kind
        == "Wait"
    )


def test_a_failed_rollout_applies_nothing_more() -> None:
    for ready in (False, True):  # even if it becomes ready later
        decision = next_step(
            done("co1/core", ready=ready, since=LONG_AGO), changed("co2/core"), progress=FAILED
        )
        assert (decision.kind, decision.to_desired, decision.to_last_good) == (
            "Held",
            frozenset(),
            frozenset(),
        )
        assert decision.finding.reason == "RolloutHeld"
        assert "not changed: co2/core" in decision.finding.message


def test_a_failed_rollout_is_rolled_back() -> None:
    first = next_step(
        done("co1/core"),
        done("co2/core", ready=False),
        changed("sw/reverse-proxy"),
        progress=FAILED,
        policy=ROLL_BACK,
    )
    assert (first.kind, labels(first.to_last_good), first.to_desired) == (
        "RollingBack",
        {"co2/core"},
        frozenset(),
    )
    put_back = at("co2/core", NEW, OLD, OLD, ready=False)
    second = next_step(done("co1/core"), put_back, progress=FAILED, policy=ROLL_BACK)
    assert (second.kind, second.to_last_good) == ("RollingBack", frozenset()), (
        "co1 serves: it is not touched while co2 is down"
    )
    third = next_step(done("co1/core"), changed("co2/core"), progress=FAILED, policy=ROLL_BACK)
    assert (third.kind, labels(third.to_last_good)) == ("RollingBack", {"co1/core"})
    last = next_step(changed("co1/core"), changed("co2/core"), progress=FAILED, policy=ROLL_BACK)
    assert (last.kind, last.to_last_good, last.finding.reason) == (
        "RolledBack",
        frozenset(),
        "RolledBack",
    )
    assert "revision 1 runs again" in last.finding.message


def test_no_rollback_to_an_older_image_of_a_workload_that_migrates_data() -> None:
    upgraded = at(
        "co1/mongodb",
        PodTemplate("new", "mongo:5"),
        PodTemplate("new", "mongo:5"),
        PodTemplate("old", "mongo:4"),
        ready=False,
        migrates=True,
    )
    decision = next_step(upgraded, progress=FAILED, policy=ROLL_BACK)
    assert decision.kind == "Held"
    assert "mongo:4" in decision.finding.message
    other_configuration = at("co1/mongodb", NEW, NEW, OLD, ready=False, migrates=True)
    assert next_step(other_configuration, progress=FAILED, policy=ROLL_BACK).kind == "RollingBack"


MIGRATED = {"migrates": True, "migrated": True}
OLD_STORE, NEW_STORE = PodTemplate("old", "mongo:4"), PodTemplate("new", "mongo:5")


@pytest.mark.parametrize("policy", [HOLD, ROLL_BACK])
def test_a_deleted_workload_with_migrated_data_keeps_the_newer_image(policy: Policy) -> None:
    """The store is deleted after its upgrade has failed: it is recreated with what it ran."""
    gone = at("co1/mongodb", NEW_STORE, None, OLD_STORE, **MIGRATED)
    decision = next_step(gone, at("co1/core"), progress=FAILED, policy=policy)
    assert (decision.kind, labels(decision.to_desired), decision.to_last_good) == (
        "Held",
        {"co1/mongodb"},
        frozenset(),
    )
    never_upgraded = replace(gone, migrated=False)
    assert labels(next_step(never_upgraded, at("co1/core"), progress=FAILED).to_last_good) == {
        "co1/mongodb"
    }


def test_migrated_data_keep_the_newer_image_in_a_running_rollout() -> None:
    gone = at("co2/mongodb", NEW_STORE, None, OLD_STORE, **MIGRATED)
    decision = next_step(gone, at("co1/mongodb", NEW_STORE, OLD_STORE, OLD_STORE, migrates=True))
    assert (labels(decision.to_desired), decision.to_last_good) == ({"co2/mongodb"}, frozenset()), (
        "co1 serves, and waits"
    )


def test_earlier_steps_do_not_wait_for_a_failing_component() -> None:
    """Core crashes because its store is misconfigured; the store comes before it in the order."""
    core = done("co1/core", ready=False, since=LONG_AGO)
    decision = next_step(core, changed("co1/mongodb"), changed("co2/mongodb"))
    assert (decision.kind, labels(decision.to_desired)) == ("Step", {"co1/mongodb"})
    assert labels(next_step(core, changed("reg/register"), changed("sw/web")).to_desired) == {
        "reg/register"
    }
    waiting = next_step(core, done("co1/mongodb", ready=False), changed("co1/reverse-proxy"))
    assert (waiting.kind, waiting.to_desired) == ("Wait", frozenset()), (
        "its deadline counts from the change of its store"
    )


def test_other_components_of_a_changed_instance_that_go_down_are_awaited() -> None:
    """A changed store is ready, and core beside it is not any more."""
    core = at("co1/core", ready=False, since=LONG_AGO)
    decision = next_step(done("co1/mongodb"), core, changed("co2/mongodb"))
    assert (decision.kind, decision.finding.reason) == ("Wait", "CrashLoopBackOff")
    assert decision.deadline == JUST_NOW + dt.timedelta(seconds=600)
    assert next_step(done("co1/mongodb", since=LONG_AGO), core).kind == "Failed"
    before = replace(GOOD, unready=frozenset({core.name}))
    assert next_step(done("co1/mongodb"), core, progress=before).kind == "Complete", (
        "it was down before"
    )
    assert next_step(done("reg/redis"), core).kind == "Complete", "it is in another instance"


def test_a_component_that_was_ready_gets_the_full_deadline_again() -> None:
    """A node that is drained during a long rollout does not fail an earlier step."""
    hour = {"since": LONG_AGO}
    for each in (at("co1/nginx", ready=False, **hour), done("co1/core", ready=False, **hour)):
        others = [
            done("co1/mongodb", **hour),
            done("co2/mongodb", since=NOW - dt.timedelta(minutes=30)),
            changed("co2/core"),
        ]
        assert next_step(replace(each, unready_since=JUST_NOW), *others).kind == "Wait", each.label
        assert next_step(replace(each, unready_since=LONG_AGO), *others).kind == "Failed", (
            each.label
        )
    never_ready = replace(done("co1/core", ready=False, **hour), unready_since=JUST_NOW)
    assert next_step(never_ready, changed("co2/core")).kind == "Failed", (
        "it has never been ready since it was changed"
    )


def test_a_started_platform_has_the_full_deadline() -> None:
    """The platform was stopped for a long time after a change of its reverse proxies."""
    started = [
        at("co1/mongodb", ready=False),
        at("co1/core", ready=False),
        done("co1/reverse-proxy", ready=False),
    ]
    assert next_step(*started, progress=GOOD).kind == "Wait"


def test_min_ready_seconds_extend_the_deadline() -> None:
    late = done("co1/webhooks", ready=False, since=NOW - dt.timedelta(seconds=601))
    assert next_step(late).kind == "Failed"
    assert next_step(replace(late, settles=dt.timedelta(seconds=5))).kind == "Wait"


def test_a_stuck_rollback_reports_why() -> None:
    put_back = at("reg/register", NEW, OLD, OLD, ready=False)
    decision = next_step(put_back, progress=FAILED, policy=ROLL_BACK)
    assert decision.kind == "RollingBack"
    assert "reg/register: container exits repeatedly" in decision.finding.message


def test_without_a_last_good_revision_a_failure_holds() -> None:
    assert (
        next_step(
            done("co1/core", ready=False),
            progress=replace(FAILED, last_good=None),
            policy=ROLL_BACK,
        ).kind
        == "Held"
    )


def test_two_cores_are_never_disturbed_at_once() -> None:
    down = at("co2/core", ready=False)
    decision = next_step(changed("co1/core"), down)
    assert (decision.kind, decision.to_desired, decision.finding.reason) == (
        "Wait",
        frozenset(),
        "WaitingForOtherCore",
    )
    assert "co2/core" in decision.finding.message


def test_a_deleted_core_counts_as_down() -> None:
    decision = next_step(changed("co1/core"), at("co2/core", OLD, None, OLD))
    assert (decision.kind, labels(decision.to_desired), decision.finding.reason) == (
        "Wait",
        {"co2/core"},
        "WaitingForOtherCore",
    )


def test_a_core_that_is_down_is_changed_first() -> None:
    decision = next_step(changed("co1/core"), at("co2/core", NEW, NEWER, OLD, ready=False))
    assert labels(decision.to_desired) == {"co2/core"}


def test_unready_components_of_other_instances_do_not_block() -> None:
    assert labels(
        next_step(at("sw/reverse-proxy", ready=False), changed("reg/register")).to_desired
    ) == {"reg/register"}
    assert next_step(at("sw/reverse-proxy", ready=False)).kind == "Complete"


def test_a_first_install_creates_everything_at_once() -> None:
    missing = [at(label, NEW, None, None) for label in EVERYTHING]
    decision = next_step(*missing, progress=FIRST)
    assert decision.to_desired == frozenset(each.name for each in missing)
    still = [at(label, NEW, NEW, None, ready=label != "co1/core") for label in EVERYTHING]
    assert next_step(*still, progress=FIRST).kind == "Wait"
    assert (
        next_step(*(at(label, NEW, NEW, None) for label in EVERYTHING), progress=FIRST).kind
        == "Complete"
    )


def test_a_first_install_is_repaired_without_waiting() -> None:
    broken = [
        at("reg/register", NEW, OLD, None, ready=False),
        at("co1/core", NEW, OLD, None, ready=False),
        at("sw/web", OLD, OLD, None, ready=False),
    ]
    assert labels(next_step(*broken, progress=FIRST).to_desired) == {"reg/register", "co1/core"}


def test_a_new_instance_is_created_at_once_in_its_turn() -> None:
    new = [at(label, NEW, None, None) for label in ("co3/mongodb", "co3/core", "co3/reverse-proxy")]
    assert labels(next_step(*new, at("co1/core")).to_desired) == {
        "co3/mongodb",
        "co3/core",
        "co3/reverse-proxy",
    }
    assert labels(next_step(*new, changed("reg/register")).to_desired) == {"reg/register"}
    assert next_step(*new, changed("reg/register"), progress=FAILED).to_desired == frozenset()


@pytest.mark.parametrize(
    ("gone", "others", "to_desired", "to_last_good"),
    [
        (at("co2/core", OLD, None, OLD), [at("co1/core")], {"co2/core"}, set()),
        (at("co2/core", NEW, None, OLD), [done("co1/core")], {"co2/core"}, set()),
        (at("co2/core", NEW, None, OLD), [changed("reg/register")], {"reg/register"}, {"co2/core"}),
        (
            at("reg/register", NEW, None, OLD),
            [done("co1/core", ready=False)],
            {"reg/register"},
            set(),
        ),
    ],
    ids=["unchanged", "its turn", "its turn is to come", "its turn has been"],
)
def test_deleted_workloads_are_recreated(
    gone: Workload, others: list[Workload], to_desired: set[str], to_last_good: set[str]
) -> None:
    decision = next_step(gone, *others)
    assert (labels(decision.to_desired), labels(decision.to_last_good)) == (
        to_desired,
        to_last_good,
    )


@pytest.mark.parametrize("tier", ["core", "mongodb", "hfs", "reverse-proxy"])
@pytest.mark.parametrize(("busy", "gone"), [("co1", "co2"), ("co2", "co1")])
@pytest.mark.parametrize("progress", [GOOD, FAILED], ids=["forward", "failed"])
def test_a_deletion_brings_no_change_forward(
    busy: str, gone: str, tier: str, progress: Progress
) -> None:
    """The change is bad, one core waits, and the other one is deleted manually.

    co2 comes first when it was down before.
    """
    decision = next_step(
        done(f"{busy}/{tier}", ready=False), at(f"{gone}/{tier}", NEW, None, OLD), progress=progress
    )
    assert (decision.to_desired, labels(decision.to_last_good)) == (frozenset(), {f"{gone}/{tier}"})


def test_a_deletion_of_all_cores_brings_the_change_to_the_first_only() -> None:
    decision = next_step(at("co1/core", NEW, None, OLD), at("co2/core", NEW, None, OLD))
    assert (labels(decision.to_desired), labels(decision.to_last_good)) == (
        {"co1/core"},
        {"co2/core"},
    )


def test_a_later_role_that_is_deleted_while_the_change_is_busy_returns_as_it_was() -> None:
    decision = next_step(done("co1/core", ready=False), at("sw/web", NEW, None, OLD))
    assert labels(decision.to_last_good) == {"sw/web"}
    later_tier = at("co1/reverse-proxy", NEW, None, OLD)
    decision = next_step(done("co1/core", ready=False), later_tier)
    assert labels(decision.to_last_good) == {"co1/reverse-proxy"}


def test_workloads_deleted_during_a_hold_are_recreated_as_they_were() -> None:
    decision = next_step(
        done("co1/core", ready=False), at("co2/core", NEW, None, OLD), progress=FAILED
    )
    assert (decision.kind, decision.to_desired, labels(decision.to_last_good)) == (
        "Held",
        frozenset(),
        {"co2/core"},
    )


def test_a_rollback_does_not_end_while_something_is_blocked() -> None:
    progress = replace(FAILED, blocked=("co1/reverse-proxy",))
    decision = next_step(changed("co1/core"), progress=progress, policy=ROLL_BACK)
    assert decision.kind == "RollingBack"
    assert "blocked: co1/reverse-proxy" in decision.finding.message


# Secrets that several roles share


def sharing(label: str, *, live: str, desired: str = "b", ready: bool = True) -> Workload:
    def template(value: str) -> PodTemplate:
        return PodTemplate(value, "image:1", frozenset({("SYSTEM_KEY", value)}))

    return at(label, template(desired), template(live), template("a"), ready=ready)


def test_a_shared_secret_is_one_step_for_all_its_consumers() -> None:
    decision = next_step(
        sharing("reg/register", live="a"),
        sharing("co1/core", live="a"),
        sharing("co2/core", live="a"),
        changed("co1/hfs"),
    )
    assert labels(decision.to_desired) == {"reg/register", "co1/core", "co2/core"}
    assert decision.pending == ("co1/hfs",)


def test_an_interrupted_shared_step_is_finished_before_anything_else() -> None:
    workloads = [
        sharing("reg/register", live="b", ready=False),
        sharing("co1/core", live="a"),
        changed("co1/hfs"),
    ]
    assert labels(next_step(*workloads).to_desired) == {"co1/core"}
    assert labels(next_step(*workloads, progress=FAILED).to_desired) == {"co1/core"}, (
        "never left half-done"
    )


def test_hashes_of_different_keys_are_not_compared() -> None:
    """The hash key was lost: every hash differs, and no value has changed."""

    def keyed(label: str, key: str, live: str) -> Workload:
        def template(digest: str, key: str) -> PodTemplate:
            return PodTemplate(digest, "image:1", frozenset({("SYSTEM_KEY", f"{key}:value")}))

        return at(label, template("b", "new"), template(live, key), template("a", "old"))

    workloads = [
        keyed("co1/core", "new", "b"),
        keyed("co2/core", "old", "a"),
        keyed("sw/web", "old", "a"),
    ]
    assert labels(next_step(*workloads).to_desired) == {"co2/core"}, "one after the other"


def test_a_shared_secret_goes_back_in_one_step() -> None:
    workloads = [
        sharing("reg/register", live="b"),
        sharing("co1/core", live="b"),
        sharing("co2/core", live="b", ready=False),
    ]
    assert labels(next_step(*workloads, progress=FAILED, policy=ROLL_BACK).to_last_good) == {
        "reg/register",
        "co1/core",
        "co2/core",
    }


def test_two_changed_secrets_are_one_step_where_they_meet() -> None:
    def both(label: str, *variables: str) -> Workload:
        def template(value: str) -> PodTemplate:
            return PodTemplate(
                value, "image:1", frozenset((variable, value) for variable in variables)
            )

        return at(label, template("b"), template("a"), template("a"))

    decision = next_step(
        both("reg/register", "A"),
        both("co1/core", "A", "B"),
        both("sw/web", "B"),
        both("reg-slave/dns", "C"),
    )
    assert labels(decision.to_desired) == {"reg/register", "co1/core", "sw/web"}


def test_no_rollback_to_a_revision_without_the_operators_mac() -> None:
    """Its templates may be another client's."""
    unsigned = replace(FAILED, unsigned=1)
    decision = next_step(done("co1/core", ready=False), progress=unsigned, policy=ROLL_BACK)
    assert (decision.kind, decision.to_last_good) == ("Held", frozenset())
    assert "revision 1 is not rolled back to automatically" in decision.finding.message


# What components read from others when they start

READ_OLD = PodTemplate("old", "image:1", boot_inputs="old name")
READ_NEW = PodTemplate("new", "image:1", boot_inputs="new name")


def reader(label: str, live: PodTemplate | None = READ_OLD, **more: object) -> Workload:
    """A workload that reads the new name, once it is changed, from reg/register."""
    desired = more.pop("desired", READ_NEW)
    last_good = more.pop("last_good", READ_OLD)
    reads = {"reads": "acme-reg-register"}
    return at(label, desired, live, last_good, **reads, **more)  # type: ignore[arg-type]


def test_what_others_read_is_changed_before_the_other_services_of_its_instance() -> None:
    workloads = [changed("reg/dns"), changed("reg/register"), changed("reg/mail")]
    assert labels(next_step(*workloads).to_desired) == {"reg/register"}
    waiting = [done("reg/register", ready=False), changed("reg/dns")]
    assert (next_step(*waiting).kind, next_step(*waiting).to_desired) == ("Wait", frozenset())


@pytest.mark.parametrize("instance", ["co1", "reg"], ids=["cluster", "single-node"])
def test_a_reader_waits_until_what_it_reads_is_answered(instance: str) -> None:
    core = reader(f"{instance}/core")
    first = next_step(changed("reg/register"), core)
    assert (labels(first.to_desired), first.pending) == ({"reg/register"}, (core.label,))
    second = next_step(done("reg/register", ready=False), core)
    assert (second.kind, second.to_desired) == ("Wait", frozenset())
    third = next_step(done("reg/register"), core)
    assert labels(third.to_desired) == {core.label}


def test_readers_are_not_touched_when_what_they_read_from_fails() -> None:
    late = done("reg/register", ready=False, since=LONG_AGO)
    assert next_step(late, reader("co1/core")).kind == "Failed"
    held = next_step(late, reader("co1/core"), progress=FAILED)
    assert (held.kind, held.to_desired, held.pending) == ("Held", frozenset(), ("co1/core",))


def test_a_reader_waits_for_what_went_back_to_the_template_of_before() -> None:
    """The name was changed, and the change is reverted in the middle of the rollout."""
    core = reader("co1/core", READ_NEW, desired=READ_OLD)
    register = at("reg/register", ready=False)
    decision = next_step(register, core)
    assert (decision.kind, decision.to_desired) == ("Wait", frozenset())
    assert decision.deadline == JUST_NOW + dt.timedelta(seconds=600), "it does not wait for ever"
    assert labels(next_step(replace(register, ready=True), core).to_desired) == {"co1/core"}


def test_another_change_of_a_reader_waits_for_nothing() -> None:
    other = PodTemplate("other", "image:1", boot_inputs="old name")
    core = reader("co1/core", desired=other)
    assert labels(next_step(at("reg/register", ready=False), core).to_desired) == {"co1/core"}


def test_a_deleted_workload_is_changed_before_those_that_read_from_it() -> None:
    decision = next_step(at("reg/register", NEW, None, OLD), reader("reg/core"))
    assert (labels(decision.to_desired), decision.pending) == ({"reg/register"}, ("reg/core",))


@pytest.mark.parametrize("instance", ["co1", "reg"], ids=["cluster", "single-node"])
def test_what_is_read_goes_back_before_its_readers(instance: str) -> None:
    core = reader(f"{instance}/core", READ_NEW, ready=False)

    def back(register: Workload) -> Decision:
        return next_step(register, core, progress=FAILED, policy=ROLL_BACK)

    assert labels(back(done("reg/register")).to_last_good) == {"reg/register"}
    waiting = back(at("reg/register", NEW, OLD, OLD, ready=False))
    assert (waiting.kind, waiting.to_last_good) == ("RollingBack", frozenset())
    assert "waiting for reg/register" in waiting.finding.message
    assert labels(back(changed("reg/register")).to_last_good) == {core.label}


def test_a_rollback_of_something_else_waits_for_nothing() -> None:
    other = PodTemplate("other", "image:1", boot_inputs="old name")
    core = reader("co1/core", other, desired=other, ready=False)
    register = at("reg/register", ready=False)
    decision = next_step(register, core, progress=FAILED, policy=ROLL_BACK)
    assert labels(decision.to_last_good) == {"co1/core"}


def test_a_name_that_is_changed_during_a_first_install_is_read_when_it_is_answered() -> None:
    missing = [at("reg/register", NEW, None, None), reader("reg/core", None, last_good=None)]
    everything = {each.name for each in missing}
    assert next_step(*missing, progress=FIRST).to_desired == everything, "all at once"
    core = reader("reg/core", last_good=None, ready=False)

    def step(**register: object) -> set[str]:
        workload = at("reg/register", NEW, last_good=None, **register)  # type: ignore[arg-type]
        return labels(next_step(workload, core, progress=FIRST).to_desired)

    assert step(live=OLD, ready=False) == {"reg/register"}
    assert step(live=NEW, ready=False) == set()
    assert step(live=NEW) == {"reg/core"}


# --- what has to stop before it is started is tried before ---

MISSING, PASSED, GIVEN_UP = Trial("Missing"), Trial("Passed", JUST_NOW), Trial("GivenUp", JUST_NOW)
RUNNING = Trial("Running", JUST_NOW)
NOT_PULLED = Problem("ImagePullBackOff", 'co1/core: image "x" cannot be pulled; check its name')


def with_trial(label: str, trial: Trial | None, **more: object) -> Workload:
    return at(label, NEW, OLD, OLD, trial=trial, **more)


@pytest.mark.parametrize("trial", [MISSING, RUNNING])
def test_nothing_of_a_step_is_applied_before_its_trials_have_ended(trial: Trial) -> None:
    decision = next_step(with_trial("co1/core", trial), changed("co1/hfs"), changed("co2/core"))
    assert (decision.kind, decision.to_desired) == ("Wait", frozenset())
    assert labels(decision.to_try) == {"co1/core"}
    assert decision.pending == ("co1/core", "co1/hfs", "co2/core")
    assert decision.finding.message == (
        "co1/core: the new image is pulled before the old pod is stopped"
    )
    expected = trial.since and trial.since + dt.timedelta(seconds=600)
    assert decision.deadline == expected


@pytest.mark.parametrize("trial", [PASSED, GIVEN_UP, None])
def test_step_is_applied_once_its_trials_have_ended(trial: Trial | None) -> None:
    decision = next_step(with_trial("co1/core", trial), changed("co1/hfs"))
    assert (decision.kind, decision.to_try) == ("Step", frozenset())
    assert labels(decision.to_desired) == {"co1/core", "co1/hfs"}


def test_only_the_next_step_is_tried() -> None:
    decision = next_step(
        with_trial("co1/mongodb", MISSING),
        with_trial("co1/core", MISSING),
        with_trial("co2/mongodb", MISSING),
    )
    assert labels(decision.to_try) == {"co1/mongodb"}


def test_step_that_waits_for_something_else_is_not_tried() -> None:
    down = at("co2/core", OLD, OLD, OLD, ready=False)
    decision = next_step(with_trial("co1/core", MISSING), down)
    assert (decision.kind, decision.to_try) == ("Wait", frozenset())
    assert "waiting until co2/core is ready" in decision.finding.message


def test_trial_reports_why_its_image_is_not_pulled() -> None:
    trial = Trial("Running", JUST_NOW, NOT_PULLED)
    assert next_step(with_trial("co1/core", trial)).finding == NOT_PULLED


def test_image_that_is_not_pulled_in_time_fails_the_rollout_and_touches_nothing() -> None:
    late = with_trial("co1/core", Trial("Running", LONG_AGO, NOT_PULLED))
    decision = next_step(late, changed("co1/hfs"))
    assert (decision.kind, decision.to_desired, decision.to_try) == (
        "Failed",
        frozenset(),
        frozenset(),
    )
    assert decision.finding.message == f"{NOT_PULLED.message} (not pulled within 600 s)"
    silent = with_trial("co1/core", Trial("Running", LONG_AGO))
    assert next_step(silent).finding.message == (
        "co1/core: its new image is not pulled (not pulled within 600 s)"
    )


@pytest.mark.parametrize("trial", [MISSING, RUNNING, PASSED])
def test_failed_revision_is_held_with_the_old_pods(trial: Trial) -> None:
    decision = next_step(with_trial("co1/core", trial), progress=FAILED)
    assert (decision.kind, decision.to_desired, decision.to_try) == (
        "Held",
        frozenset(),
        frozenset(),
    )
    assert "not changed: co1/core" in decision.finding.message


def test_rollback_needs_no_trial() -> None:
    """What was touched before goes back; what was tried was not touched."""
    decision = next_step(
        done("reg/register"), with_trial("co1/core", RUNNING), progress=FAILED, policy=ROLL_BACK
    )
    assert (decision.kind, labels(decision.to_last_good), decision.to_try) == (
        "RollingBack",
        {"reg/register"},
        frozenset(),
    )


def test_all_that_share_a_changed_secret_are_tried_before_any_is_applied() -> None:
    old, new = (
        replace(template, shared=frozenset({("KEY", value)}))
        for template, value in ((OLD, "1"), (NEW, "2"))
    )
    workloads = [
        at("co1/core", new, old, old, trial=PASSED),
        at("co2/core", new, old, old, trial=MISSING),
    ]
    decision = next_step(*workloads)
    assert (decision.kind, decision.to_desired) == ("Wait", frozenset())
    assert labels(decision.to_try) == {"co2/core"}
    # A step that was interrupted is finished: its halves cannot talk to each other.
    split = next_step(at("co1/core", new, new, old), workloads[1])
    assert (split.kind, labels(split.to_desired)) == ("Step", {"co2/core"})


def test_first_install_tries_nothing() -> None:
    decision = next_step(at("co1/core", NEW, OLD, None, trial=MISSING), progress=FIRST)
    assert (decision.kind, labels(decision.to_desired)) == ("Step", {"co1/core"})


def test_deleted_workload_is_recreated_while_a_trial_runs() -> None:
    deleted = at("co1/hfs", OLD, None, OLD)
    decision = next_step(with_trial("co2/core", RUNNING), deleted)
    assert labels(decision.to_desired | decision.to_last_good) == {"co1/hfs"}
