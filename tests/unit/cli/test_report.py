"""Logs in reports, and what a report does when a request fails."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any, cast

import pytest

from pryv_operator.cli.cluster import Cluster
from pryv_operator.cli.report import read_report
from pryv_operator.kube.client import KubeClient
from pryv_operator.kube.errors import RejectedError, UnavailableError
from pryv_operator.kube.resources import DEPLOYMENTS, PLATFORMS, PODS, Resource

CANARY = "c4n4ry-in-the-environment"
PLATFORM = {
    "apiVersion": "pryv.io/v1alpha1",
    "kind": "PryvPlatform",
    "metadata": {"name": "acme", "namespace": "pryv", "uid": "u"},
    "spec": {"domain": "pryv.acme.test"},
}
POD = {
    "apiVersion": "v1",
    "kind": "Pod",
    "metadata": {"name": "acme-co1-core-0", "namespace": "pryv"},
    "spec": {"containers": [{"name": "core", "env": [{"name": "A", "value": CANARY}]}]},
}
OPERATOR = {
    "apiVersion": "v1",
    "kind": "Pod",
    "metadata": {"name": "pryv-operator-1", "namespace": "pryv-operator"},
    "spec": {"containers": [{"name": "operator", "image": "pryv-operator:1"}]},
}
LINES = [f"started with {CANARY}".encode(), b"GET /?auth=s3cr3t HTTP/1.1", b"\xff done"]


class Client:
    """An API server that has two pods with logs, and refuses to list Deployments."""

    def __init__(self, *, unauthorized: bool = False, broken: bool = False) -> None:
        self.unauthorized = unauthorized
        self.broken = broken
        self.queries: list[Mapping[str, Any]] = []

    async def get(self, resource: Resource, *_: str, accept: str = "") -> Any:
        del accept
        return PLATFORM if resource is PLATFORMS else None

    async def list(
        self, resource: Resource, namespace: str | None, *, labels: str = "", fields: str = ""
    ) -> Sequence[Any]:
        del fields
        if resource is DEPLOYMENTS:
            status = 401 if self.unauthorized else 403
            raise RejectedError(status, "Forbidden", "user jane may not")
        if resource is not PODS or "!" in labels:
            return []
        return [OPERATOR if namespace is None else POD]

    async def list_reduced(self, *_: Any, **__: Any) -> Sequence[Any]:
        return []

    async def read_version(self) -> Any:
        return {"gitVersion": "v1.36.3", "compiler": CANARY}

    async def pod_log(
        self, namespace: str, pod: str, query: Mapping[str, Any]
    ) -> AsyncIterator[bytes]:
        assert namespace in ("pryv", "pryv-operator")
        self.queries.append(query)
        for line in LINES:
            yield line
        if self.broken and pod == "acme-co1-core-0":
            raise UnavailableError(0, "ConnectionReset", "reset")


def report(client: Client, *, logs: bool) -> Any:
    cluster = Cluster(cast("KubeClient", client), "pryv")
    return asyncio.run(read_report(cluster, "acme", logs=logs))


@pytest.mark.parametrize("logs", [True, False])
def test_logs_are_redacted(logs: bool) -> None:
    client = Client()
    found = report(client, logs=logs)
    paths = {path for path in found.files if path.endswith(".log")}
    component = "logs/acme-co1-core-0/core.log"
    operator = "operator/logs/pryv-operator-1/operator.log"
    assert paths == ({component, operator} if logs else {operator})
    for path in paths:
        lines = found.files[path].splitlines()
        assert lines == ["started with (masked)", "GET /?auth=(masked) HTTP/1.1", "\ufffd done"]
    assert all(query["tailLines"] == 2000 for query in client.queries)
    assert CANARY not in repr(found.files)
    assert "gitVersion: v1.36.3" in found.files["versions.yaml"]


def test_what_fails_is_missing_and_the_rest_is_there() -> None:
    found = report(Client(broken=True), logs=True)
    assert "deployments: you may not read it" in found.missing
    assert "log of acme-co1-core-0/core: ConnectionReset" in found.missing
    assert "jane" not in repr(found)
    # What was read of it before is there.
    assert "done" in found.files["logs/acme-co1-core-0/core.log"]
    assert "objects/deployments.yaml" not in found.files
    assert "name: acme-co1-core-0" in found.files["objects/pods.yaml"]
    assert "operator/logs/pryv-operator-1/operator.log" in found.files


def test_credentials_that_end_meanwhile_are_an_error() -> None:
    with pytest.raises(RejectedError):
        report(Client(unauthorized=True), logs=False)
