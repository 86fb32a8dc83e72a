"""The history of a platform: each distinct desired state is a numbered ControllerRevision. Pure.

A revision records the spec and, for each workload, the pod template that is applied, which names its configuration by content. It holds
no values of secrets. What a pass needs to know of it stands in its annotations, so that passes read metadata only.
"""

from __future__ import annotations

import base64
import datetime as dt
import hashlib
import json
import zlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from pryv_operator.api import labels_annotations as keys
from pryv_operator.api import names
from pryv_operator.api.kubernetes import WORKLOAD_KINDS, Object
from pryv_operator.api.platform import Platform
from pryv_operator.live import diff
from pryv_operator.live.pod_references import Reference, referenced_configuration
from pryv_operator.rollout.decide import Template
from pryv_operator.rollout.revision_inputs import RevisionInput, decode_all, encode_all

PURPOSE: Final = "history"
DEFAULT_LIMIT: Final = 10
#: Templates that are larger than this together (bytes) are kept compressed: an object holds 1.5 MiB at most.
_PLAIN_BYTES: Final = 600_000
_NOT_RECORDED: Final = ("replicas",)
_FAILURE_CHARACTERS: Final = 2000


@dataclass(frozen=True)
class Revision:
    """A revision as its metadata tell of it. ``inputs``: what outside of the spec went into it → keyed hash."""

    number: int
    name: str
    desired: str
    created: dt.datetime
    templates: Mapping[str, Template]
    references: frozenset[Reference]
    inputs: Mapping[RevisionInput, str]
    complete: bool
    failed: str | None
    attempt: str
    retried: dt.datetime | None
    #: Workloads that were not ready when it began.
    unready: frozenset[str]
    #: Workloads that migrate their data, and were given another image with it.
    migrated: frozenset[str]
    #: Workload → the restart it is made for; None: it was recorded by an operator that did not keep it.
    restarts: Mapping[str, str] | None
    #: Its ``metadata``, for preconditions.
    item: Object

    @property
    def began(self) -> dt.datetime:
        """When its rollout began, or was begun again."""
        return self.retried or self.created


def revisions(items: Iterable[Object]) -> tuple[Revision, ...]:
    """The history, oldest first; what cannot be read is passed over."""
    found = [revision for item in items if (revision := _revision(item))]
    return tuple(sorted(found, key=lambda each: each.number))


def last_good(history: Sequence[Revision]) -> Revision | None:
    """The newest revision that was rolled out to the end."""
    return next((each for each in reversed(history) if each.complete), None)


def inputs_in_use(history: Sequence[Revision]) -> frozenset[RevisionInput]:
    """Inputs that the newest revision was made with."""
    return frozenset(history[-1].inputs) if history else frozenset()


def migrated(history: Sequence[Revision]) -> frozenset[str]:
    """Workloads that may have migrated their data since the last good revision."""
    good = last_good(history)
    return frozenset(
        name
        for each in history
        if good is None or each.number > good.number
        for name in each.migrated
    )


def restarts(history: Sequence[Revision]) -> Mapping[str, str] | None:
    """Workload → the restart that the newest revision has it made for; None: nobody knows."""
    return history[-1].restarts if history else None


def superfluous(history: Sequence[Revision], limit: int) -> tuple[Revision, ...]:
    """Revisions beyond the limit: never the newest one, nor the last good one."""
    good = last_good(history)
    older = [each for each in history[:-1] if each is not good]
    return tuple(older[: max(0, len(older) - limit)])


def state_digest(objects: Iterable[Object]) -> str:
    """Digest of a desired state: workloads (how often they run aside), Services and claims. Configuration is named in those.

    Hashes of shared secrets do not count: a lost key changes them all, and nothing else.
    """
    counted = sorted(
        (
            [item["kind"], item["metadata"]["name"], _without_hashes(_recorded(item))]
            for item in objects
            if item["kind"] in _COUNTED
        ),
        key=lambda entry: (entry[0], entry[1]),
    )
    return hashlib.sha256(json.dumps(counted, sort_keys=True).encode()).hexdigest()[:16]


_COUNTED: Final = (*WORKLOAD_KINDS, "Service", "PersistentVolumeClaim")


def template_of(workload: Object) -> Template:
    """What a rollout compares of a workload, as desired or as it was applied."""
    annotations = workload["metadata"].get("annotations") or {}
    pod = workload["spec"]["template"]
    return Template(
        annotations.get(keys.TEMPLATE) or diff.template_digest(pod),
        pod["spec"]["containers"][0].get("image"),
        _shared(annotations.get(keys.SHARED_SECRETS)),
    )


def record(
    platform: Platform,
    number: int,
    spec: Mapping[str, Any],
    objects: Iterable[Object],
    desired: str,
    inputs: Mapping[RevisionInput, str],
    *,
    unready: Iterable[str] = (),
    migrated: Iterable[str] = (),
) -> Object:
    """The ControllerRevision of a desired state."""
    workloads = {
        item["metadata"]["name"]: item for item in objects if item["kind"] in WORKLOAD_KINDS
    }
    templates = {name: _template_entry(item) for name, item in workloads.items()}
    referenced = sorted(referenced_configuration(workloads.values()))
    metadata = platform.metadata(names.revision(platform.name, number), {keys.PURPOSE: PURPOSE})
    metadata["annotations"] = {
        keys.DESIRED: desired,
        keys.TEMPLATES: _compact(templates),
        keys.REFERENCES: _compact([f"{kind}/{name}" for kind, name in referenced]),
        keys.INPUTS: _compact(encode_all(inputs)),
        keys.UNREADY: _compact(sorted(unready)),
        **migrated_too(migrated),
    }
    return {
        "apiVersion": "apps/v1",
        "kind": "ControllerRevision",
        "metadata": metadata,
        "revision": number,
        "data": {
            "spec": dict(spec),
            **_packed({name: _recorded(item) for name, item in workloads.items()}),
        },
    }


def recorded_workloads(revision: Object) -> dict[str, Object]:
    """Workloads of a revision that was read whole: name → what was recorded of it."""
    data = revision["data"]
    if "packedWorkloads" in data:
        found: dict[str, Object] = json.loads(
            zlib.decompress(base64.b64decode(data["packedWorkloads"]))
        )
        return found
    return dict(data.get("workloads") or {})


def with_recorded_template(wanted: Object, recorded: Object) -> Object:
    """A workload with the pod template of a revision; everything else of it as it is wanted now."""
    annotations = {**wanted["metadata"].get("annotations", {})}
    annotations.pop(keys.SHARED_SECRETS, None)
    shared = (recorded.get("annotations") or {}).get(keys.SHARED_SECRETS)
    if shared:
        annotations[keys.SHARED_SECRETS] = shared
    metadata = {**wanted["metadata"], "annotations": annotations}
    if not annotations:
        del metadata["annotations"]
    return {
        **wanted,
        "metadata": metadata,
        "spec": {**wanted["spec"], "template": recorded["spec"]["template"]},
    }


def migrated_too(names_of_workloads: Iterable[str]) -> dict[str, str]:
    """Annotation of a revision that gives workloads another image which may migrate their data."""
    listed = sorted(names_of_workloads)
    return {keys.MIGRATED: _compact(listed)} if listed else {}


def completed() -> dict[str, str | None]:
    """Annotations of a revision that was rolled out to the end."""
    return {keys.COMPLETE: "true"}


def failed(why: str, attempt: str) -> dict[str, str | None]:
    """Annotations of a revision whose rollout has failed."""
    return {keys.FAILED: why[:_FAILURE_CHARACTERS], keys.ATTEMPT: attempt}


def tried_again(now: dt.datetime) -> dict[str, str | None]:
    """Annotations of a revision that has failed and is tried once more."""
    return {keys.FAILED: None, keys.ATTEMPT: None, keys.RETRIED: f"{now:%Y-%m-%dT%H:%M:%SZ}"}


def time_of(text: str) -> dt.datetime:
    """A time as the API server writes it."""
    return dt.datetime.fromisoformat(text)


def _recorded(item: Object) -> Object:
    """What makes an object what it is: no owners, no times, not how often it runs."""
    spec = {
        key: value for key, value in (item.get("spec") or {}).items() if key not in _NOT_RECORDED
    }
    annotations = item["metadata"].get("annotations")
    return {
        "kind": item["kind"],
        "labels": item["metadata"].get("labels", {}),
        "annotations": annotations or {},
        "spec": spec,
    }


def _without_hashes(recorded: Object) -> Object:
    kept = {
        key: value for key, value in recorded["annotations"].items() if key != keys.SHARED_SECRETS
    }
    return {**recorded, "annotations": kept}


def _packed(workloads: Mapping[str, Object]) -> Object:
    text = _compact(workloads)
    if len(text) <= _PLAIN_BYTES:
        return {"workloads": dict(workloads)}
    return {"packedWorkloads": base64.b64encode(zlib.compress(text.encode(), 9)).decode()}


def _revision(item: Object) -> Revision | None:
    metadata = item["metadata"]
    annotations = metadata.get("annotations") or {}
    number = metadata["name"].rsplit("-", 1)[-1]
    try:
        templates = json.loads(annotations[keys.TEMPLATES])
        references = json.loads(annotations[keys.REFERENCES])
        inputs = decode_all(json.loads(annotations[keys.INPUTS]))
        retried = annotations.get(keys.RETRIED)
        return Revision(
            number=int(number),
            name=metadata["name"],
            desired=annotations[keys.DESIRED],
            created=time_of(metadata["creationTimestamp"]),
            templates={
                name: Template(entry["digest"], entry.get("image"), _shared(entry.get("shared")))
                for name, entry in templates.items()
            },
            references=frozenset(
                (kind, name) for kind, _, name in (each.partition("/") for each in references)
            ),
            inputs=inputs,
            complete=annotations.get(keys.COMPLETE) == "true",
            failed=annotations.get(keys.FAILED),
            attempt=annotations.get(keys.ATTEMPT, ""),
            retried=time_of(retried) if retried else None,
            unready=frozenset(json.loads(annotations.get(keys.UNREADY, "[]"))),
            migrated=frozenset(json.loads(annotations.get(keys.MIGRATED, "[]"))),
            restarts=_restarts(templates),
            item=item,
        )
    except (KeyError, ValueError, TypeError, AttributeError):
        return None


def _template_entry(item: Object) -> Object:
    template = template_of(item)
    annotations = item["spec"]["template"]["metadata"].get("annotations") or {}
    entry = {
        "digest": template.digest,
        "image": template.image,
        "restarted": annotations.get(keys.RESTARTED, ""),
    }
    return entry | ({"shared": _compact(dict(sorted(template.shared)))} if template.shared else {})


def _restarts(templates: Mapping[str, Any]) -> Mapping[str, str] | None:
    if any("restarted" not in entry for entry in templates.values()):
        return None
    return {name: entry["restarted"] for name, entry in templates.items() if entry["restarted"]}


def _shared(text: str | None) -> frozenset[tuple[str, str]]:
    try:
        found = json.loads(text) if text else {}
    except ValueError:
        return frozenset()
    return frozenset(found.items()) if isinstance(found, dict) else frozenset()


def _compact(value: Any) -> str:
    return json.dumps(value, sort_keys=True, separators=(",", ":"))
