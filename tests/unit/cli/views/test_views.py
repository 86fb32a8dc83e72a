"""What commands show, from objects: targets, events, workloads, the tree, logs, secrets."""

from __future__ import annotations

import base64
import datetime as dt
import json
from typing import Any

import click
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pryv_operator.api.kubernetes import Object
from pryv_operator.cli.durations import seconds_of
from pryv_operator.cli.output import age, formatted, plain
from pryv_operator.cli.shared_options import Format
from pryv_operator.cli.views.change import Change, progress
from pryv_operator.cli.views.events import platform_events
from pryv_operator.cli.views.log_sources import Kind, prefixes, sources
from pryv_operator.cli.views.platform_tree import Certificate, Revision, platform_status
from pryv_operator.cli.views.secret_list import SecretEntry, SecretList, components_with
from pryv_operator.cli.views.targets import (
    UnknownTargetError,
    merged_restart,
    selected,
    targets_of,
)
from pryv_operator.cli.views.workloads import State, component_status, pod_reason

NOW = dt.datetime(2026, 11, 27, 12, 0, tzinfo=dt.UTC)
BEFORE = NOW - dt.timedelta(days=3)
PLACES = [
    ("reg-master", "reg", "register"),
    ("reg-master", "reg", "reverse-proxy"),
    ("core", "co1", "core"),
    ("core", "co1", "hfs"),
    ("core", "co2", "core"),
    ("static", "sw", "reverse-proxy"),
]


def labels(role: str, instance: str, component: str) -> dict[str, str]:
    return {
        "pryv.io/platform": "acme",
        "pryv.io/role": role,
        "pryv.io/instance": instance,
        "pryv.io/component": component,
    }


def workload(
    place: tuple[str, str, str], *, desired: int = 1, image: str = "x:1", **status: int
) -> Object:
    _, instance, component = place
    return {
        "kind": "Deployment",
        "metadata": {
            "name": f"acme-{instance}-{component}",
            "generation": 1,
            "labels": labels(*place),
        },
        "spec": {
            "replicas": desired,
            "template": {"metadata": {}, "spec": {"containers": [{"image": image}]}},
        },
        "status": {"observedGeneration": 1, "replicas": desired, "updatedReplicas": desired}
        | status,
    }


def pod(place: tuple[str, str, str], *sidecars: str, **status: Any) -> Object:
    _, instance, component = place
    return {
        "metadata": {"name": f"acme-{instance}-{component}-0", "labels": labels(*place)},
        "spec": {
            "containers": [{"name": component}],
            "initContainers": [{"name": each} for each in sidecars],
        },
        "status": status,
    }


WORKLOADS = [workload(place, readyReplicas=1) for place in PLACES]


class TestTargets:
    """A target names a role, an instance, a component, or both of the last."""

    @given(st.lists(st.sampled_from([each for w in WORKLOADS for each in targets_of(w)])))
    def test_each_target_selects_what_has_it(self, targets: list[str]) -> None:
        found = selected(WORKLOADS, targets)
        expected = [w for w in WORKLOADS if targets_of(w) & set(targets)]
        assert found == expected, "in the order of a rollout"

    def test_a_role_is_all_its_instances_and_a_pair_is_one_component(self) -> None:
        def names(*targets: str) -> list[str]:
            return [item["metadata"]["name"] for item in selected(WORKLOADS, targets)]

        assert names("core") == ["acme-co1-core", "acme-co1-hfs", "acme-co2-core"]
        assert names("co2/core") == ["acme-co2-core"]
        assert names("reverse_proxy") == ["acme-reg-reverse-proxy", "acme-sw-reverse-proxy"]
        assert len(names("all")) == len(PLACES)

    @given(st.text(min_size=1).filter(lambda text: text.strip()))
    def test_an_unknown_target_is_refused_by_name(self, text: str) -> None:
        known = {each for w in WORKLOADS for each in targets_of(w)}
        target = f"no-{text}"
        if target in known:
            return
        with pytest.raises(UnknownTargetError, match="existing: co1, co2, core, hfs"):
            selected(WORKLOADS, [target])

    @given(
        st.lists(st.sampled_from(["co1", "core", "co1/hfs", "reg", "all"]), min_size=1),
        st.lists(st.sampled_from(["co1", "core", "co1/hfs", "reg", "all"]), min_size=1),
        st.booleans(),
    )
    def test_pending_restarts_are_merged(
        self, before: list[str], after: list[str], acted_on: bool
    ) -> None:
        value = merged_restart(f"{','.join(before)}@1", after, "2", acted_on=acted_on)
        listed, _, text = value.partition("@")
        asked = {*after, *(() if acted_on else before)}
        assert text == "2"
        assert set(listed.split(",")) == ({"all"} if "all" in asked else asked)


class TestWorkloads:
    """The state of a component, and the reason of its pods."""

    @pytest.mark.parametrize(
        ("item", "state"),
        [
            (workload(PLACES[0], readyReplicas=1), State.READY),
            (workload(PLACES[0]), State.NOT_READY),
            (workload(PLACES[0], readyReplicas=1, updatedReplicas=0), State.UPDATING),
            (workload(PLACES[0], readyReplicas=1, observedGeneration=0), State.UPDATING),
            (workload(PLACES[0], readyReplicas=1, replicas=2), State.UPDATING),
            (workload(PLACES[0], desired=0), State.STOPPED),
            (workload(PLACES[0], desired=0, replicas=1), State.UPDATING),
        ],
    )
    def test_states(self, item: Object, state: State) -> None:
        assert component_status(item, []).state is state

    @pytest.mark.parametrize(
        ("status", "reason"),
        [
            ({"conditions": [{"type": "Ready", "status": "True"}]}, None),
            ({"phase": "Failed", "reason": "Evicted"}, "Evicted"),
            (
                {
                    "conditions": [
                        {"type": "PodScheduled", "status": "False", "reason": "Unschedulable"}
                    ]
                },
                "Unschedulable",
            ),
            (
                {"containerStatuses": [{"state": {"waiting": {"reason": "CrashLoopBackOff"}}}]},
                "CrashLoopBackOff",
            ),
            (
                {"containerStatuses": [{"state": {"terminated": {"exitCode": 1}}}]},
                "Error (exit code 1)",
            ),
            ({"containerStatuses": [{"state": {"running": {}}}]}, "starting"),
            ({"phase": "Pending"}, "ContainerCreating"),
        ],
    )
    def test_reasons(self, status: dict[str, Any], reason: str | None) -> None:
        assert pod_reason(pod(PLACES[0], **status)) == reason


def resource(**status: Any) -> Object:
    return {
        "metadata": {"namespace": "pryv", "name": "acme", "generation": 2},
        "spec": {"domain": "pryv.acme.test"},
        "status": {"observedGeneration": 2, "release": "1.9.2"} | status,
    }


class TestTree:
    """The status of a platform."""

    def test_tree_names_what_a_component_waits_for(self) -> None:
        message = (
            'co2/core: starting; co1/hfs: image "x:2" cannot be pulled; check its name; and 1 more'
        )
        crashing = {"waiting": {"reason": "ImagePullBackOff"}}
        found = platform_status(
            resource(
                conditions=[
                    {"type": "Ready", "status": "False", "reason": "Stuck", "message": message}
                ],
                instances=[
                    {"name": "co1", "role": "core", "ready": 1, "desired": 3, "address": "1.2.3.4"}
                ],
            ),
            [workload(PLACES[2], readyReplicas=1), workload(PLACES[3], image="x:2")],
            [pod(PLACES[3], containerStatuses=[{"state": crashing}])],
            revision=Revision(4, "rolling"),
            certificates=[Certificate("", "tls", "spec.tls", NOW, 3)],
        )
        text = click.unstyle(found.table(wide=False))
        lines = text.splitlines()
        assert lines[0] == "pryv/acme  Stuck"
        assert 'certificate  Secret "tls" (spec.tls): expires 2026-11-27, in 3 days' in text
        assert "revision     4, rolling" in text
        tree = lines[lines.index("") + 1 :]
        assert tree[0].split() == ["COMPONENT", "READY", "STATE", "IMAGE"]
        assert tree[1:] == [
            "core",
            "└─ co1 (1.2.3.4)       1/3",
            "   ├─ core             1/1    Ready     x:1",
            "   ├─ hfs              0/1    NotReady  x:2",
            '                       ImagePullBackOff: image "x:2" cannot be pulled; check its name',
            "   └─ (1 not created)         Missing",
        ]
        assert "deployment/acme-co1-hfs" in found.table(wide=True)

    def test_roles_are_in_the_order_of_a_rollout(self) -> None:
        found = platform_status(resource(), WORKLOADS[::-1], [])
        assert [role.name for role in found.roles] == ["reg-master", "core", "static"]
        assert [each.name for each in found.roles[1].instances] == ["co1", "co2"]

    def test_formats(self) -> None:
        found = platform_status(resource(), WORKLOADS, [])
        assert formatted(found, Format.NAME) == "pryvplatform.pryv.io/acme\n"
        document = json.loads(formatted(found, Format.JSON))
        assert document["roles"][0]["instances"][0]["components"][0]["state"] == "Ready"
        assert "\033" not in formatted(found, Format.YAML)

    def test_a_platform_without_a_status(self) -> None:
        item = {"metadata": resource()["metadata"], "spec": {"domain": "x.test"}}
        text = platform_status(item, [], []).table(wide=False)
        assert "the operator has not reported a status yet" in text


def event(name: str, kind: str, regarding: str, second: int, **more: Any) -> Object:
    return {
        "metadata": {"name": name, "creationTimestamp": "2026-11-27T11:00:00Z"},
        "eventTime": f"2026-11-27T11:00:{second:02}.000000Z",
        "regarding": {"kind": kind, "name": regarding},
        "reason": "Reason",
        "type": "Warning",
        "note": "note",
    } | more


OBJECTS = {("PryvPlatform", "acme"), ("Deployment", "acme-co1-hfs"), ("Pod", "acme-co1-hfs-1")}


class TestEvents:
    """Events of the platform and of what belongs to it."""

    def test_what_belongs_is_listed_also_when_it_is_gone(self) -> None:
        found = platform_events(
            [
                event("a", "Pod", "acme-co1-hfs-1", 5),
                event("b", "PryvPlatform", "acme", 3),
                event("c", "Pod", "acme-co1-hfs-deleted", 4),
                event("d", "Pod", "other-co1-hfs-1", 1),
                event("e", "Service", "acme-co1-hfs-1", 1),
            ],
            OBJECTS,
            NOW,
        )
        assert [each.names for each in found.items] == [("b",), ("c",), ("a",)]

    @given(
        st.lists(
            st.tuples(
                st.sampled_from(["x", "y"]),
                st.integers(0, 59),
                st.one_of(st.none(), st.integers(1, 9)),
            ),
            max_size=8,
        )
    )
    def test_equal_events_are_one(self, seen: list[tuple[str, int, int | None]]) -> None:
        found = platform_events(
            [
                event(str(i), "PryvPlatform", "acme", s, note=note)
                | ({} if count is None else {"deprecatedCount": count})
                for i, (note, s, count) in enumerate(seen)
            ],
            OBJECTS,
            NOW,
        )
        assert sum(each.count for each in found.items) == sum(c or 1 for *_, c in seen)
        assert sorted(each.note for each in found.items) == sorted({note for note, *_ in seen})
        assert [each.last for each in found.items] == sorted(each.last for each in found.items)
        assert sorted(name for each in found.items for name in each.names) == sorted(
            str(i) for i in range(len(seen))
        )

    def test_table(self) -> None:
        found = platform_events([event("a", "Pod", "acme-co1-hfs-1", 0)] * 2, OBJECTS, NOW)
        line = click.unstyle(found.table(wide=False)).splitlines()[1]
        assert line.split() == ["60m", "Warning", "Reason", "pod/acme-co1-hfs-1", "note", "(x2)"]


class TestLogs:
    """Which containers are printed, and what their lines begin with."""

    PODS = (
        pod(PLACES[2], "dependencies", "logs", "audit"),
        pod(PLACES[3], "logs", containerStatuses=[{"name": "hfs", "state": {"running": {}}}]),
    )

    @pytest.mark.parametrize(
        ("kind", "targets", "containers"),
        [
            (Kind.OUTPUT, (), ["core", "hfs"]),
            (Kind.OUTPUT, ("co1/hfs",), ["hfs"]),
            (Kind.FILES, (), ["logs", "logs"]),
            (Kind.AUDIT, (), ["audit"]),
            (Kind.ALL, ("co1/core",), ["core", "dependencies", "logs", "audit"]),
        ],
    )
    def test_containers(self, kind: Kind, targets: tuple[str, ...], containers: list[str]) -> None:
        found = sources(self.PODS, targets, kind)
        assert [each.container for each in found] == containers

    def test_only_running_containers_can_be_followed(self) -> None:
        assert [each.running for each in sources(self.PODS, (), Kind.OUTPUT)] == [False, True]

    def test_prefixes_name_a_pod_only_if_there_are_several(self) -> None:
        second = pod(PLACES[3])
        second["metadata"]["name"] = "acme-co1-hfs-1"
        listed = sources((*self.PODS, second), (), Kind.OUTPUT)
        found = [click.unstyle(each) for each in prefixes(listed, Kind.OUTPUT).values()]
        assert found == ["[co1/core] ", "[co1/hfs acme-co1-hfs-0] ", "[co1/hfs acme-co1-hfs-1] "]


class TestSecrets:
    """Where secret values come from, and who uses them."""

    def test_users_are_found_by_placeholders(self) -> None:
        def secret(name: str, text: str) -> Object:
            data = {"key": base64.b64encode(text.encode()).decode()}
            return {"kind": "Secret", "metadata": {"name": name}, "data": data}

        core = workload(PLACES[2])
        core["spec"]["template"]["spec"]["volumes"] = [{"secret": {"secretName": "one"}}]
        hfs = workload(PLACES[3])
        hfs["spec"]["template"]["spec"]["volumes"] = [{"secret": {"secretName": "two"}}]
        found = components_with(
            [
                core,
                hfs,
                secret("one", '{"a": "generated-core-system-key"}'),
                secret("two", "x=generated-core-system-key-1\n"),
            ],
            ["CORE_SYSTEM_KEY", "CORE_SYSTEM_KEY_1", "OTHER"],
        )
        assert found == {
            "CORE_SYSTEM_KEY": ["co1/core"],
            "CORE_SYSTEM_KEY_1": ["co1/hfs"],
            "OTHER": [],
        }

    def test_table(self) -> None:
        entries = (
            SecretEntry(
                "A", "generate", "acme-a", "value", 1, NOW - dt.timedelta(days=3), ("x/y",)
            ),
            SecretEntry("B", "secretKeyRef", "smtp", "pass", problem="not found"),
        )
        lines = SecretList(entries, NOW).table(wide=True).splitlines()
        assert lines[1].split() == ["A", "generate", "acme-a", "value", "1", "3d", "x/y"]
        assert lines[2].split()[-3:] == ["not", "found", "unknown"]


class TestChange:
    """When a change is done, and when it has failed."""

    @pytest.mark.parametrize(
        ("reason", "observed", "reached", "expected"),
        [
            ("Ready", True, True, (True, False)),
            ("Ready", False, True, (False, False)),
            ("RolloutHeld", False, False, (False, False)),
            ("RolloutHeld", True, False, (False, True)),
            ("Progressing", True, False, (False, False)),
        ],
    )
    def test_progress(
        self, reason: str, observed: bool, reached: bool, expected: tuple[bool, bool]
    ) -> None:
        item = resource(
            conditions=[{"type": "Ready", "status": "x", "reason": reason, "message": "m"}]
        )
        found = progress(item, observed=observed, reached=reached)
        assert (found.done, found.failed) == expected

    def test_lines(self) -> None:
        change = Change("pryv", "acme", "restarted", ("co1/hfs",), dry_run=True)
        assert change.table(wide=False) == "pryvplatform.pryv.io/acme restarted (server dry run)\n"
        assert plain(change)["dryRun"] is True


@given(st.integers(0, 10**6), st.integers(0, 59), st.integers(0, 59))
def test_durations_add_up(hours: int, minutes: int, seconds: int) -> None:
    assert seconds_of(f"{hours}h{minutes}m{seconds}s") == hours * 3600 + minutes * 60 + seconds


@pytest.mark.parametrize("text", ["", "x", "1x", "m", "-1s", "1 s", "1m2", "٣s", "1e3s"])
def test_what_is_no_duration(text: str) -> None:
    assert seconds_of(text) is None


@given(st.integers(0, 10**8))
def test_ages_round_down(seconds: int) -> None:
    text = age(NOW - dt.timedelta(seconds=seconds), NOW)
    length = {"s": 1, "m": 60, "h": 3600, "d": 86400}[text[-1]]
    assert int(text[:-1]) == seconds // length
