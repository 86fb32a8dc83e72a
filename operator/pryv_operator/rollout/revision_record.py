"""What a ControllerRevision records of a desired state, and how it is used again. Pure.

A revision records the spec and, for each workload, the pod template that is applied. The template
names its configuration by content, so a revision holds no secret value.
"""

from __future__ import annotations

import base64
import hashlib
import json
import zlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from pryv_operator.api import labels_annotations as keys
from pryv_operator.api import names
from pryv_operator.api.kubernetes import WORKLOAD_KINDS, Object
from pryv_operator.api.platform import Platform
from pryv_operator.desired.output_limits import OBJECTS_LIMIT
from pryv_operator.live import diff
from pryv_operator.live.pod_references import referenced_configuration
from pryv_operator.rollout.decide import PodTemplate
from pryv_operator.rollout.revision_inputs import RevisionInput, encode_all
from pryv_operator.rollout.revisions import (
    PURPOSE,
    compact_json,
    migrated_annotations,
    parse_shared_secrets,
)

#: Workloads that are larger than this together (bytes of JSON) are recorded compressed, because an
#: object holds at most 1.5 MiB.
_PLAIN_BYTES: Final = 600_000
#: More is not read: a few bytes can stand for gigabytes.
_MAX_UNPACKED_BYTES: Final = OBJECTS_LIMIT
#: Scaling a workload makes no new revision.
_NOT_RECORDED: Final = ("replicas",)
#: Kinds that make up a desired state. Configuration is named in the pod templates of workloads.
_DIGESTED_KINDS: Final = (*WORKLOAD_KINDS, "Service", "PersistentVolumeClaim")


@dataclass(frozen=True)
class NewRevision:
    """A revision to record.

    ``spec``: the resource's. ``objects``: the desired ones. ``inputs``: see ``fingerprints``.
    ``basis``: see ``deferral``.
    ``unready``, ``migrated``, ``blocked``: see ``Revision``.
    """

    number: int
    spec: Mapping[str, Any]
    objects: tuple[Object, ...] = field(repr=False)
    state_digest: str
    inputs: Mapping[RevisionInput, str]
    basis: Mapping[str, Any] | None = None
    unready: frozenset[str] = frozenset()
    migrated: frozenset[str] = frozenset()
    blocked: tuple[str, ...] = ()


def state_digest(objects: Iterable[Object]) -> str:
    """The digest of a desired state: its workloads (without replicas), Services and PVCs.

    Hashes of shared secrets do not count: losing the hash key changes all of them and nothing else.
    """
    counted = sorted(
        (
            [item["kind"], item["metadata"]["name"], _without_secret_hashes(_recorded(item))]
            for item in objects
            if item["kind"] in _DIGESTED_KINDS
        ),
        key=lambda entry: (entry[0], entry[1]),
    )
    # That of the list as JSON, entry by entry: other threads run in between.
    digest = hashlib.sha256(b"[")
    for index, entry in enumerate(counted):
        digest.update((", " * bool(index) + json.dumps(entry, sort_keys=True)).encode())
    digest.update(b"]")
    return digest.hexdigest()[:16]


def pod_template(workload: Object) -> PodTemplate:
    """The pod template of a desired or live workload, as a rollout compares it."""
    annotations = workload["metadata"].get("annotations") or {}
    template = workload["spec"]["template"]
    return PodTemplate(
        annotations.get(keys.TEMPLATE) or diff.template_digest(template),
        template["spec"]["containers"][0].get("image"),
        parse_shared_secrets(annotations.get(keys.SHARED_SECRETS)),
        (template["metadata"].get("annotations") or {}).get(keys.BOOT_INPUTS, ""),
    )


def controller_revision(platform: Platform, new: NewRevision) -> Object:
    """The ControllerRevision that records a desired state."""
    workloads = {
        item["metadata"]["name"]: item for item in new.objects if item["kind"] in WORKLOAD_KINDS
    }
    templates = {name: _template_entry(item) for name, item in workloads.items()}
    references = sorted(referenced_configuration(workloads.values()))
    metadata = platform.metadata(names.revision(platform.name, new.number), {keys.PURPOSE: PURPOSE})
    metadata["annotations"] = {
        keys.DESIRED: new.state_digest,
        keys.TEMPLATES: compact_json(templates),
        keys.REFERENCES: compact_json([f"{kind}/{name}" for kind, name in references]),
        keys.INPUTS: compact_json(encode_all(new.inputs)),
        keys.UNREADY: compact_json(sorted(new.unready)),
        **migrated_annotations(new.migrated),
        **({keys.BLOCKED: compact_json(list(new.blocked))} if new.blocked else {}),
        **({keys.BASIS: compact_json(new.basis)} if new.basis is not None else {}),
    }
    return {
        "apiVersion": "apps/v1",
        "kind": "ControllerRevision",
        "metadata": metadata,
        "revision": new.number,
        "data": {
            "spec": dict(new.spec),
            **_packed({name: _recorded(item) for name, item in workloads.items()}),
        },
    }


def recorded_workloads(revision: Object) -> dict[str, Object]:
    """Workload → what was recorded of it, from a ControllerRevision with its data.

    Raises:
        KeyError, TypeError, ValueError, zlib.error: it cannot be read.
    """
    data = revision["data"]
    if "packedWorkloads" in data:
        found: dict[str, Object] = json.loads(_unpacked(data["packedWorkloads"]))
        return found
    return dict(data.get("workloads") or {})


def with_recorded_template(desired: Object, recorded: Object) -> Object:
    """A desired workload with the pod template that a revision recorded of it."""
    annotations = {**desired["metadata"].get("annotations", {})}
    annotations.pop(keys.SHARED_SECRETS, None)
    shared = (recorded.get("annotations") or {}).get(keys.SHARED_SECRETS)
    if shared:
        annotations[keys.SHARED_SECRETS] = shared
    metadata = {**desired["metadata"], "annotations": annotations}
    if not annotations:
        del metadata["annotations"]
    return {
        **desired,
        "metadata": metadata,
        "spec": {**desired["spec"], "template": recorded["spec"]["template"]},
    }


def _recorded(item: Object) -> Object:
    """What is recorded of an object: no owner references, times or replicas."""
    spec = {
        key: value for key, value in (item.get("spec") or {}).items() if key not in _NOT_RECORDED
    }
    return {
        "kind": item["kind"],
        "labels": item["metadata"].get("labels", {}),
        "annotations": item["metadata"].get("annotations") or {},
        "spec": spec,
    }


def _without_secret_hashes(recorded: Object) -> Object:
    annotations = {
        key: value for key, value in recorded["annotations"].items() if key != keys.SHARED_SECRETS
    }
    return {**recorded, "annotations": annotations}


def _packed(workloads: Mapping[str, Object]) -> Object:
    # As ``compact_json`` of all, but other threads run in between.
    entries = (
        f"{compact_json(name)}:{compact_json(workloads[name])}" for name in sorted(workloads)
    )
    text = f"{{{','.join(entries)}}}"
    if len(text) <= _PLAIN_BYTES:
        return {"workloads": dict(workloads)}
    return {"packedWorkloads": base64.b64encode(zlib.compress(text.encode(), 9)).decode()}


def _unpacked(text: str) -> bytes:
    unpack = zlib.decompressobj()
    found = unpack.decompress(base64.b64decode(text), _MAX_UNPACKED_BYTES)
    if unpack.unconsumed_tail or not unpack.eof:
        raise ValueError("more than the operator records, or cut off")
    return found


def _template_entry(workload: Object) -> Object:
    """What the annotation ``pryv.io/templates`` holds for a workload."""
    template = pod_template(workload)
    annotations = workload["spec"]["template"]["metadata"].get("annotations") or {}
    entry = {
        "digest": template.digest,
        "image": template.image,
        "restarted": annotations.get(keys.RESTARTED, ""),
    }
    if template.shared:
        entry["shared"] = compact_json(dict(sorted(template.shared)))
    if template.boot_inputs:
        entry["bootInputs"] = template.boot_inputs
    return entry
