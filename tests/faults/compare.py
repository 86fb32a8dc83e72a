"""The state after a run, normalized so that it can be compared with another run's. Pure.

Addresses, generated values and names with content hashes become placeholders; times, uids and
resource versions are omitted.
"""

from __future__ import annotations

import base64
import difflib
import hashlib
import json
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from pryv_operator.api.kubernetes import WORKLOAD_KINDS
from tests.faults.proxy import Request

Object = dict[str, Any]

_PEM: Final = re.compile(r"-----BEGIN [^-]+-----.*?-----END [^-]+-----\s*", re.DOTALL)
_CONTENT_HASH: Final = re.compile(r"-[0-9a-f]{8,}$")
#: Annotations with digests: the content is compared itself, or it is random.
_HASHES: Final = frozenset({
    "pryv.io/applied", "pryv.io/template", "pryv.io/desired", "pryv.io/templates",
    "pryv.io/references", "pryv.io/inputs", "pryv.io/shared-secrets", "pryv.io/failed",
    "pryv.io/retried", "pryv.io/basis", "pryv.io/mac", "pryv.io/data-digest",
})  # fmt: skip
_CHOSEN: Final = frozenset(
    {"nodePort", "volumeName", "uid", "resourceVersion", "clusterIPs", "healthCheckNodePort"}
)
#: Annotations of the cluster's controllers and of the tests.
_OTHERS: Final = ("pv.kubernetes.io/", "volume.", "deployment.kubernetes.io/", "example.com/")


@dataclass(frozen=True)
class Snapshot:
    """The state of a namespace at one time.

    ``objects``: `<kind>/<name>` → normalized content. ``pods``: `<instance>/<component>` → uid.
    ``values``: generated value → its placeholder.
    """

    objects: Mapping[str, Any]
    pods: Mapping[str, str]
    values: Mapping[str, str]


EMPTY: Final = Snapshot({}, {}, {})


@dataclass(frozen=True)
class Run:
    """What a run of a scenario has done.

    ``operations``: `<method> <plural>/<name>` → number of creations or deletions by the operator.
    ``rolled``: `<instance>/<component>` of replaced pods.
    """

    objects: Mapping[str, Any]
    operations: Counter[str]
    rolled: frozenset[str]


def take_snapshot(
    items: Iterable[Object], pods: Iterable[Object], namespace: str, known: Mapping[str, str]
) -> Snapshot:
    """Normalize the managed objects, the platform and its pods.

    ``known`` are generated values of an earlier snapshot with their placeholders.
    """
    live = [
        item
        for item in items
        if not item["metadata"].get("deletionTimestamp") or item["kind"] == "PersistentVolumeClaim"
    ]
    values = {**known, **_generated(live)}
    normalizer = _Normalizer(live, namespace, values)
    return Snapshot(
        {normalizer.name(item): normalizer.normalize(_comparable(item)) for item in live},
        live_pods(pods),
        values,
    )


def _generated(items: Iterable[Object]) -> dict[str, str]:
    """Randomly generated values → placeholder with the name of their Secret."""
    kept = [item for item in items if _purpose(item) in ("generated", "hash-key")]
    return {
        base64.b64decode(text).decode(): f"<{item['metadata']['name']}>"
        for item in kept
        for text in (item.get("data") or {}).values()
    }


def live_pods(pods: Iterable[Object]) -> dict[str, str]:
    """Pods that are not being deleted: `<instance>/<component>` → uid."""
    return {
        _component(pod["metadata"]["labels"]): pod["metadata"]["uid"]
        for pod in pods
        if not pod["metadata"].get("deletionTimestamp")
    }


def _component(labels: Mapping[str, str]) -> str:
    return f"{labels['pryv.io/instance']}/{labels['pryv.io/component']}"


def summarize(before: Snapshot, after: Snapshot, requests: Iterable[Request]) -> Run:
    """Summarize a run from the snapshots before and after it, and the operator's requests."""
    rolled = {
        name for name, uid in after.pods.items() if name in before.pods and before.pods[name] != uid
    }
    return Run(after.objects, count_operations(requests), frozenset(rolled))


def count_operations(requests: Iterable[Request]) -> Counter[str]:
    """Count the creations and deletions that took effect, without events."""
    return Counter(
        f"{request.method} {request.plural}/{_CONTENT_HASH.sub('-*', request.name)}"
        for request in requests
        if request.took_effect
        and request.method in ("POST", "DELETE")
        and request.plural != "events"
    )


def differences(expected: Run, found: Run) -> list[str]:
    """Excess operations and rolls of a run with faults, and differences of the final states."""
    extra = found.operations - expected.operations
    result = [
        f"{operation}: {found.operations[operation]} times, not {expected.operations[operation]}"
        for operation in sorted(extra)
    ]
    result += [f"{name} was rolled" for name in sorted(found.rolled - expected.rolled)]
    result += [
        f"{name} is missing: {expected.objects[name]}"
        for name in sorted(expected.objects.keys() - found.objects.keys())
    ]
    result += [
        f"{name} is unexpected: {found.objects[name]}"
        for name in sorted(found.objects.keys() - expected.objects.keys())
    ]
    for name in sorted(expected.objects.keys() & found.objects.keys()):
        if expected.objects[name] != found.objects[name]:
            result.append(
                f"{name} differs:\n"
                + "\n".join(_difference(expected.objects[name], found.objects[name]))
            )
    return result


def _difference(one: Any, other: Any) -> list[str]:
    old, new = (json.dumps(each, indent=1, sort_keys=True).splitlines() for each in (one, other))
    return list(difflib.unified_diff(old, new, "without faults", "with faults", n=2, lineterm=""))


def _comparable(item: Object) -> Any:
    """The fields of an object that are compared."""
    metadata, kind = item["metadata"], item["kind"]
    annotations = {
        key: ("…" if key in _HASHES else value)
        for key, value in (metadata.get("annotations") or {}).items()
    }
    found: Object = {
        "labels": metadata.get("labels", {}),
        "annotations": {
            key: value for key, value in annotations.items() if not key.startswith(_OTHERS)
        },
        # Of pods that were replaced, the garbage collector removes the references.
        "owners": sorted({each["kind"] for each in metadata.get("ownerReferences", ())}),
        "finalizers": [
            each for each in metadata.get("finalizers", ()) if kind != "PersistentVolumeClaim"
        ],
    }
    if kind == "PryvPlatform":
        status = item.get("status") or {}
        conditions = sorted(
            (each["type"], each["status"], each["reason"]) for each in status.get("conditions", ())
        )
        warnings = [each["reason"] for each in status.get("warnings", ())]
        return {
            "spec": item["spec"],
            "conditions": conditions,
            "revision": status.get("revision"),
            "warnings": warnings,
        }
    if kind == "ControllerRevision":
        return found | {
            "revision": item["revision"],
            "spec": item["data"]["spec"],
            "workloads": _templates(item["data"]),
        }
    if kind in WORKLOAD_KINDS:
        found["generation"] = metadata["generation"]
    if kind in ("ConfigMap", "Secret"):
        return found | {"data": _data(item)}
    return found | {"spec": item["spec"]}


def _templates(data: Object) -> Any:
    workloads = data.get("workloads") or {}
    return {name: each["spec"]["template"] for name, each in workloads.items()}


def _data(item: Object) -> dict[str, str]:
    """Content as text; random content is replaced by the word "random"."""
    purpose = (item["metadata"].get("labels") or {}).get("pryv.io/purpose")
    data: dict[str, str] = item.get("data") or {}
    if item["kind"] == "ConfigMap":
        return {key: _PEM.sub("PEM\n", text) for key, text in data.items()}
    if purpose in ("generated", "hash-key", "authority", "certificate"):
        return dict.fromkeys(data, "random")
    return {
        key: _PEM.sub("PEM\n", base64.b64decode(text).decode(errors="replace"))
        for key, text in data.items()
    }


class _Normalizer:
    """Replaces what differs between any two runs by placeholders."""

    def __init__(self, items: Sequence[Object], namespace: str, values: Mapping[str, str]) -> None:
        placeholders = {
            item["spec"]["clusterIP"]: f"<address of {item['metadata']['name']}>"
            for item in items
            if _has_address(item)
        }
        placeholders |= {namespace: "<namespace>", **values}
        self._placeholders = {
            text: placeholder
            for text, placeholder in placeholders.items()
            if text and text != "None"
        }
        self._pattern = self._compiled()
        for item in items:
            if _purpose(item) == "config":
                name = item["metadata"]["name"]
                content = json.dumps(self.normalize(_data(item)), sort_keys=True)
                self._placeholders[name] = _CONTENT_HASH.sub(
                    f"-<{hashlib.sha256(content.encode()).hexdigest()[:8]}>", name
                )
        self._pattern = self._compiled()

    def _compiled(self) -> re.Pattern[str]:
        return re.compile(
            "|".join(re.escape(text) for text in sorted(self._placeholders, key=len, reverse=True))
        )

    def name(self, item: Object) -> str:
        name: str = item["metadata"]["name"]
        return f"{item['kind']}/{self._placeholders.get(name, name)}"

    def normalize(self, value: Any) -> Any:
        if isinstance(value, dict):
            return {
                str(self.normalize(key)): self.normalize(each)
                for key, each in value.items()
                if key not in _CHOSEN and key not in _HASHES
            }
        if isinstance(value, list | tuple):
            return [self.normalize(each) for each in value]
        return (
            self._pattern.sub(lambda match: self._placeholders[match[0]], value)
            if isinstance(value, str)
            else value
        )


def _purpose(item: Object) -> str | None:
    purpose: str | None = (item["metadata"].get("labels") or {}).get("pryv.io/purpose")
    return purpose


def _has_address(item: Object) -> bool:
    return item["kind"] == "Service" and item["spec"].get("clusterIP") not in (None, "None")
