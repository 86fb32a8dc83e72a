"""Claims: objects of their own, mounted by name, so that they can grow and outlive their workloads."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from kubernetes.utils.quantity import parse_quantity

from pryv_operator.api import labels_annotations as keys
from pryv_operator.api import names
from pryv_operator.api.findings import Advisory
from pryv_operator.api.kubernetes import Object
from pryv_operator.api.reasons import Reason
from pryv_operator.compose.model import Mount
from pryv_operator.objects.model import Component
from pryv_operator.objects.profiles import profile

_DEFAULT_SIZE: Final = "10Gi"
#: Folders whose files come from templates.
_RENDERED: Final = ("conf", "templates")


@dataclass(frozen=True)
class Claim:
    """A folder of the role that is kept: ``owner`` is the component whose folder it is (``core`` in ``core/data``)."""

    owner: str
    purpose: str
    name: str
    #: Whether the user brought it: then it is neither made nor changed.
    existing: bool


def pvc_of(component: Component, mount: Mount) -> Claim | None:
    """The claim behind a mount: ``<x>/data``, ``<x>/backup`` and whatever else is neither rendered nor a log."""
    owner, _, purpose = mount.source.partition("/")
    if mount.of_machine or mount.read_only or is_log(mount) or purpose in _RENDERED:
        return None
    storage = component.instance.overrides_of(owner).storage
    purpose = names.slug(purpose.replace("/", "-")) or "data"
    if storage and storage.existing_claim and purpose == "data":
        return Claim(owner, purpose, storage.existing_claim, existing=True)
    return Claim(
        owner,
        purpose,
        names.pvc(component.platform.name, component.instance.name, owner, purpose),
        existing=False,
    )


def is_log(mount: Mount) -> bool:
    """Whether a mount is a log folder of the role."""
    return not mount.of_machine and mount.source.endswith("/log")


def pvcs_of(component: Component) -> tuple[Claim, ...]:
    """All claims a component mounts."""
    return tuple(claim for mount in component.service.mounts if (claim := pvc_of(component, mount)))


def shared_pvcs(components: Iterable[Component]) -> frozenset[str]:
    """Names of claims that more than one component mounts: their pods must share a node."""
    seen: dict[str, set[str]] = {}
    for component in components:
        for claim in pvcs_of(component):
            seen.setdefault(claim.name, set()).add(component.name)
    return frozenset(name for name, users in seen.items() if len(users) > 1)


@dataclass(frozen=True)
class LivePVC:
    """A claim that exists. ``class_is_ours``: we once said its class, and leaving it out now would mean to remove it."""

    size: str
    storage_class: str | None = None
    class_is_ours: bool = False


def pvc_objects(
    components: Iterable[Component], there: Mapping[str, LivePVC]
) -> tuple[tuple[Object, ...], tuple[Advisory, ...]]:
    """A PersistentVolumeClaim for each claim that is not the user's own, and what is said about those that cannot become what is wanted.

    ``there`` are the claims that exist. A claim cannot shrink, nor change its class: it stays as it is.
    """
    objects: dict[str, Object] = {}
    warnings: list[Advisory] = []
    for component in components:
        for claim in pvcs_of(component):
            if claim.existing or claim.name in objects:
                continue
            item = _object(component, claim)
            if claim.name in there:
                warnings += _keep(item, there[claim.name])
            objects[claim.name] = item
    return tuple(objects[name] for name in sorted(objects)), tuple(warnings)


def _keep(item: Object, there: LivePVC) -> list[Advisory]:
    """Leave what cannot be changed as it is."""
    name, spec = item["metadata"]["name"], item["spec"]
    warnings: list[Advisory] = []
    wanted = spec["resources"]["requests"]["storage"]
    if parse_quantity(wanted) < parse_quantity(there.size):
        spec["resources"]["requests"]["storage"] = there.size
        warnings.append(
            Advisory(
                Reason.PVC_SIZE_UNCHANGED,
                f"claim {name} has {there.size} and keeps it: a claim cannot shrink to {wanted}",
            )
        )
    wanted_class = spec.get("storageClassName")
    if wanted_class is None and there.class_is_ours:
        spec["storageClassName"] = there.storage_class
    elif (
        wanted_class is not None
        and there.storage_class is not None
        and wanted_class != there.storage_class
    ):
        spec["storageClassName"] = there.storage_class
        kept = f"claim {name} is of storage class {there.storage_class} and keeps it: the class of a claim is fixed once it exists"
        warnings.append(Advisory(Reason.PVC_STORAGE_CLASS_UNCHANGED, kept))
    return warnings


def _object(component: Component, claim: Claim) -> Object:
    storage = component.instance.overrides_of(claim.owner).storage
    default = profile(claim.owner).storage.get(claim.purpose, _DEFAULT_SIZE)
    size = storage.size if storage and storage.size is not None else default
    labels = {
        keys.ROLE: component.instance.role,
        **names.pod_selector(component.platform.name, component.instance.name, claim.owner),
    }
    spec: Object = {
        "accessModes": ["ReadWriteOnce"],
        "resources": {"requests": {"storage": str(size)}},
    }
    if storage and storage.storage_class_name is not None:
        spec["storageClassName"] = storage.storage_class_name
    return {
        "apiVersion": "v1",
        "kind": "PersistentVolumeClaim",
        "metadata": component.platform.metadata(
            claim.name, labels, owned=not component.platform.retains_data
        ),
        "spec": spec,
    }
