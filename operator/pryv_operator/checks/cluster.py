"""Judges the cluster: version, CRD, operator, network plugin, storage classes. Pure."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from pryv_operator.api.kubernetes import Object
from pryv_operator.checks.declarations import Check
from pryv_operator.checks.expected import Storage
from pryv_operator.checks.rows import Row, fail, ok, skipped, warn

OLDEST: Final = (1, 32)
#: A renewal is late only after this factor of the Lease's duration: clocks differ.
_LATE: Final = 4
#: Names of DaemonSets of network plugins → the product.
_ENFORCING: Final = {
    "calico-node": "Calico", "cilium": "Cilium", "antrea-agent": "Antrea",
    "kube-router": "kube-router", "weave-net": "Weave Net", "ovnkube-node": "OVN-Kubernetes",
    "sdn": "OpenShift SDN",
    "kube-network-policies": "kube-network-policies", "canal": "Canal", "azure-npm": "Azure NPM",
    "anetd": "GKE Dataplane V2", "netd": "GKE",
}  # fmt: skip
_NOT_ENFORCING: Final = {"kube-flannel-ds": "Flannel", "kube-flannel": "Flannel"}
_TRY: Final = (
    "try it: connect from a pod of another namespace to a database of the platform; it must fail"
)
_DEFAULT_CLASS: Final = "storageclass.kubernetes.io/is-default-class"


def kubernetes_version(version: Mapping[str, Any]) -> Row:
    """Whether the API server is new enough; ``version``: what it answers at ``/version``."""
    text = str(version.get("gitVersion", "unknown"))
    found = re.match(r"v?(\d+)\.(\d+)", text)
    if not found:
        return warn(Check.KUBERNETES_VERSION, "API server", f"unknown version {text}")
    if (int(found[1]), int(found[2])) < OLDEST:
        return fail(Check.KUBERNETES_VERSION, "API server", text)
    return ok(Check.KUBERNETES_VERSION, "API server", text)


def custom_resource(crd: Object | None, own: Mapping[str, Any]) -> Row:
    """Whether the CRD is installed and has the schema of this version (``own``)."""
    subject = "pryvplatforms.pryv.io"
    if crd is None:
        return fail(Check.CUSTOM_RESOURCE, subject, "not found")
    installed, mine = _versions(crd.get("spec") or {}), _versions(own["spec"])
    missing = mine.keys() - installed.keys()
    if missing:
        return fail(Check.CUSTOM_RESOURCE, subject, f"lacks version {', '.join(sorted(missing))}")
    differing = sorted(_differing(installed, mine))
    if not differing:
        return ok(
            Check.CUSTOM_RESOURCE, subject, f"version {', '.join(sorted(mine))}, as of this command"
        )
    return warn(
        Check.CUSTOM_RESOURCE, subject,
        f"of another version than this command ({', '.join(differing[:3])})",
        "use the kubectl-pryv of the operator's version, or upgrade the operator",
    )  # fmt: skip


def _versions(spec: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """Version → path of each field of its schema → type."""
    return {
        each["name"]: dict(_fields((each.get("schema") or {}).get("openAPIV3Schema") or {}))
        for each in spec.get("versions") or ()
    }


def _fields(schema: Mapping[str, Any], path: str = "") -> Iterable[tuple[str, Any]]:
    yield path, schema.get("type")
    for name, child in (schema.get("properties") or {}).items():
        yield from _fields(child, f"{path}.{name}" if path else name)
    for inner in ("items", "additionalProperties"):
        if isinstance(schema.get(inner), Mapping):
            yield from _fields(schema[inner], f"{path}[]")


def _differing(
    installed: Mapping[str, Mapping[str, Any]], mine: Mapping[str, Mapping[str, Any]]
) -> set[str]:
    """Fields of only one of two schemas."""
    return {
        path or "the whole schema"
        for version, fields in mine.items()
        for path in fields.keys() ^ installed[version].keys()
    }


def operator(leases: Sequence[Object], now: dt.datetime) -> Row:
    """Whether an operator leads. ``leases``: those with the operator's name, of any namespace."""
    held = [each for each in leases if (each.get("spec") or {}).get("holderIdentity")]
    if not held:
        found = "its Lease has no holder" if leases else "no Lease of an operator found"
        return fail(Check.OPERATOR, "leader", found)
    newest = max(held, key=lambda each: str(each["spec"].get("renewTime") or ""))
    spec, namespace = newest["spec"], newest["metadata"]["namespace"]
    holder = f"{spec['holderIdentity']} in namespace {namespace}"
    try:
        renewed = dt.datetime.fromisoformat(str(spec.get("renewTime")))
    except ValueError:
        return warn(Check.OPERATOR, "leader", f"{holder}: no time of renewal")
    age = (now - renewed).total_seconds()
    if age > _LATE * float(spec.get("leaseDurationSeconds") or 15):
        return fail(Check.OPERATOR, "leader", f"{holder}: last renewed {age:.0f} s ago")
    return ok(Check.OPERATOR, "leader", f"{holder}, renewed {max(age, 0):.0f} s ago")


def operator_version(deployments: Iterable[Object], own: str) -> Row | None:
    """Whether the operator's version is that of this command; None: its Deployment is not known."""
    for each in deployments:
        labels = each["metadata"].get("labels") or {}
        version = labels.get("app.kubernetes.io/version")
        if not version:
            continue
        subject = f"Deployment {each['metadata']['namespace']}/{each['metadata']['name']}"
        if version == own:
            return ok(Check.OPERATOR, subject, f"version {version}")
        return warn(
            Check.OPERATOR, subject, f"version {version}; this command is of version {own}",
            "use the kubectl-pryv of the operator's version",
        )  # fmt: skip
    return None


def network_policies(daemon_sets: Iterable[str] | None, *, enabled: bool) -> Row:
    """Whether the network plugin enforces NetworkPolicies. None: DaemonSets cannot be read."""
    subject = "network plugin"
    if not enabled:
        return skipped(Check.NETWORK_POLICIES, subject, "spec.networkPolicy is false")
    if daemon_sets is None:
        return warn(Check.NETWORK_POLICIES, subject, "unknown: DaemonSets cannot be read", _TRY)
    names = list(daemon_sets)
    enforcing = [_ENFORCING[each] for each in names if each in _ENFORCING]
    if enforcing:
        return ok(Check.NETWORK_POLICIES, subject, f"{enforcing[0]} enforces them")
    without = [_NOT_ENFORCING[each] for each in names if each in _NOT_ENFORCING]
    if without:
        return fail(Check.NETWORK_POLICIES, subject, f"{without[0]} does not enforce them")
    return warn(Check.NETWORK_POLICIES, subject, "unknown network plugin", _TRY)


def storage_rows(
    storage: Storage, classes: Sequence[Object] | None, bound: Mapping[str, str | None]
) -> list[Row]:
    """The storage class of PVCs. ``bound``: live PVC → its class; ``classes`` None: unreadable."""
    waiting = [each for each in storage.pvcs if each not in bound]
    if classes is None:
        return [skipped(Check.STORAGE_CLASS, storage.storage_class or "(default)",
                        "storage classes cannot be read")]  # fmt: skip
    by_name = {each["metadata"]["name"]: each for each in classes}
    rows = []
    if waiting or not bound:
        rows.append(_class_row(storage, _chosen(storage, classes), len(waiting)))
    for name in sorted({used for each in storage.pvcs if (used := bound.get(each))}):
        count = sum(bound.get(each) == name for each in storage.pvcs)
        found = by_name.get(name)
        rows.append(_class_row(Storage(name, storage.pvcs), found, count, live=True))
    return rows


def _chosen(storage: Storage, classes: Sequence[Object]) -> Object | None:
    if storage.storage_class is not None:
        named = (each for each in classes if each["metadata"]["name"] == storage.storage_class)
        return next(named, None)
    defaults = [
        each
        for each in classes
        if (each["metadata"].get("annotations") or {}).get(_DEFAULT_CLASS) == "true"
    ]
    # Kubernetes takes the newest of several.
    return max(
        defaults, key=lambda each: each["metadata"].get("creationTimestamp", ""), default=None
    )


def _class_row(storage: Storage, found: Object | None, count: int, *, live: bool = False) -> Row:
    subject = storage.storage_class or "(default)"
    pvcs = f"{count} {'live ' if live else ''}PVC{'' if count == 1 else 's'}"
    if found is None:
        if live:
            remedy = "volumes of a missing class cannot be expanded; recreate the class"
            return warn(Check.STORAGE_CLASS, subject, f"not found, but used by {pvcs}", remedy)
        what = "not found" if storage.storage_class else "the cluster has no default storage class"
        return fail(Check.STORAGE_CLASS, subject, f"{what}; {pvcs} would stay Pending")
    name = found["metadata"]["name"]
    text = f"{name}: provisioner {found.get('provisioner')}, for {pvcs}"
    notes, remedies = [], []
    if not found.get("allowVolumeExpansion"):
        notes.append("volumes cannot be expanded")
        remedies.append(
            "set allowVolumeExpansion: true if its provisioner can; else size generously"
        )
    if found.get("volumeBindingMode") != "WaitForFirstConsumer" and not live:
        notes.append("volumes are created before the pod has a node")
        remedies.append("use a class with volumeBindingMode: WaitForFirstConsumer, for zones")
    if notes:
        return warn(
            Check.STORAGE_CLASS, subject, f"{text}; {'; '.join(notes)}", "; ".join(remedies)
        )
    return ok(Check.STORAGE_CLASS, subject, text)
