"""The chart and a platform in real pods: what a user does on the first day."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from pryv_operator.api import names
from tests.cluster.kind.cluster import KindCluster
from tests.e2e.conftest import OPERATOR
from tests.e2e.outside import Outside
from tests.e2e.pods import Room

_PLATFORM = "acme"
_DOMAIN = "pryv.acme.test"
_READY_SECONDS = 600


def test_two_replicas_run_as_restricted_pods(installed: KindCluster) -> None:
    """Helm has waited for them to be Ready."""
    pods = json.loads(
        installed.kubectl("get", "pods", f"--namespace={OPERATOR}", "--output=json").stdout
    )["items"]
    states = [state for pod in pods for state in pod["status"]["containerStatuses"]]
    assert [(state["ready"], state["restartCount"]) for state in states] == [(True, 0)] * 2


def test_platform_of_a_domain_alone_serves_its_information(
    installed: KindCluster, outside: Outside, room: Room, platform_namespace: str
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
