"""Reads the status of platforms, for ``kubectl-pryv status``."""

from __future__ import annotations

import asyncio
import datetime as dt
import json
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Final

from cryptography import x509

from pryv_operator.api import labels_annotations as keys
from pryv_operator.api import names
from pryv_operator.api.kubernetes import Object
from pryv_operator.cli.cluster import Cluster
from pryv_operator.cli.output import View, parse_time
from pryv_operator.cli.views.platform_tree import (
    Certificate,
    PlatformList,
    PlatformStatus,
    Revision,
    platform_status,
)
from pryv_operator.kube.client import METADATA_LIST
from pryv_operator.kube.errors import RejectedError
from pryv_operator.kube.resources import (
    CONTROLLER_REVISIONS,
    DEPLOYMENTS,
    PODS,
    SECRETS,
    STATEFUL_SETS,
)
from pryv_operator.reconcile.secret_data import decoded_bytes

_POLL_SECONDS: Final = 2.0


async def read_status(cluster: Cluster, name: str) -> PlatformStatus:
    """The status of one platform."""
    return await _status(cluster, await cluster.read_platform(name))


async def read_all(cluster: Cluster, *, all_namespaces: bool) -> PlatformList:
    """The status of all platforms of the namespace, or of all namespaces."""
    resources = await cluster.list_platforms(None if all_namespaces else cluster.namespace)
    ordered = sorted(
        resources, key=lambda each: (each["metadata"]["namespace"], each["metadata"]["name"])
    )
    return PlatformList(
        tuple(
            [
                await _status(Cluster(cluster.client, each["metadata"]["namespace"]), each)
                for each in ordered
            ]
        )
    )


async def watch(read: Callable[[], Awaitable[View]], show: Callable[[View], None]) -> None:
    """Show what is read, and again whenever it has changed, until the user interrupts."""
    before: View | None = None
    while True:
        found = await read()
        if found != before:
            show(found)
        before = found
        await asyncio.sleep(_POLL_SECONDS)


async def read_workloads(cluster: Cluster, name: str) -> list[Object]:
    """The Deployments and StatefulSets of a platform."""
    labels = ",".join(f"{key}={value}" for key, value in names.platform_labels(name).items())
    found = await asyncio.gather(
        *(
            cluster.client.list(each, cluster.namespace, labels=labels)
            for each in (DEPLOYMENTS, STATEFUL_SETS)
        )
    )
    return [
        {"apiVersion": each.api_version, "kind": each.kind, **item}
        for each, listed in zip((DEPLOYMENTS, STATEFUL_SETS), found, strict=True)
        for item in listed
    ]


async def read_pods(cluster: Cluster, name: str) -> list[Object]:
    """The pods of a platform's components."""
    labels = f"{keys.PLATFORM}={name},{keys.COMPONENT},!{keys.PURPOSE}"
    return await cluster.client.list(PODS, cluster.namespace, labels=labels)


async def read_newest_revision(cluster: Cluster, name: str) -> Object | None:
    """The metadata of the newest ControllerRevision of a platform's history; None: none."""
    labels = {**names.platform_labels(name), keys.PURPOSE: "history"}
    found = await cluster.client.list_reduced(
        CONTROLLER_REVISIONS,
        cluster.namespace,
        lambda item: item,
        labels=",".join(f"{key}={value}" for key, value in labels.items()),
        accept=METADATA_LIST,
    )
    return max(found, key=_number, default=None)


def _number(revision: Object) -> int:
    number = revision["metadata"]["name"].rpartition("-")[2]
    return int(number) if number.isdigit() else -1


async def _status(cluster: Cluster, resource: Object) -> PlatformStatus:
    name = resource["metadata"]["name"]
    workloads, pods, newest, certificates = await asyncio.gather(
        read_workloads(cluster, name),
        read_pods(cluster, name),
        read_newest_revision(cluster, name),
        _read_certificates(cluster, resource),
    )
    return platform_status(
        resource,
        workloads,
        pods,
        revision=revision_of(newest) if newest else None,
        certificates=certificates,
    )


def revision_of(item: Object) -> Revision:
    """A revision, by the metadata of its ControllerRevision."""
    annotations: Mapping[str, str] = item["metadata"].get("annotations") or {}
    state = "rolling"
    if keys.FAILED in annotations:
        state = "failed"
    elif annotations.get(keys.COMPLETE) == "true":
        state = "complete"
    elif json.loads(annotations.get(keys.NOT_RUN) or "[]"):
        state = "complete, except for what has no pod"
    created = item["metadata"].get("creationTimestamp")
    return Revision(_number(item), state, parse_time(created) if created else None)


# Certificates


async def _read_certificates(cluster: Cluster, resource: Object) -> list[Certificate]:
    found = []
    for used_by, secret, source in await _certificate_secrets(cluster, resource):
        found.append(await _read_certificate(cluster, used_by, secret, source))
    return found


async def _certificate_secrets(
    cluster: Cluster, resource: Object
) -> Sequence[tuple[str, str, str]]:
    """Who uses a certificate, its Secret, and where it comes from."""
    spec, platform = resource.get("spec") or {}, resource["metadata"]["name"]
    tls = spec.get("tls") or {}
    found = [
        (f"of {role}", each["tls"]["secretName"], f"spec.roles.{role}.tls")
        for role, each in (spec.get("roles") or {}).items()
        if isinstance(each, dict) and (each.get("tls") or {}).get("secretName")
    ]
    if tls.get("secretName"):
        return [("", tls["secretName"], "spec.tls"), *found]
    if tls.get("issuerRef"):
        return [("", names.cert_manager_certificate(platform), "cert-manager"), *found]
    private = await _private_certificate(cluster, platform)
    return [("", private, "private authority"), *found] if private else found


async def _private_certificate(cluster: Cluster, platform: str) -> str | None:
    """The newest certificate of the platform's own authority."""
    labels = {**names.platform_labels(platform), keys.PURPOSE: "certificate"}
    try:
        secrets = await cluster.client.list_reduced(
            SECRETS,
            cluster.namespace,
            lambda item: item,
            labels=",".join(f"{key}={value}" for key, value in labels.items()),
            accept=METADATA_LIST,
        )
    except RejectedError:
        return None
    newest = max(secrets, key=_number, default=None)
    return str(newest["metadata"]["name"]) if newest else None


async def _read_certificate(
    cluster: Cluster, used_by: str, secret: str, source: str
) -> Certificate:
    try:
        item = await cluster.client.get(SECRETS, cluster.namespace, secret)
    except RejectedError:
        return Certificate(used_by, secret, source, problem="not read: get of secrets is forbidden")
    if item is None:
        return Certificate(used_by, secret, source, problem="not found")
    try:
        chain = x509.load_pem_x509_certificates(decoded_bytes(item, "tls.crt") or b"")
        expires = min(each.not_valid_after_utc for each in chain)
    except ValueError:
        return Certificate(used_by, secret, source, problem="holds no valid certificate")
    days = (expires - dt.datetime.now(dt.UTC)).days
    return Certificate(used_by, secret, source, expires, days)
