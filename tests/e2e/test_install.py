"""The chart and a platform in real pods: what a user does on the first day."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator

import pytest

from pryv_operator.api import names
from tests.cluster.kind.cluster import KindCluster
from tests.e2e.images import build, operator_image
from tests.e2e.outside import start_outside
from tests.e2e.pods import Room

_NAMESPACE = "pryv-system"
_PLATFORM = "acme"
_DOMAIN = "pryv.acme.test"
_READY_SECONDS = 600


@pytest.fixture(scope="module")
def installed(cluster: KindCluster, cluster_echo: Callable[[str], None]) -> Iterator[KindCluster]:
    """The cluster with the operator, from the chart, in a namespace for restricted pods."""
    try:
        place = cluster.place if operator_image.missing_engine() else None
        image = operator_image.ensure_archive(cluster_echo, place)
    except operator_image.ImageError as missing:
        pytest.skip(str(missing))
    for archive in (image, build.ensure_archive(cluster_echo)):
        cluster_echo(f"loading {archive.name} into the nodes")
        cluster.load(archive)
    start_outside(cluster)
    cluster.kubectl("create", "namespace", _NAMESPACE)
    level = "pod-security.kubernetes.io/enforce=restricted"
    cluster.kubectl("label", "namespace", _NAMESPACE, level)
    chart = operator_image.ROOT / "charts" / "pryv-operator"
    where = f"--namespace={_NAMESPACE}"
    # Another test may have applied the CRD.
    adopt = ("--take-ownership", "--force-conflicts")
    cluster.helm("install", "pryv-operator", str(chart), where, *adopt, "--wait", "--timeout=3m")
    yield cluster
    cluster.helm("uninstall", "pryv-operator", where, "--wait")
    cluster.kubectl("delete", "namespace", _NAMESPACE, "--wait=false")


def test_two_replicas_run_as_restricted_pods(installed: KindCluster) -> None:
    """Helm has waited for them to be Ready."""
    pods = json.loads(
        installed.kubectl("get", "pods", f"--namespace={_NAMESPACE}", "--output=json").stdout
    )["items"]
    states = [state for pod in pods for state in pod["status"]["containerStatuses"]]
    assert [(state["ready"], state["restartCount"]) for state in states] == [(True, 0)] * 2


def test_platform_of_a_domain_alone_serves_its_information(
    installed: KindCluster, room: Room, platform_namespace: str
) -> None:
    """Over TLS, trusted by the platform's own authority alone, from another namespace."""
    where = f"--namespace={platform_namespace}"
    platform = {
        "apiVersion": "pryv.io/v1alpha1",
        "kind": "PryvPlatform",
        "metadata": {"name": _PLATFORM},
        "spec": {"domain": _DOMAIN},
    }
    installed.kubectl("apply", where, "--filename=-", stdin=json.dumps(platform))
    installed.kubectl(
        *("wait", where, f"pryvplatform/{_PLATFORM}", "--for=condition=Ready"),
        f"--timeout={_READY_SECONDS}s",
        seconds=_READY_SECONDS + 10,
    )
    service = names.external_service(_PLATFORM, "reg")
    address = installed.kubectl(
        "get", where, "service", service, "--output=jsonpath={.spec.clusterIP}"
    ).stdout
    secret = json.loads(
        installed.kubectl(
            "get", where, "secret", names.private_authority(_PLATFORM, 1), "--output=json"
        ).stdout
    )
    room.apply(
        {
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": {"name": "authority"},
            "binaryData": {"ca.crt": secret["data"]["tls.crt"]},
        }
    )
    room.start_pod("client", "sleep", config_map="authority", hosts={f"reg.{_DOMAIN}": address})
    url = f"https://reg.{_DOMAIN}/service/info"
    answer = room.client("client", "-ca=/config/ca.crt", "get", url)
    assert json.loads(answer.stdout)["register"] == f"https://reg.{_DOMAIN}/"
    untrusted = room.client("client", "get", url, check=False)
    assert "certificate signed by unknown authority" in untrusted.stderr


@pytest.fixture
def platform_namespace(cluster: KindCluster) -> Iterator[str]:
    """A namespace for a platform, deleted with it."""
    name = "pryv"
    cluster.kubectl("create", "namespace", name)
    yield name
    cluster.kubectl("delete", "pryvplatforms", "--all", f"--namespace={name}", "--timeout=60s")
    cluster.kubectl("delete", "namespace", name, "--wait=false")
