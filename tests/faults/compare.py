"""What is there after a run, in words that do not differ from one undisturbed run to the next. Pure.

Addresses, generated values and names made from content stand for what they are; times, uids and versions are left out.
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

from tests.faults.proxy import Request

Object = dict[str, Any]

_PEM: Final = re.compile(r"-----BEGIN [^-]+-----.*?-----END [^-]+-----\s*", re.DOTALL)
_CONTENT_HASH: Final = re.compile(r"-[0-9a-f]{8,}$")
#: Made from content, which is compared itself, or different each time.
_HASHES: Final = frozenset({
    "pryv.io/applied", "pryv.io/template", "pryv.io/desired", "pryv.io/templates", "pryv.io/references", "pryv.io/inputs",
    "pryv.io/shared-secrets", "pryv.io/failed", "pryv.io/retried",
})  # fmt: skip
_CHOSEN: Final = frozenset(
    {"nodePort", "volumeName", "uid", "resourceVersion", "clusterIPs", "healthCheckNodePort"}
)
#: Annotations of others: of the cluster's controllers, and the test's own.
_OTHERS: Final = ("pv.kubernetes.io/", "volume.", "deployment.kubernetes.io/", "example.com/")
_WORKLOADS: Final = ("Deployment", "StatefulSet")


@dataclass(frozen=True)
class Picture:
    """``objects``: kind and name → what it is. ``pods``: component of an instance → uid. ``values``: generated ones → their name."""

    objects: Mapping[str, Any]
    pods: Mapping[str, str]
    values: Mapping[str, str]


NOTHING: Final = Picture({}, {}, {})


@dataclass(frozen=True)
class Run:
    """A run of a scenario. ``made``: how often the operator created or deleted what; ``rolled``: pods that are other ones now."""

    objects: Mapping[str, Any]
    made: Counter[str]
    rolled: frozenset[str]


def picture(
    items: Iterable[Object], pods: Iterable[Object], namespace: str, known: Mapping[str, str]
) -> Picture:
    """What the operator has written, and the platform itself, and its living pods. ``known``: values that were generated earlier."""
    there = [
        item
        for item in items
        if not item["metadata"].get("deletionTimestamp") or item["kind"] == "PersistentVolumeClaim"
    ]
    values = {**known, **_generated(there)}
    words = _Words(there, namespace, values)
    return Picture(
        {words.name(item): words.plain(_told(item)) for item in there}, living(pods), values
    )


def _generated(items: Iterable[Object]) -> dict[str, str]:
    """Values that were made at random → the Secret they are kept in."""
    kept = [item for item in items if _purpose(item) in ("generated", "hash-key")]
    return {
        base64.b64decode(text).decode(): f"<{item['metadata']['name']}>"
        for item in kept
        for text in (item.get("data") or {}).values()
    }


def living(pods: Iterable[Object]) -> dict[str, str]:
    """Pods that are not on their way out: component of an instance → uid."""
    return {
        f"{pod['metadata']['labels']['pryv.io/instance']}/{pod['metadata']['labels']['pryv.io/component']}": pod[
            "metadata"
        ]["uid"]
        for pod in pods
        if not pod["metadata"].get("deletionTimestamp")
    }


def run(before: Picture, after: Picture, requests: Iterable[Request]) -> Run:
    """What a run has done."""
    rolled = {
        name for name, uid in after.pods.items() if name in before.pods and before.pods[name] != uid
    }
    return Run(after.objects, made(requests), frozenset(rolled))


def made(requests: Iterable[Request]) -> Counter[str]:
    """Creations and deletions that took effect; events are news, not state."""
    return Counter(
        f"{request.method} {request.plural}/{_CONTENT_HASH.sub('-*', request.name)}"
        for request in requests
        if request.done and request.method in ("POST", "DELETE") and request.plural != "events"
    )


def complaints(expected: Run, found: Run) -> list[str]:
    """What a disturbed run did that the undisturbed one did not, and what is otherwise now."""
    extra = found.made - expected.made
    told = [
        f"{what}: {found.made[what]} times, not {expected.made[what]}" for what in sorted(extra)
    ]
    told += [f"{name} was rolled" for name in sorted(found.rolled - expected.rolled)]
    told += [
        f"{name} is missing: {expected.objects[name]}"
        for name in sorted(expected.objects.keys() - found.objects.keys())
    ]
    told += [
        f"{name} is too many: {found.objects[name]}"
        for name in sorted(found.objects.keys() - expected.objects.keys())
    ]
    for name in sorted(expected.objects.keys() & found.objects.keys()):
        if expected.objects[name] != found.objects[name]:
            told.append(
                f"{name} differs:\n"
                + "\n".join(_difference(expected.objects[name], found.objects[name]))
            )
    return told


def _difference(one: Any, other: Any) -> list[str]:
    old, new = (json.dumps(each, indent=1, sort_keys=True).splitlines() for each in (one, other))
    return list(difflib.unified_diff(old, new, "undisturbed", "disturbed", n=2, lineterm=""))


def _told(item: Object) -> Any:
    """What of an object is compared."""
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
        "owners": [each["kind"] for each in metadata.get("ownerReferences", ())],
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
    if kind in _WORKLOADS:
        found["generation"] = metadata["generation"]
    if kind in ("ConfigMap", "Secret"):
        return found | {"data": _data(item)}
    return found | {"spec": item["spec"]}


def _templates(data: Object) -> Any:
    workloads = data.get("workloads") or {}
    return {name: each["spec"]["template"] for name, each in workloads.items()}


def _data(item: Object) -> dict[str, str]:
    """Content as text. What is random by nature stays unsaid."""
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


class _Words:
    """What to say in place of what differs between any two runs."""

    def __init__(self, items: Sequence[Object], namespace: str, values: Mapping[str, str]) -> None:
        said = {
            item["spec"]["clusterIP"]: f"<address of {item['metadata']['name']}>"
            for item in items
            if _has_address(item)
        }
        said |= {namespace: "<namespace>", **values}
        self._said = {text: word for text, word in said.items() if text and text != "None"}
        self._pattern = self._compiled()
        for item in items:
            if _purpose(item) == "config":
                name = item["metadata"]["name"]
                content = json.dumps(self.plain(_data(item)), sort_keys=True)
                self._said[name] = _CONTENT_HASH.sub(
                    f"-<{hashlib.sha256(content.encode()).hexdigest()[:8]}>", name
                )
        self._pattern = self._compiled()

    def _compiled(self) -> re.Pattern[str]:
        return re.compile(
            "|".join(re.escape(text) for text in sorted(self._said, key=len, reverse=True))
        )

    def name(self, item: Object) -> str:
        name: str = item["metadata"]["name"]
        return f"{item['kind']}/{self._said.get(name, name)}"

    def plain(self, value: Any) -> Any:
        if isinstance(value, dict):
            return {
                str(self.plain(key)): self.plain(each)
                for key, each in value.items()
                if key not in _CHOSEN and key not in _HASHES
            }
        if isinstance(value, list | tuple):
            return [self.plain(each) for each in value]
        return (
            self._pattern.sub(lambda match: self._said[match[0]], value)
            if isinstance(value, str)
            else value
        )


def _purpose(item: Object) -> str | None:
    purpose: str | None = (item["metadata"].get("labels") or {}).get("pryv.io/purpose")
    return purpose


def _has_address(item: Object) -> bool:
    return item["kind"] == "Service" and item["spec"].get("clusterIP") not in (None, "None")
