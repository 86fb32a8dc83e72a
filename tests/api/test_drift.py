"""Drift: managed objects and fields are restored, those of other clients are not touched."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator

import pytest

from tests.api.operator_process import OperatorProcess
from tests.api.platforms import MANAGED, POLL_SECONDS, PlatformUser
from tests.api.test_main_job import COMPONENTS, rolled
from tests.cluster.waiting import wait_until

#: The promise is two seconds; the limit only has to be below the resync period.
BACK_SECONDS = 60
RESYNC_SECONDS = 900


@pytest.fixture(scope="module", autouse=True)
def _watches_only(operator: OperatorProcess) -> Iterator[None]:
    """An operator whose reconciliations in steady state are triggered only by watches."""
    with operator.started_with(f"--full-resync-seconds={RESYNC_SECONDS}"):
        yield


@pytest.fixture
def running(shared_platform: PlatformUser) -> PlatformUser:
    shared_platform.apply_and_wait()
    shared_platform.wait_pods(COMPONENTS)
    return shared_platform


def test_deleted_service_is_recreated_with_its_address(running: PlatformUser) -> None:
    before, pods = running.get("service", "acme-co1-core"), running.pods()
    running.delete("service", "acme-co1-core")
    after = back(running, "service", "acme-co1-core", before["metadata"]["uid"])
    assert after["spec"]["clusterIP"] == before["spec"]["clusterIP"]
    assert after["spec"]["ports"] == before["spec"]["ports"]
    running.wait_steady()
    assert running.pods() == pods


def test_address_in_use_is_replaced_and_rolls_its_consumers(running: PlatformUser) -> None:
    before, pods = running.get("service", "acme-reg-mail"), running.pods()
    address = before["spec"]["clusterIP"]
    taken = {
        "apiVersion": "v1", "kind": "Service", "metadata": {"name": "thief"},
        "spec": {"clusterIP": address, "ports": [{"port": 80}]},
    }  # fmt: skip
    taken["metadata"]["namespace"] = running.namespace
    # Whoever is faster gets the address: the thief is tried until it has it.
    for _ in range(20):
        running.kubectl("delete", "service", "acme-reg-mail", "--ignore-not-found", "--wait=false")
        if "created" in running.kubectl("create", "-f", "-", stdin=json.dumps(taken), check=False):
            break
    else:
        pytest.skip("the operator was faster than the thief, twenty times")
    wait_until(
        lambda: running.find("service", "acme-reg-mail"),
        "the Service",
        seconds=BACK_SECONDS,
        every=POLL_SECONDS,
    )
    assert running.get("service", "acme-reg-mail")["spec"]["clusterIP"] != address
    running.wait_rolled(pods, {"reg/reverse-proxy"})
    running.wait_steady()


@pytest.mark.parametrize("kind", ["deployment", "statefulset", "networkpolicy"])
def test_deleted_object_is_recreated(running: PlatformUser, kind: str) -> None:
    name = {
        "deployment": "acme-reg-register",
        "statefulset": "acme-reg-redis",
        "networkpolicy": "acme-reg-redis",
    }[kind]
    before = running.get(kind, name)
    running.delete(kind, name)
    after = back(running, kind, name, before["metadata"]["uid"])
    assert after["spec"] == before["spec"]
    running.wait_steady()


def test_deleted_configuration_is_recreated_without_a_rollout(running: PlatformUser) -> None:
    pods = running.pods()
    used = json.dumps([item["spec"] for item in running.list("deployments,statefulsets")])
    every = running.list("configmaps,secrets", f"{MANAGED},pryv.io/purpose=config")
    # Not what only the history names.
    configs = {
        item["metadata"]["name"]: item["data"] for item in every if item["metadata"]["name"] in used
    }
    running.kubectl("delete", "configmaps,secrets", "-l", f"{MANAGED},pryv.io/purpose=config")

    def same() -> bool:
        now = running.list("configmaps,secrets", f"{MANAGED},pryv.io/purpose=config")
        return configs.items() <= {item["metadata"]["name"]: item["data"] for item in now}.items()

    wait_until(same, "the configuration", seconds=BACK_SECONDS, every=POLL_SECONDS)
    running.wait_steady()
    assert running.pods() == pods


def test_deleted_object_is_usually_recreated_within_two_seconds(running: PlatformUser) -> None:
    """Measured and printed; slowness alone does not fail the test."""
    times = []
    for _ in range(3):
        uid = running.get("configmap", config_of(running, "acme-reg-redis"))["metadata"]["uid"]
        name = config_of(running, "acme-reg-redis")
        running.delete("configmap", name)
        gone = time.monotonic()
        back(running, "configmap", name, uid)
        times.append(time.monotonic() - gone)
    print(f"put back after {', '.join(f'{each:.2f} s' for each in times)}")


def test_edits_of_managed_fields_are_reverted(running: PlatformUser) -> None:
    pods = running.pods()
    edit = {
        "op": "replace",
        "path": "/spec/template/spec/containers/0/image",
        "value": "docker.io/pryvio/register:hand-made",
    }
    running.json_patch("deployment", "acme-reg-register", edit)
    image = "docker.io/pryvio/register:1.9.2"

    def reverted() -> bool:
        spec = running.get("deployment", "acme-reg-register")["spec"]["template"]["spec"]
        return bool(spec["containers"][0]["image"] == image)

    wait_until(reverted, "the image to be put back", seconds=BACK_SECONDS, every=POLL_SECONDS)
    running.patch("service", "acme-reg", {"spec": {"selector": {"pryv.io/instance": "nobody"}}})
    wait_until(
        lambda: running.get("service", "acme-reg")["spec"]["selector"]["pryv.io/instance"] == "reg",
        "the selector",
        seconds=BACK_SECONDS,
    )
    running.kubectl("scale", "statefulset", "acme-reg-redis", "--replicas=0")
    wait_until(
        lambda: running.get("statefulset", "acme-reg-redis")["spec"]["replicas"] == 1,
        "the replicas",
        seconds=BACK_SECONDS,
        every=POLL_SECONDS,
    )
    running.wait_steady()
    assert rolled(pods, running.pods()) <= {"reg/register", "reg/redis"}


def test_additions_to_selectors_and_policies_are_reverted(running: PlatformUser) -> None:
    """An added label of a selector, or rule of a policy, would change what it allows."""
    running.patch(
        "networkpolicy", "acme-co1-mongodb", {"spec": {"podSelector": {"matchLabels": {"x": "y"}}}}
    )
    running.patch("service", "acme-co1-core", {"spec": {"selector": {"x": "y"}}})
    running.json_patch(
        "networkpolicy", "acme-reg-redis", {"op": "add", "path": "/spec/ingress/-", "value": {}}
    )

    def reverted() -> bool:
        pod_selector = running.get("networkpolicy", "acme-co1-mongodb")["spec"]["podSelector"][
            "matchLabels"
        ]
        selector = running.get("service", "acme-co1-core")["spec"]["selector"]
        rules = running.get("networkpolicy", "acme-reg-redis")["spec"]["ingress"]
        return "x" not in pod_selector and "x" not in selector and {} not in rules

    wait_until(
        reverted,
        "the selectors and the policy to be put back",
        seconds=BACK_SECONDS,
        every=POLL_SECONDS,
    )


TAKEN: dict[str, str | None] = {"app.kubernetes.io/managed-by": None, "pryv.io/platform": None}
OF_ANOTHER: dict[str, str | None] = {"pryv.io/platform": "zzz"}
BY_ANOTHER: dict[str, str | None] = {"app.kubernetes.io/managed-by": "Helm"}


@pytest.mark.parametrize(
    "edit", [TAKEN, OF_ANOTHER, pytest.param(BY_ANOTHER, marks=pytest.mark.long)]
)
def test_managed_labels_are_restored(running: PlatformUser, edit: dict[str, str | None]) -> None:
    pods = running.pods()
    edited = [
        ("deployment", "acme-co1-mfa"),
        ("statefulset", "acme-reg-redis"),
        ("service", "acme-co1-core"),
        ("networkpolicy", "acme-reg-redis"),
        ("configmap", config_of(running, "acme-reg-redis")),
        ("secret", config_of(running, "acme-co1-core", "secret")),
    ]
    for kind, name in edited:
        before = labels_of(running, kind, name)
        running.label(kind, name, **edit)
        wait_until(
            lambda: labels_of(running, kind, name) == before,  # noqa: B023
            f"the labels of {kind} {name}",
            seconds=BACK_SECONDS,
        )
    running.wait_steady()
    assert running.pods() == pods


def test_labels_of_retained_objects_are_restored(running: PlatformUser) -> None:
    """PVCs and generated Secrets are found without their labels; nothing is recreated."""
    pods = running.pods()
    names = [
        "acme-generated-core-system-key",
        "acme-hash-key",
        "acme-private-ca-1",
        "acme-private-tls-1",
    ]
    before = {("secret", name): running.get("secret", name) for name in names}
    before["pvc", "acme-reg-redis-data"] = running.get("pvc", "acme-reg-redis-data")
    for kind, name in before:
        labels = labels_of(running, kind, name)
        running.label(kind, name, **TAKEN)
        wait_until(
            lambda: labels_of(running, kind, name) == labels,  # noqa: B023
            f"the labels of {kind} {name}",
            seconds=BACK_SECONDS,
        )
    running.wait_steady()
    assert running.pods() == pods
    for (kind, name), item in before.items():
        assert running.get(kind, name).get("data") == item.get("data")
        assert running.get(kind, name)["metadata"]["uid"] == item["metadata"]["uid"]


def test_cleared_status_is_restored(running: PlatformUser) -> None:
    """With it the records of created Secrets are lost: they have to be adopted."""
    addresses = running.get("pryvplatform", "acme")["status"]["services"]
    pods = running.pods()
    running.annotate("pryvplatform", "acme", **{"pryv.io/adopt": None})
    running.patch("pryvplatform", "acme", {"status": None}, subresource="status")
    running.wait_reason("AdoptionRequired")
    assert running.pods() == pods
    running.adopt()
    wait_until(
        lambda: running.get("pryvplatform", "acme").get("status", {}).get("services") == addresses,
        "the status",
        seconds=BACK_SECONDS,
    )
    running.wait_ready()
    assert running.pods() == pods


@pytest.mark.long
def test_retain_applies_to_all_retained_objects(running: PlatformUser) -> None:
    """Including PVCs of a removed core, and while the platform has another problem."""
    two = {"core": {"instances": [{"name": "co1"}, {"name": "co2"}]}}
    running.apply_platform(deletionPolicy="Delete", roles=two)
    running.wait_ready()
    wait_until(
        lambda: all("ownerReferences" in item["metadata"] for item in running.list("pvc")),
        "PVCs to belong to the platform",
        seconds=BACK_SECONDS,
    )
    running.apply_platform(deletionPolicy="Retain", variables={"PLATFORM_NAME": "REPLACE_ME"})
    running.wait_reason("MissingVariables")
    kept = [*running.list("pvc"), *running.list("secrets", f"{MANAGED},pryv.io/purpose!=config")]
    assert any("co2" in item["metadata"]["name"] for item in kept)
    assert not [item["metadata"]["name"] for item in kept if "ownerReferences" in item["metadata"]]


@pytest.mark.long
def test_components_that_share_a_pvc_can_move_to_another_node(running: PlatformUser) -> None:
    def node_of(component: str) -> str:
        return next(
            str(item["spec"]["nodeName"])
            for item in running.list("pods", f"{MANAGED},pryv.io/component={component}")
        )

    sharers = ("core", "hfs", "preview", "webhooks")
    (other,) = {"node-1", "node-2"} - {node_of("core")}
    there = {"nodeSelector": {"kubernetes.io/hostname": other}}
    running.apply_platform(roles={"core": {"components": dict.fromkeys(sharers, there)}})
    running.wait_ready()
    assert {node_of(component) for component in sharers} == {other}


def test_fields_of_other_managers_are_preserved(running: PlatformUser) -> None:
    running.annotate("deployment", "acme-reg-register", **{"example.com/by": "other-client"})
    running.label("service", "acme-reg", **{"example.com/team": "health"})
    running.patch("deployment", "acme-reg-mail", {"spec": {"minReadySeconds": 1}})
    running.wait_steady()
    before = running.digests()
    running.reconcile()
    running.reconcile()
    assert running.digests() == before
    assert (
        running.get("deployment", "acme-reg-register")["metadata"]["annotations"]["example.com/by"]
        == "other-client"
    )
    assert running.get("service", "acme-reg")["metadata"]["labels"]["example.com/team"] == "health"
    assert running.get("deployment", "acme-reg-mail")["spec"]["minReadySeconds"] == 1


def test_a_fight_about_a_field_ends_and_is_reported(running: PlatformUser) -> None:
    """Another client sets a field whenever the operator has restored it."""

    def change() -> None:
        running.kubectl(
            "patch", "deployment", "acme-reg-mail", "--field-manager=other-tool",
            "--patch", '{"spec": {"revisionHistoryLimit": 7}}',
        )  # fmt: skip

    def fought() -> bool:
        if running.get("deployment", "acme-reg-mail")["spec"]["revisionHistoryLimit"] != 7:
            change()
        status = running.get("pryvplatform", "acme")["status"]
        return any(each["reason"] == "FieldConflict" for each in status.get("warnings", []))

    wait_until(fought, "the conflict to be reported", seconds=60, every=0.3)
    message = running.wait_warning("FieldConflict")
    for word in ('"other-tool"', '"acme-reg-mail"', "spec.revisionHistoryLimit"):
        assert word in message
    change()
    running.wait_ready()
    before = running.get("deployment", "acme-reg-mail")
    running.reconcile()
    assert running.get("deployment", "acme-reg-mail") == before
    assert before["spec"]["revisionHistoryLimit"] == 7


@pytest.mark.long
def test_a_controller_of_another_client_is_preserved(running: PlatformUser) -> None:
    """A PVC that a backup tool controls too; an object has one controller at most."""
    running.apply({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "backup"}})
    theirs = {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "name": "backup",
        "uid": running.get("configmap", "backup")["metadata"]["uid"],
        "controller": True,
    }
    running.patch("pvc", "acme-co1-core-data", {"metadata": {"ownerReferences": [theirs]}})
    running.apply_platform(deletionPolicy="Delete")
    running.wait_steady()

    def owners() -> list[tuple[str, bool]]:
        found = running.get("pvc", "acme-co1-core-data")["metadata"]["ownerReferences"]
        return sorted((each["kind"], each.get("controller", False)) for each in found)

    expected = [("ConfigMap", True), ("PryvPlatform", False)]
    wait_until(lambda: owners() == expected, "both owners", seconds=BACK_SECONDS)
    bigger = {"core": {"components": {"core": {"storage": {"size": "11Gi"}}}}}
    running.apply_platform(deletionPolicy="Delete", roles=bigger)
    running.wait_ready()
    assert owners() == expected
    running.apply_platform(deletionPolicy="Retain")
    running.wait_ready()
    assert owners() == [("ConfigMap", True)]


@pytest.mark.long
def test_foreign_object_is_not_adopted(user: PlatformUser) -> None:
    user.apply({
        "apiVersion": "v1", "kind": "Service", "metadata": {"name": "acme-reg-redis"},
        "spec": {"selector": {"app": "theirs"}, "ports": [{"port": 6379}]},
    })  # fmt: skip
    user.apply_platform()
    condition = user.wait_reason("NameInUse")
    assert 'Service "acme-reg-redis"' in condition["message"]
    assert user.get("service", "acme-reg-redis")["spec"]["selector"] == {"app": "theirs"}
    assert not user.list("deployments,statefulsets")
    user.delete("service", "acme-reg-redis")
    user.wait_ready()


def back(user: PlatformUser, kind: str, name: str, old: str) -> dict[str, object]:
    """Wait until the object has been recreated: same name, another uid."""

    def found() -> dict[str, object] | None:
        item = user.find(kind, name)
        return item if item and item["metadata"]["uid"] != old else None

    return wait_until(found, f"{kind} {name}", seconds=BACK_SECONDS, every=POLL_SECONDS)


def labels_of(user: PlatformUser, kind: str, name: str) -> dict[str, str]:
    found: dict[str, str] = user.get(kind, name)["metadata"].get("labels", {})
    return found


def config_of(user: PlatformUser, workload: str, kind: str = "configMap") -> str:
    """The name of a StatefulSet's ConfigMap or Secret."""
    volumes = user.get("statefulset", workload)["spec"]["template"]["spec"]["volumes"]
    return next(
        str(source[kind]["name"])
        for volume in volumes
        for source in volume.get("projected", {}).get("sources", [])
        if kind in source
    )
