"""A restart reconciles what has moved meanwhile, and nothing else: counted on the real API server.

The operator has the rights that the chart grants: what it keeps is in its own namespace.
"""

from __future__ import annotations

import base64
import json
import re
import secrets
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import unquote

import pytest

from pryv_operator.kube.shards import Shards
from pryv_operator.kube.work_queue import Key
from pryv_operator.reconcile.rest_store import Place, part_of
from tests.api.fixtures import OPERATOR_NAMESPACE, install_chart
from tests.api.holding_proxy import HoldingProxy, Request
from tests.api.operator_process import OperatorProcess
from tests.api.platforms import PlatformUser
from tests.cluster.control_plane import ControlPlane
from tests.cluster.fixtures import new_namespace
from tests.cluster.simulated_nodes import SimulatedNodes
from tests.cluster.waiting import wait_until

pytestmark = pytest.mark.cluster

NAMES = ("acme", "beta", "gamma")
OPTIONS = (
    "--leader-election",
    f"--lease-namespace={OPERATOR_NAMESPACE}",
    "--lease-retry-seconds=0.2",
    "--batch-seconds=0.2",
    "--resync-seconds=1",
    "--full-resync-seconds=86400",
)
#: As if minutes had passed.
OFTEN = "from pryv_operator.cli import rest_work; rest_work.SAVE_SECONDS = 1.0"
#: A reconciliation is due, or under way.
BUSY: Final = re.compile(
    r"^workqueue_(?:depth|unfinished_work_seconds)\{[^}]*\} (?!0\.0$)", re.MULTILINE
)
CONFIG_MAPS = f"/api/v1/namespaces/{OPERATOR_NAMESPACE}/configmaps"
KEPT = "pryv.io/purpose=at-rest"
REFERRING = {"secrets": {"REGISTER_ADMIN_KEY": {"secretKeyRef": {"name": "smtp", "key": "key"}}}}
#: Of the metrics, what is said of platforms.
OF_PLATFORMS = re.compile(r"^pryv_platform_.*$", re.MULTILINE)


@dataclass
class Restarted:
    """An operator of three platforms, and what it asks the API server."""

    process: OperatorProcess
    proxy: HoldingProxy
    user: PlatformUser

    def rest(self) -> None:
        """Wait until nothing is reconciled."""

        def resting() -> bool:
            done, checks = self.process.reconciliations(), self.checks()
            # One a second for each platform: what pods do is looked at after five.
            wait_until(lambda: self.checks() >= checks + 7 * len(NAMES), "checks", seconds=90)
            text = self.process.text("/metrics")
            return self.process.reconciliations() == done and not BUSY.search(text)

        wait_until(resting, "the operator to rest", seconds=180)

    def wait_for_all(self) -> None:
        """Wait until all platforms are as they should be."""
        for name in NAMES:
            self.user.wait_reason("Ready" if name == "beta" else "Stopped", name)

    def checks(self) -> int:
        return self.process.unneeded_reconciliations()

    def metrics(self) -> set[str]:
        return set(OF_PLATFORMS.findall(self.process.text("/metrics")))

    def after(self, start: Callable[[], object]) -> list[Request]:
        """What the operator has asked from its start until it is at rest."""
        before = len(self.proxy.requests)
        start()
        self.rest()
        return [each for each in self.proxy.requests[before:] if each.of_operator]

    def kept(self) -> list[dict[str, Any]]:
        """The ConfigMaps that hold what is kept."""
        found = self.user.control_plane.api.get(f"{CONFIG_MAPS}?labelSelector={KEPT}")
        items: list[dict[str, Any]] = found["items"]
        return items

    def running_version(self, patch: str) -> AbstractContextManager[None]:
        return self.process.running_version(patch)


@pytest.fixture(scope="module")
def restarted(cluster_echo: Callable[[str], None]) -> Iterator[Restarted]:
    """A control plane of its own: no other operator writes there."""
    with (
        ControlPlane(echo=cluster_echo) as cluster,
        SimulatedNodes(cluster, echo=cluster_echo),
        HoldingProxy(cluster) as proxy,
        ExitStack() as resources,
    ):
        kubeconfig = install_chart(cluster)
        document = json.loads(kubeconfig.read_text())
        document["clusters"][0]["cluster"] = {"server": proxy.url}
        through = kubeconfig.with_name("through-proxy.kubeconfig")
        through.write_text(json.dumps(document))
        namespace = resources.enter_context(new_namespace(cluster))
        while len({part_of(Key(namespace, name), Shards(1)) for name in NAMES}) < len(NAMES):
            namespace = resources.enter_context(new_namespace(cluster))  # each is kept apart
        process = OperatorProcess(cluster, through, *OPTIONS, name="restarted")
        running = Restarted(process, proxy, PlatformUser(cluster, namespace))
        running.user.secret("smtp", key="one-secret-that-is-long-enough")
        for name in NAMES:
            running.user.apply_platform(
                name,
                domain=f"{name}.test",
                # The others have no pods, so that the tests take less time.
                **(REFERRING if name == "beta" else {"stopped": True}),
            )
        process.start()
        running.wait_for_all()
        running.rest()
        yield running
        assert "Traceback" not in process.log, process.log[-5000:]
        process.stop()


@pytest.fixture(autouse=True)
def at_rest(restarted: Restarted) -> None:
    """Each test begins with three platforms at rest, and may leave the operator stopped."""
    if restarted.process.stopped:
        restarted.process.start()
    restarted.wait_for_all()
    restarted.rest()


def asked(requests: list[Request]) -> Counter[str]:
    """Method and resource of requests, without those of the Lease."""
    found: Counter[str] = Counter()
    for each in requests:
        path = each.path.partition("?")[0]
        if "/leases" in path:
            continue
        verb = "WATCH" if "watch=1" in each.path else each.method
        resource = re.sub(r"/namespaces/[^/]+", "", path).split("/")
        found[f"{verb} {next(part for part in resource[3 + (resource[1] == 'apis') :])}"] += 1
    return found


def reconciled(requests: list[Request]) -> set[str]:
    """The platforms whose objects were read or written."""
    return {
        name
        for each in requests
        for name in NAMES
        if re.search(rf"(pryv\.io/platform=|/){name}\b", unquote(each.path))
    }


def test_nothing_is_reconciled_after_a_restart(restarted: Restarted) -> None:
    """Neither written nor read, but a list of platforms, and what was kept: 8 objects."""
    before = restarted.metrics()
    assert sum("pryv_platform_component_ready_replicas{" in line for line in before) > 30
    assert any("pryv_platform_certificate_expiry_timestamp_seconds{" in line for line in before)
    for _ in range(2):
        restarted.process.stop()
        versions = restarted.user.resource_versions()
        kept = {each["metadata"]["name"]: each["metadata"] for each in restarted.kept()}
        found = asked(restarted.after(restarted.process.start))
        assert not restarted.process.reconciliations()
        assert restarted.checks() >= 3 * len(NAMES)
        unwatched = {each: count for each, count in found.items() if not each.startswith("WATCH")}
        # Of platforms: whether they are served, their domains, and which there are.
        assert unwatched == {"GET pryvplatforms": 3, "GET configmaps": 8}, found
        assert restarted.metrics() == before
        assert restarted.user.resource_versions() == versions
    restarted.process.stop()
    after = {each["metadata"]["name"]: each["metadata"] for each in restarted.kept()}
    assert after == kept, "what has not moved is not written again"


def change_the_platform(user: PlatformUser) -> None:
    name = f"Beta {secrets.token_hex(4)}"
    user.patch("pryvplatform", "beta", {"spec": {"variables": {"PLATFORM_NAME": name}}})


@pytest.mark.parametrize(
    "change",
    [
        change_the_platform,
        lambda user: user.delete("service", "beta-reg-register"),
        lambda user: user.secret("smtp", key="two-secret-that-is-long-enough"),
    ],
    ids=["spec", "deletion", "referenced-secret"],
)
def test_exactly_what_has_moved_meanwhile_is_reconciled(
    restarted: Restarted, change: Callable[[PlatformUser], None]
) -> None:
    restarted.process.stop()
    change(restarted.user)
    requests = restarted.after(restarted.process.start)
    assert reconciled(requests) == {"beta"}
    assert restarted.process.reconciliations() >= 1
    restarted.wait_for_all()
    assert restarted.user.find("service", "beta-reg-register")


def test_what_a_platform_refers_to_still_wakes_it_after_a_restart(restarted: Restarted) -> None:
    restarted.process.restart()
    restarted.rest()
    assert not restarted.process.reconciliations()
    before = restarted.user.get("deployment", "beta-reg-register")["metadata"]["generation"]
    requests = restarted.after(
        lambda: restarted.user.secret("smtp", key="three-secrets-that-are-long-enough")
    )
    assert reconciled(requests) == {"beta"}
    after = restarted.user.get("deployment", "beta-reg-register")["metadata"]["generation"]
    assert after > before


def test_a_domain_that_another_platform_has_taken_meanwhile_is_reported(
    restarted: Restarted,
) -> None:
    """Of the platform itself nothing has moved."""
    restarted.process.stop()
    restarted.user.patch("pryvplatform", "gamma", {"spec": {"domain": "acme.test"}})
    restarted.process.start()
    restarted.user.wait_warning("DomainInUse", "acme")
    restarted.rest()
    requests = restarted.after(restarted.process.restart)
    assert not reconciled(requests), "a shared domain is nothing new"
    restarted.user.patch("pryvplatform", "gamma", {"spec": {"domain": "gamma.test"}})

    def warned() -> bool:
        status = restarted.user.get("pryvplatform", "acme")["status"]
        return "DomainInUse" in {each["reason"] for each in status.get("warnings", [])}

    wait_until(lambda: not warned(), "the warning to go", seconds=60)


def test_a_deleted_platform_is_not_restored(restarted: Restarted) -> None:
    restarted.user.apply_platform("delta", domain="delta.test", stopped=True)
    restarted.user.wait_reason("Stopped", "delta")
    restarted.rest()
    assert any('name="delta"' in line for line in restarted.metrics())
    restarted.process.stop()
    restarted.user.delete("pryvplatform", "delta")
    requests = restarted.after(restarted.process.start)
    assert not reconciled(requests)
    assert not any('name="delta"' in line for line in restarted.metrics())


def test_another_version_reconciles_everything(restarted: Restarted) -> None:
    with restarted.running_version("import pryv_operator; pryv_operator.__version__ = '9.9.9'"):
        restarted.rest()
        assert restarted.process.reconciliations() >= len(NAMES)
        assert "another version of the operator" in restarted.process.log


def test_other_options_reconcile_everything(restarted: Restarted) -> None:
    with restarted.process.started_with("--cluster-dns=10.96.0.53"):
        restarted.rest()
        assert restarted.process.reconciliations() >= len(NAMES)


def test_after_a_crash_what_was_kept_minutes_ago_counts(restarted: Restarted) -> None:
    with restarted.running_version(OFTEN):
        restarted.rest()
        versions = {each["metadata"]["name"]: each["metadata"] for each in restarted.kept()}
        checks = restarted.checks()
        wait_until(lambda: restarted.checks() >= checks + 10, "some seconds", seconds=60)
        after = {each["metadata"]["name"]: each["metadata"] for each in restarted.kept()}
        assert after == versions, "what has not moved is not written again"
        requests = restarted.after(lambda: restarted.process.restart(abruptly=True))
        assert not reconciled(requests)
        assert not restarted.process.reconciliations()
        # What moves is kept, without an end in order.
        change_the_platform(restarted.user)
        restarted.wait_for_all()
        restarted.rest()
        wait_until(
            lambda: (
                versions
                != {each["metadata"]["name"]: each["metadata"] for each in restarted.kept()}
            ),
            "it to be kept",
            seconds=60,
        )
        requests = restarted.after(lambda: restarted.process.restart(abruptly=True))
        assert not reconciled(requests)


def test_what_is_not_valid_is_ignored_as_a_whole(restarted: Restarted) -> None:
    """Each of three objects in another way."""
    restarted.process.stop()
    api = restarted.user.control_plane.api
    place, namespace = Place(OPERATOR_NAMESPACE, "pryv-operator"), restarted.user.namespace
    parts = [part_of(Key(namespace, name), Shards(1)).name(place) for name in NAMES]
    items = [each for each in restarted.kept() if each["metadata"]["name"] in parts]
    assert len(items) == 3
    data = base64.b64decode(items[0]["binaryData"]["rests"])
    foreign = items[2]["metadata"]["name"]
    for item, change in zip(
        items,
        (
            {"binaryData": {"rests": base64.b64encode(data[:-1]).decode()}},
            {"binaryData": None, "data": {"rests": "x" * 900_000}},
            {"metadata": {"labels": {"app.kubernetes.io/managed-by": "someone"}}},
        ),
        strict=True,
    ):
        api.patch(f"{CONFIG_MAPS}/{item['metadata']['name']}", change)
    log = len(restarted.process.log)
    requests = restarted.after(restarted.process.start)
    assert reconciled(requests) == set(NAMES)
    lines = [line for line in restarted.process.log[log:].splitlines() if "-at-rest-" in line]
    assert len(lines) == len(items), lines
    assert all("ignored" in line for line in lines)
    restarted.process.stop()
    found = api.get(f"{CONFIG_MAPS}/{foreign}")
    assert found["binaryData"] == items[2]["binaryData"], "an object of others is left alone"
    api.delete(f"{CONFIG_MAPS}/{foreign}")
    requests = restarted.after(restarted.process.start)
    assert len(reconciled(requests)) == 1, "the others are kept again"
