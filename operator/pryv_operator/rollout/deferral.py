"""Changes that stem from the operator alone wait for the next change of the platform. Pure.

A new version of the operator may render other files or build other pod templates for the same
platform. An upgrade of the operator must not restart pods, so such an update is deferred: the
workloads keep the templates of the newest revision until something that the platform is made from
changes, or until the annotation ``pryv.io/update`` asks for it.

The *basis* of a revision is what it was made from besides secrets and templates, which
``revision_inputs`` records. It is compared entry by entry, and entries that a revision does not
record are ignored, so that later versions of the operator may add some.
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Collection, Mapping
from dataclasses import replace
from typing import Any, Final

from pryv_operator.api import labels_annotations as keys
from pryv_operator.api.findings import Advisory
from pryv_operator.api.kubernetes import WORKLOAD_KINDS, Object
from pryv_operator.api.reasons import Reason
from pryv_operator.desired.inputs import Inputs
from pryv_operator.desired.state import Desired, InstancePlan
from pryv_operator.live.live_objects import LiveObjects
from pryv_operator.live.pod_references import referenced_configuration
from pryv_operator.pki.certificate import Certificate
from pryv_operator.rollout.revision_inputs import contents, fingerprint, keyed_hash
from pryv_operator.rollout.revision_record import state_digest, with_recorded_template
from pryv_operator.rollout.revisions import Revision

#: Fields of the spec that no object is made from.
_NOT_IN_OBJECTS: Final = ("rollout", "stopped", "deletionPolicy")
#: A message names at most so many components.
_SHOWN: Final = 6

Basis = Mapping[str, Any]


def is_state_of(revision: Revision, desired: Desired) -> bool:
    """Whether a revision records this desired state."""
    return revision.state_digest == state_digest((*desired.services, *desired.objects))


def compute_basis(inputs: Inputs, spec: Mapping[str, Any], update: str) -> dict[str, Any]:
    """What a desired state is made from, as a revision records it: JSON without secret values.

    ``spec``: as it is in the resource. ``update``: the platform's annotation ``pryv.io/update``.
    """
    return {
        "spec": _digest(_compared(spec)),
        "addresses": {
            name: [each.cluster_ip, each.load_balancer_ip]
            for name, each in sorted(inputs.addresses.items())
        },
        "certificates": keyed_hash(inputs.hash_key, _certificates(inputs).encode()),
        "authorities": _digest(inputs.authorities),
        "clusterDNS": inputs.cluster_dns,
        "unresolved": sorted(inputs.unresolved),
        "restart": inputs.restart,
        "update": update,
        "hashKey": _key_id(inputs.hash_key),
    }


def has_same_basis(revision: Revision, inputs: Inputs, basis: Basis) -> bool:
    """Whether a platform's inputs equal those that a revision records.

    The revision records a basis. Without the hash key that it was recorded with, its keyed hashes
    cannot be compared and count as equal: losing the key rolls nothing.
    """
    recorded = revision.basis
    if recorded is None:
        return False
    keyed = recorded.get("hashKey") == basis["hashKey"]
    if keyed and not _same_inputs(revision, inputs):
        return False
    ignored = ("addresses", "hashKey", *(() if keyed else ("certificates",)))
    if any(value != basis.get(key) for key, value in recorded.items() if key not in ignored):
        return False
    addresses = basis["addresses"]
    return all(addresses.get(name) == ips for name, ips in recorded.get("addresses", {}).items())


def seems_unchanged(
    revision: Revision, recorded_spec: Mapping[str, Any], inputs: Inputs, spec: Mapping[str, Any]
) -> bool:
    """The same for a revision of an earlier operator, which recorded no basis.

    The spec, the secrets and the templates are compared, and that the certificate is in use.
    """
    return (
        _compared(recorded_spec) == _compared(spec)
        and _same_inputs(revision, inputs)
        and _certificate_is_in_use(inputs)
    )


def deferred_desired(
    desired: Desired, recorded: Mapping[str, Object], live: LiveObjects
) -> Desired | None:
    """The desired state with the pod templates that a revision recorded, or None.

    None when nothing would be deferred, or when configuration that the recorded templates refer to
    does not exist any more, so that they could not run. Workloads that the revision does not record
    are omitted; so is the configuration of the templates that are deferred.
    """
    kept: list[Object] = []
    deferred: list[str] = []
    labels = {each.name: each.label for plan in desired.instances for each in plan.workloads}
    for item in desired.objects:
        name = item["metadata"]["name"]
        if item["kind"] not in WORKLOAD_KINDS:
            kept.append(item)
        elif name not in recorded:
            deferred.append(labels[name])
        else:
            before = with_recorded_template(item, recorded[name])
            if before["spec"]["template"] != item["spec"]["template"]:
                deferred.append(labels[name])
            kept.append(before)
    if not deferred:
        return None
    workloads = [item for item in kept if item["kind"] in WORKLOAD_KINDS]
    used = referenced_configuration(workloads)
    if any(live.get(*reference) is None for reference in used if _is_configuration(*reference)):
        return None
    return replace(
        desired,
        objects=tuple(item for item in kept if not _is_superfluous(item, used)),
        instances=_without_unrecorded(desired, recorded),
        warnings=(*desired.warnings, _advisory(deferred)),
        deferred=tuple(deferred),
    )


def _without_unrecorded(desired: Desired, recorded: Collection[str]) -> tuple[InstancePlan, ...]:
    return tuple(
        replace(
            plan,
            workloads=tuple(
                each
                for each in plan.workloads
                if each.name in recorded or each.name in desired.blocked
            ),
        )
        for plan in desired.instances
    )


def _advisory(deferred: Collection[str]) -> Advisory:
    listed = sorted(deferred)
    rest = f" and {len(listed) - _SHOWN} more" if len(listed) > _SHOWN else ""
    components = ", ".join(listed[:_SHOWN]) + rest
    return Advisory(
        Reason.UPDATE_DEFERRED,
        f"{components}: deferred: this version of the operator changes their files or pod "
        "templates, which is applied with the next change of the platform; to apply it now, set "
        f"the annotation {keys.UPDATE} to a new value",
    )


def _is_superfluous(item: Object, used: Collection[tuple[str, str]]) -> bool:
    kind, name = item["kind"], item["metadata"]["name"]
    return kind in ("ConfigMap", "Secret") and (kind, name) not in used


def _is_configuration(kind: str, name: str) -> bool:
    return kind in ("ConfigMap", "Secret") and bool(name)


def _same_inputs(revision: Revision, inputs: Inputs) -> bool:
    """Whether every secret and the templates that a revision records have the same content."""
    now = contents(inputs)
    return all(
        each in now and fingerprint(inputs.hash_key, each, now[each], digest) == digest
        for each, digest in revision.inputs.items()
    )


def _certificate_is_in_use(inputs: Inputs) -> bool:
    if inputs.certificate is None:
        return True
    chain = base64.b64encode(inputs.certificate.chain.encode()).decode()
    return any(chain in data.values() for data in inputs.owned_secrets.values())


def _certificates(inputs: Inputs) -> str:
    """All certificates and keys, as one text that is only hashed."""
    found = {"": inputs.certificate, **inputs.role_certificates}
    return json.dumps(
        {
            role: [each.chain, each.key]
            for role, each in sorted(found.items())
            if isinstance(each, Certificate)
        }
    )


def _compared(spec: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in spec.items() if key not in _NOT_IN_OBJECTS}


def _digest(value: Any) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()[:16]


def _key_id(hash_key: bytes) -> str:
    return hashlib.sha256(hash_key).hexdigest()[:6]
