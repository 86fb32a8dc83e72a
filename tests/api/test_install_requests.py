"""The requests of an install: each object is written once, and few are read."""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator, Iterator

import pytest

from tests.api.operator_process import OperatorProcess
from tests.api.platforms import Object, PlatformUser
from tests.api.recorded_requests import Recorded, RecordedReconciler, recorded_reconciler
from tests.cluster.control_plane import ControlPlane
from tests.cluster.waiting import wait_until

pytestmark = pytest.mark.cluster

WORKLOADS = ("deployments", "statefulsets")
#: The platform; eight kinds with its labels, of ConfigMaps and Secrets the metadata first; the
#: history; cert-manager's Certificates; names of Secrets that are in use already; and twice, before
#: something is created, whether the platform still exists.
READS = 1 + 8 + 2 + 1 + 1 + 1 + 2


@pytest.fixture(scope="module")
def no_operator(operator: OperatorProcess) -> Iterator[None]:
    """No operator reconciles meanwhile."""
    operator.stop()
    yield
    operator.start()


@pytest.fixture
def user(control_plane: ControlPlane, namespace: str, no_operator: None) -> Iterator[PlatformUser]:
    new_user = PlatformUser(control_plane, namespace)
    yield new_user
    new_user.delete_all()


@pytest.fixture
async def reconciler(
    control_plane: ControlPlane, user: PlatformUser
) -> AsyncIterator[RecordedReconciler]:
    async with recorded_reconciler(control_plane, user.namespace) as found:
        yield found


def writes(requests: list[Recorded]) -> list[Recorded]:
    return [each for each in requests if each.writes and not each.dry_run]


def dry_runs(requests: list[Recorded]) -> list[str]:
    return [each.name for each in requests if each.dry_run]


def created(user: PlatformUser, kind: str) -> set[str]:
    return {item["metadata"]["name"] for item in user.list(kind)}


def reasons(user: PlatformUser) -> set[str]:
    status: Object = user.get("pryvplatform", "acme")["status"]
    return {each["reason"] for each in status["conditions"]}


def all_available(user: PlatformUser) -> bool:
    workloads = user.list("deployments,statefulsets")
    return all(
        item["status"].get("availableReplicas", 0) >= item["spec"]["replicas"] for item in workloads
    )


async def test_an_install_writes_each_object_once(
    user: PlatformUser, reconciler: RecordedReconciler
) -> None:
    user.apply_platform(roles={"core": {"instances": [{"name": "co1"}, {"name": "co2"}]}})
    requests = await reconciler.reconcile()
    done = Counter((each.method, each.plural, each.name) for each in writes(requests))
    posted = {
        key: times for key, times in done.items() if key[1] not in ("events", "pryvplatforms")
    }
    assert set(posted.values()) == {1}
    assert {method for method, _, _ in posted} == {"POST"}
    assert dry_runs(requests) == [], "what is created is judged by itself"
    assert len([each for each in requests if not each.writes]) <= READS
    # What is created once is recorded in the status before. One event is about all values, another
    # one about certificates; a few are about the rollout.
    assert sum(times for key, times in done.items() if key[1] == "pryvplatforms") == 2
    assert sum(times for key, times in done.items() if key[1] == "events") <= 6
    order = [each.plural for each in writes(requests)]
    first, last = min(map(order.index, WORKLOADS)), max(map(order[::-1].index, ("configmaps",)))
    assert first > len(order) - 1 - last, "workloads come after all that they need"


async def test_an_install_is_two_reconciliations(
    user: PlatformUser, reconciler: RecordedReconciler
) -> None:
    """One creates everything, with a certificate; one finds that all is ready."""
    user.apply_platform()
    await reconciler.reconcile()
    user.wait_running()
    wait_until(lambda: all_available(user), "all workloads to be available", seconds=60)
    await reconciler.reconcile()
    assert "Ready" in reasons(user)
    assert reconciler.requeue_after is not None
    assert reconciler.requeue_after > 60, "nothing is left to do"
    assert writes(await reconciler.reconcile()) == []


async def test_what_follows_an_install_writes_no_object_again(
    user: PlatformUser, reconciler: RecordedReconciler
) -> None:
    """But owners of policies, once: their workload and its pods together."""
    user.apply_platform()
    await reconciler.reconcile()
    user.wait_running()
    written = Counter[tuple[str, str]]()
    for _ in range(3):
        requests = await reconciler.reconcile()
        written += Counter((each.plural, each.name) for each in writes(requests))
    policies = {key: times for key, times in written.items() if key[0] == "networkpolicies"}
    assert set(policies.values()) == {1}
    assert not {plural for plural, _ in written} & {"services", "configmaps", "secrets", *WORKLOADS}


async def test_a_revision_is_recorded_with_the_addresses_of_its_services(
    user: PlatformUser, reconciler: RecordedReconciler
) -> None:
    """They are known before it is created, and need no further write."""
    user.apply_platform(stopped=True)
    recorded = [
        each.method
        for _ in range(2)
        for each in writes(await reconciler.reconcile())
        if each.plural == "controllerrevisions"
    ]
    assert recorded == ["POST"]


async def test_a_users_own_words_are_validated_before_anything_is_created(
    user: PlatformUser, reconciler: RecordedReconciler
) -> None:
    wrong = {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": {}}}
    user.apply_platform(roles={"static": {"components": {"reverse_proxy": {"affinity": wrong}}}})
    requests = await reconciler.reconcile()
    assert dry_runs(requests) == ["acme-sw-reverse-proxy"]
    assert "Rejected" in reasons(user)
    assert not created(user, "deployments")
    assert not created(user, "networkpolicies")
    user.apply_platform(roles={"static": {"components": {"reverse_proxy": {"replicas": 2}}}})
    await reconciler.reconcile()
    user.wait_running()


async def test_a_rejected_creation_is_reported_and_the_rest_continues_once_it_is_allowed(
    user: PlatformUser, reconciler: RecordedReconciler
) -> None:
    """A quota admits each dry run. What was created stays, and none of it is changed."""
    quota: Object = {"apiVersion": "v1", "kind": "ResourceQuota", "metadata": {"name": "few"}}
    user.apply({**quota, "spec": {"hard": {"count/deployments.apps": "3"}}})
    user.apply_platform()
    await reconciler.reconcile()
    assert "Forbidden" in reasons(user)
    before = {item["metadata"]["uid"] for item in user.list("deployments")}
    assert 0 < len(before) <= 3
    requests = await reconciler.reconcile()
    assert "Forbidden" in reasons(user)
    assert not [each for each in writes(requests) if each.plural in WORKLOADS]
    user.delete("resourcequotas", "few")
    await reconciler.reconcile()
    after = {item["metadata"]["uid"]: item["metadata"] for item in user.list("deployments")}
    assert before < after.keys()
    assert {after[uid]["generation"] for uid in before} == {1}
    user.wait_running()


@pytest.mark.parametrize("runs", [False, True], ids=["first-install", "running"])
async def test_a_name_that_is_in_use_is_found_by_the_creation(
    user: PlatformUser, reconciler: RecordedReconciler, *, runs: bool
) -> None:
    """Once something runs, before anything is changed."""
    two = {"core": {"instances": [{"name": "co1"}, {"name": "co2"}]}}
    name = "acme-co2-core"
    if runs:
        user.apply_platform()
        await reconciler.reconcile()
        user.wait_running()
    user.apply(
        {
            "apiVersion": "networking.k8s.io/v1",
            "kind": "NetworkPolicy",
            "metadata": {"name": name},
            "spec": {"podSelector": {"matchLabels": {"a": "b"}}},
        }
    )
    before = created(user, "statefulsets")
    user.apply_platform(roles=two)
    await reconciler.reconcile()
    assert "NameInUse" in reasons(user)
    assert created(user, "statefulsets") == before
    assert user.get("networkpolicy", name)["spec"]["podSelector"] == {"matchLabels": {"a": "b"}}
    user.delete("networkpolicy", name)
    await reconciler.reconcile()
    assert name in created(user, "networkpolicies")


@pytest.mark.parametrize("kind", ["configmaps", "services", "networkpolicies", "deployments"])
async def test_an_object_without_labels_is_found_by_its_creation(
    user: PlatformUser, reconciler: RecordedReconciler, kind: str
) -> None:
    user.apply_platform()
    await reconciler.reconcile()
    user.wait_running()
    await reconciler.reconcile()
    item = next(iter(user.list(kind)))
    name, uid = item["metadata"]["name"], item["metadata"]["uid"]
    user.patch(kind, name, {"metadata": {"labels": None}})
    await reconciler.reconcile()
    after = user.get(kind, name)["metadata"]
    assert after["labels"] == item["metadata"]["labels"]
    assert after["uid"] == uid
    assert "NameInUse" not in reasons(user)
