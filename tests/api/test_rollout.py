"""Rollouts: order, stop on failure, rollback, history, stop, pause and restart."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.api.platforms import MANAGED, PlatformUser
from tests.cluster.waiting import wait_until

TWO_CORES = [{"name": "co1"}, {"name": "co2"}]
BAD, CRASHING = "docker.io/pryvio/hfs:does-not-exist", "docker.io/pryvio/hfs:crash"
SOON = {"progressDeadlineSeconds": 5}
CRASHES = {"simulated.pryv.io/behaviour": "crash"}
WORKLOADS = "deployments,statefulsets"


def roles(**core: Any) -> dict[str, Any]:
    return {"core": {"instances": TWO_CORES, **core}}


def with_image(component: str, image: str) -> dict[str, Any]:
    return roles(components={component: {"image": image}})


def history(user: PlatformUser) -> dict[int, dict[str, Any]]:
    found = user.list("controllerrevisions", f"{MANAGED},pryv.io/purpose=history")
    return {item["revision"]: item for item in found}


def rolled(before: dict[str, str], after: dict[str, str]) -> set[str]:
    return {name for name in before | after if before.get(name) != after.get(name)}


def steps(user: PlatformUser, revision: int) -> list[set[str]]:
    """The workloads of each step of a revision, in the order of the operator's events."""
    prefix = f"revision {revision}: applied "
    notes = sorted(
        (each["eventTime"], each["message"])
        for each in user.events()
        if each["message"].startswith(prefix)
    )
    return [set(note.removeprefix(prefix).split(", ")) for _, note in notes]


@pytest.fixture
def ready(shared: PlatformUser) -> PlatformUser:
    """A platform with two cores whose rollout is complete."""
    shared.apply_and_wait(roles=roles())
    wait_until(
        lambda: _complete(history(shared)[newest(shared)]),
        "the newest revision to be complete",
        seconds=60,
    )
    return shared


def newest(user: PlatformUser) -> int:
    return max(history(user), default=0)


def _complete(revision: dict[str, Any]) -> bool:
    return revision["metadata"]["annotations"].get("pryv.io/complete") == "true"


def test_instances_are_rolled_one_after_the_other(ready: PlatformUser) -> None:
    before = newest(ready)
    ready.apply_and_wait(roles=roles(), variables={"MAX_UPLOAD_SIZE_MB": 77})
    done = steps(ready, before + 1)
    assert [each for each in done if any("reverse-proxy" in name for name in each)] == [
        {f"acme-{name}-reverse-proxy"} for name in ("reg", "co1", "co2", "sw")
    ]
    assert [name for each in done for name in sorted(each) if name.endswith("-core")] == [
        "acme-co1-core",
        "acme-co2-core",
    ]
    assert ready.get("pryvplatform", "acme")["status"]["revision"] == newest(ready) == before + 1


def test_failing_change_stops_the_rollout(ready: PlatformUser) -> None:
    before = ready.pods()
    ready.apply_platform(roles=with_image("hfs", BAD))
    ready.wait_reason("ImagePullBackOff")
    ready.apply_platform(roles=with_image("hfs", BAD), rollout=SOON)
    held = ready.wait_reason("RolloutHeld")
    assert "co1/hfs" in held["message"]
    assert "cannot be pulled" in held["message"]
    # hfs mounts a PVC, so its old pod would have to stop: the image is pulled before.
    assert "not changed: co1/hfs, co2/hfs" in held["message"]
    assert ready.condition("Stalled")["status"] == "True"
    assert not rolled(before, ready.pods())
    ready.apply_platform(roles=with_image("hfs", "docker.io/pryvio/hfs:1.9.3"))
    ready.wait_ready()
    assert rolled(before, ready.pods()) == {"co1/hfs", "co2/hfs"}


@pytest.mark.long
def test_stopped_rollout_is_retried_on_request(ready: PlatformUser) -> None:
    ready.apply_platform(roles=with_image("hfs", BAD), rollout=SOON)
    ready.wait_reason("RolloutHeld")
    ready.apply_platform(roles=with_image("hfs", BAD))
    assert ready.condition()["reason"] == "RolloutHeld", (
        "a longer deadline alone is no reason to try again"
    )
    ready.annotate("pryvplatform", "acme", **{"pryv.io/reconcile": "again"})
    ready.wait_reason("ImagePullBackOff")
    ready.apply_platform(roles=with_image("hfs", BAD), rollout=SOON)
    ready.wait_reason("RolloutHeld")


def test_failed_change_is_rolled_back(ready: PlatformUser) -> None:
    before, good = ready.pods(), newest(ready)
    templates = {
        each["metadata"]["name"]: each["spec"]["template"] for each in ready.list(WORKLOADS)
    }
    ready.apply_platform(
        roles=with_image("hfs", CRASHING), rollout={**SOON, "onFailure": "Rollback"}
    )
    back = ready.wait_reason("RolledBack")
    assert f"revision {good + 1}: failed (" in back["message"]
    assert f"revision {good} runs again" in back["message"]
    assert rolled(before, ready.pods()) == {"co1/hfs"}
    assert {
        each["metadata"]["name"]: each["spec"]["template"] for each in ready.list(WORKLOADS)
    } == templates
    ready.reconcile(by_annotation=False)
    assert ready.condition()["reason"] == "RolledBack", (
        "only a change of what is wanted tries again"
    )
    ready.apply_platform(roles=roles(), rollout={**SOON, "onFailure": "Rollback"})
    ready.wait_ready()


@pytest.mark.long
def test_bad_value_of_a_referenced_secret_is_rolled_back_without_rendering(
    user: PlatformUser,
) -> None:
    """The Secret no longer has the good value; the recorded templates refer to it."""
    secrets = {"REGISTER_ADMIN_KEY": {"secretKeyRef": {"name": "admin", "key": "key"}}}
    user.secret("admin", key="first-value-1234")
    user.apply_platform(secrets=secrets)
    user.wait_ready()
    wait_until(
        lambda: all(map(_complete, history(user).values())),
        "the first revision to be complete",
        seconds=60,
    )
    templates = {
        each["metadata"]["name"]: each["spec"]["template"] for each in user.list(WORKLOADS)
    }
    # The Secret and the platform are one change.
    user.apply_platform(secrets=secrets, rollout={**SOON, "paused": True})
    assert user.condition("Paused")["status"] == "True"
    user.secret("admin", key="second-value-5678")
    crashing = {"reg-master": {"components": {"register": {"annotations": CRASHES}}}}
    user.apply_platform(
        secrets=secrets, roles=crashing, rollout={**SOON, "onFailure": "Rollback", "paused": False}
    )
    user.wait_reason("RolledBack")
    assert {
        each["metadata"]["name"]: each["spec"]["template"] for each in user.list(WORKLOADS)
    } == templates
    kept = json.dumps(list(history(user).values()))
    assert not any(value in kept for value in ("first-value-1234", "second-value-5678"))


@pytest.mark.long
def test_stuck_pod_of_a_stateful_set_is_rolled_back(ready: PlatformUser) -> None:
    """The pod of a StatefulSet is replaced even if it never becomes Ready."""
    before = ready.pods()
    templates = {
        each["metadata"]["name"]: each["spec"]["template"] for each in ready.list(WORKLOADS)
    }
    crashing = {"reg-master": {"components": {"redis": {"annotations": CRASHES}}}}
    ready.apply_platform(roles={**roles(), **crashing}, rollout={**SOON, "onFailure": "Rollback"})
    back = ready.wait_reason("RolledBack")
    assert "reg/redis" in back["message"]
    assert {
        each["metadata"]["name"]: each["spec"]["template"] for each in ready.list(WORKLOADS)
    } == templates
    ready.wait_running()
    assert rolled(before, ready.pods()) == {"reg/redis"}


@pytest.mark.long
def test_older_image_of_a_store_is_not_restored(ready: PlatformUser) -> None:
    ready.apply_platform(
        roles=with_image("mongodb", "docker.io/pryvio/mongodb:crash"),
        rollout={**SOON, "onFailure": "Rollback"},
    )
    held = ready.wait_reason("RolloutHeld")
    assert "migrated its data" in held["message"]
    assert [
        each["spec"]["template"]["spec"]["containers"][0]["image"]
        for each in ready.list("statefulsets")
        if "mongodb" in each["metadata"]["name"]
    ].count("docker.io/pryvio/mongodb:crash") == 1


def test_paused_platform_reports_pending_changes_and_applies_nothing(ready: PlatformUser) -> None:
    ready.wait_steady()
    before = ready.resource_versions()
    ready.apply_platform(
        roles=roles(), variables={"PLATFORM_NAME": "Another"}, rollout={"paused": True}
    )
    paused = ready.wait_reason("Paused")
    assert "Deployment acme-reg-register" in paused["message"]
    assert "Deployment acme-reg-dns" in paused["message"]
    assert ready.condition("Paused")["status"] == "True"
    ready.kubectl("delete", "networkpolicy", "acme-co1-mongodb", "--wait=true")
    wait_until(
        lambda: "NetworkPolicy acme-co1-mongodb" in ready.condition()["message"],
        "the drift to be reported",
        seconds=60,
    )
    after = ready.resource_versions()
    moved = {name for name in before | after if before.get(name) != after.get(name)}
    assert moved == {"PryvPlatform/acme", "NetworkPolicy/acme-co1-mongodb"}
    ready.apply_platform(
        roles=roles(), variables={"PLATFORM_NAME": "Another"}, rollout={"paused": False}
    )
    ready.wait_ready()
    assert ready.condition("Paused")["status"] == "False"


def test_stopped_platform_has_no_pods_and_keeps_its_data(ready: PlatformUser) -> None:
    claims = {
        each["metadata"]["name"]: each["metadata"]["uid"]
        for each in ready.list("persistentvolumeclaims")
    }
    revision = newest(ready)
    ready.apply_platform(roles=roles(), stopped=True)
    ready.wait_reason("Stopped")
    assert ready.pods() == {}
    ready.apply_platform(roles=roles(), stopped=False)
    ready.wait_ready()
    assert {
        each["metadata"]["name"]: each["metadata"]["uid"]
        for each in ready.list("persistentvolumeclaims")
    } == claims
    assert newest(ready) == revision, "how often it runs is no change of what is wanted"


@pytest.mark.parametrize(
    ("target", "meant"),
    [
        ("co2/hfs", {"co2/hfs"}),
        pytest.param("static", {"sw/app-web-auth3", "sw/reverse-proxy"}, marks=pytest.mark.long),
        pytest.param("mongodb", {"co1/mongodb", "co2/mongodb"}, marks=pytest.mark.long),
        pytest.param(
            "reg",
            {"reg/dns", "reg/mail", "reg/redis", "reg/register", "reg/reverse-proxy"},
            marks=pytest.mark.long,
        ),
    ],
)
def test_restart_without_a_change(ready: PlatformUser, target: str, meant: set[str]) -> None:
    before = ready.pods()
    ready.annotate("pryvplatform", "acme", **{"pryv.io/restart": f"{target}@1"})
    ready.wait_rolled(before, meant)
    ready.wait_steady()
    assert rolled(before, ready.pods()) == meant


@pytest.mark.long
def test_second_restart_does_not_repeat_the_first_one(ready: PlatformUser) -> None:
    before = ready.pods()
    for target in ("co1/hfs@1", "sw/reverse-proxy@2"):
        ready.annotate("pryvplatform", "acme", **{"pryv.io/restart": target})
        name = target.partition("@")[0]
        ready.wait_rolled(before, {name})
        ready.wait_steady()
        between = ready.pods()
        assert rolled(before, between) == {name}
        before = between


@pytest.mark.long
def test_restart_of_an_unknown_component_is_reported(ready: PlatformUser) -> None:
    ready.annotate("pryvplatform", "acme", **{"pryv.io/restart": "nonsense@1"})
    assert "nonsense" in ready.wait_warning("UnknownRestartTarget")


def test_rotation_rolls_all_consumers_in_one_step(ready: PlatformUser) -> None:
    before = ready.pods()
    old = {
        each["metadata"]["name"]
        for each in ready.list("secrets", f"{MANAGED},pryv.io/purpose=generated")
    }
    ready.apply_platform(roles=roles(), secrets={"CORE_SYSTEM_KEY": {"generate": {"rotation": 1}}})
    ready.wait_ready()
    consumers = rolled(before, ready.pods())
    assert {"reg/register", "co1/core", "co2/core"} <= consumers
    assert steps(ready, newest(ready)) == [{f"acme-{name.replace('/', '-')}" for name in consumers}]
    assert _complete(history(ready)[newest(ready)])
    wait_until(
        lambda: (
            "acme-generated-core-system-key"
            not in {each["metadata"]["name"] for each in ready.list("secrets")}
        ),
        "the old value to be removed",
        seconds=60,
    )
    now = {
        each["metadata"]["name"]
        for each in ready.list("secrets", f"{MANAGED},pryv.io/purpose=generated")
    }
    assert now - old == {"acme-generated-core-system-key.1"}


@pytest.mark.long
def test_deleted_generated_secret_is_recreated_with_a_warning(ready: PlatformUser) -> None:
    before = ready.pods()
    ready.kubectl("delete", "secret", "acme-generated-core-system-key")
    ready.wait_rolled(before, {"reg/register", "co1/core", "co2/core"})
    message = ready.wait_warning("SecretRecreated")
    assert "acme-generated-core-system-key" in message
    ready.wait_steady()


@pytest.mark.long
def test_history_is_limited(ready: PlatformUser) -> None:
    first = newest(ready)
    for number in (1, 2, 3):
        ready.apply_platform(
            roles=roles(),
            rollout={"historyLimit": 1},
            variables={"PLATFORM_NAME": f"Name {number}"},
        )
        ready.wait_ready()
    wait_until(
        lambda: sorted(history(ready)) == [first + 2, first + 3],
        "the history to be cut",
        seconds=60,
    )
    named = {
        name
        for each in history(ready).values()
        for name in json.loads(each["metadata"]["annotations"]["pryv.io/references"])
    }
    there = {
        f"{each['kind']}/{each['metadata']['name']}" for each in ready.list("configmaps,secrets")
    }
    assert named <= there
    ready.wait_config_cleanup()


def test_edit_during_a_rollout_continues_with_the_newer_revision(ready: PlatformUser) -> None:
    ready.apply_platform(roles=with_image("hfs", BAD))
    ready.wait_reason("ImagePullBackOff")
    before = ready.pods()
    ready.apply_platform(roles=with_image("hfs", "docker.io/pryvio/hfs:1.9.3"))
    ready.wait_ready()
    assert rolled(before, ready.pods()) == {"co1/hfs", "co2/hfs"}


@pytest.mark.long
def test_autoscaler_can_scale_stateless_components(ready: PlatformUser) -> None:
    ready.kubectl("scale", "deployment", "acme-reg-register", "--replicas=2")
    ready.wait_steady()
    assert ready.get("deployment", "acme-reg-register")["spec"]["replicas"] == 2
    ready.kubectl("scale", "deployment", "acme-co1-mfa", "--replicas=2")
    wait_until(
        lambda: ready.get("deployment", "acme-co1-mfa")["spec"]["replicas"] == 1,
        "what runs once to be put back",
        seconds=60,
    )


@pytest.mark.long
def test_policies_of_a_removed_core_go_after_its_pods(ready: PlatformUser) -> None:
    """Its stores have no password; one of them takes long to terminate."""
    pod = next(
        item["metadata"]["name"]
        for item in ready.list("pods")
        if item["metadata"]["name"].startswith("acme-co2-mongodb")
    )
    ready.patch("pod", pod, {"metadata": {"finalizers": ["example.com/slow"]}})
    ready.apply_platform(roles={"core": {"instances": TWO_CORES[:1]}})

    def policies() -> set[str]:
        names = (item["metadata"]["name"] for item in ready.list("networkpolicies"))
        return {name for name in names if name.startswith("acme-co2")}

    wait_until(lambda: policies() == {"acme-co2-mongodb"}, "the others to go", seconds=60)
    ready.wait_ready()
    ready.reconcile()
    assert policies() == {"acme-co2-mongodb"}
    ready.patch("pod", pod, {"metadata": {"finalizers": None}})
    wait_until(lambda: not policies(), "the last one to go", seconds=60)
    ready.apply_and_wait(roles=roles())
