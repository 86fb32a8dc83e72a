"""References of a platform that are refused: objects of others, and credentials of the cluster.

Whoever may write PryvPlatforms sees a referenced Secret in the files of a pod, and a referenced
PersistentVolumeClaim in its folders. Pure.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final

from pryv_operator.api import labels_annotations as keys
from pryv_operator.api.findings import Problem
from pryv_operator.api.instances import instances
from pryv_operator.api.kubernetes import Object
from pryv_operator.api.platform import Platform
from pryv_operator.api.reasons import Reason
from pryv_operator.desired import certificates
from pryv_operator.reconcile.existing_pvcs import ExistingPVC, declared_pvcs
from pryv_operator.reconcile.other_platforms import (
    OtherPlatform,
    labelled_platform,
    owning_platform,
)
from pryv_operator.reconcile.retention import has_other_controller

#: Types of Secrets that no platform needs the content of, and what they hold.
#: Source: https://kubernetes.io/docs/concepts/configuration/secret/#secret-types
CREDENTIAL_TYPES: Final[Mapping[str, str]] = {
    "kubernetes.io/service-account-token": "a token of a ServiceAccount",
    "bootstrap.kubernetes.io/token": "a token by which nodes join the cluster",
    "kubernetes.io/dockercfg": "a login of an image registry",
    "kubernetes.io/dockerconfigjson": "a login of an image registry",
    "helm.sh/release.v1": "all values of a Helm release",
}
#: How many users of a PVC a message lists.
_SHOWN: Final = 3


def check_references(
    platform: Platform,
    secrets: Mapping[str, Object],
    others: Mapping[str, OtherPlatform],
    pvcs: Mapping[str, ExistingPVC],
) -> tuple[Problem, ...]:
    """A problem for each reference that is refused.

    Args:
        platform: the platform.
        secrets: referenced Secrets that exist, by name.
        others: name of a Secret → the other platform that it belongs to.
        pvcs: PVCs that ``existingClaim`` names and that exist, by name.
    """
    found = [
        check_secret(where, secrets[name], others)
        for where, name in _secret_references(platform)
        if name in secrets
    ]
    found += [
        _check_pvc(where, pvcs[name], platform)
        for where, name in declared_pvcs(platform)
        if name in pvcs
    ]
    return tuple(problem for problem in found if problem)


def check_secret(where: str, secret: Object, others: Mapping[str, OtherPlatform]) -> Problem | None:
    """Why a platform may not refer to a Secret. ``where``: the field that does.

    ``others``: name of a Secret → the other platform that it belongs to.
    """
    name = secret["metadata"]["name"]
    held = CREDENTIAL_TYPES.get(secret.get("type") or "")
    if held:
        return _refused(
            where,
            f'Secret "{name}" has the type {secret["type"]} and holds {held}; '
            "name a Secret that was made for the platform",
        )
    if other := others.get(name):
        return _refused(
            where,
            f'Secret "{name}" {other.possession}; copy the value into a Secret of your own',
        )
    return None


def _check_pvc(where: str, pvc: ExistingPVC, platform: Platform) -> Problem | None:
    """Why a platform may not mount a PVC that exists."""
    name = pvc.item["metadata"]["name"]
    label, owner = labelled_platform(pvc.item, platform), owning_platform(pvc.item, platform)
    if other := label or owner:
        marks = [f"label {keys.PLATFORM}"] * bool(label) + ["owner reference"] * bool(owner)
        return _refused(
            where,
            f'PVC "{name}" belongs to platform "{other}"; name another PVC, or remove the '
            f"{' and the '.join(marks)} of this one to hand it over",
        )
    if has_other_controller(pvc.item, platform):
        return _refused(
            where,
            f'PVC "{name}" is controlled by {_controller(pvc.item)}; name another PVC',
        )
    if pvc.users:
        shown = ", ".join(pvc.users[:_SHOWN])
        rest = f" and {len(pvc.users) - _SHOWN} more" if len(pvc.users) > _SHOWN else ""
        return _refused(
            where,
            f'PVC "{name}" is in use by {shown}{rest}; stop what uses it, or name another PVC',
        )
    return None


def _refused(where: str, text: str) -> Problem:
    return Problem(Reason.NOT_ALLOWED, f"{where}: {text}")


def _secret_references(platform: Platform) -> Iterator[tuple[str, str]]:
    """Field and name of each Secret that the user names."""
    spec = platform.spec
    for variable, source in sorted(spec.secrets.items()):
        if source.secret_key_ref:
            yield f"spec.secrets.{variable}", source.secret_key_ref.name
    if name := certificates.secret_name(platform):
        field = "secretName" if spec.tls and spec.tls.secret_name else "issuerRef"
        yield f"spec.tls.{field}", name
    by_role = {each.role: each.tls_secret for each in instances(spec) if each.tls_secret}
    for role, name in by_role.items():
        yield f"spec.roles.{role}.tls.secretName", name


def _controller(item: Object) -> str:
    owners = item["metadata"].get("ownerReferences") or []
    return next(f'{each["kind"]} "{each["name"]}"' for each in owners if each.get("controller"))
