"""PersistentVolumeClaims: objects of their own, so that they can grow and outlive workloads."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Final

from pryv_operator.api import labels_annotations as keys
from pryv_operator.api import names
from pryv_operator.api.findings import Advisory
from pryv_operator.api.kubernetes import Object
from pryv_operator.api.quantity import parse_quantity
from pryv_operator.api.reasons import Reason
from pryv_operator.compose.model import ComposeFile, Mount, Service
from pryv_operator.objects.model import PVC, Component
from pryv_operator.objects.profiles import Profile, profile_of

_DEFAULT_SIZE: Final = "10Gi"
#: Owner of the PVCs of volumes that no component keeps its state in.
_VOLUMES: Final = "volume"
#: Last parts of mounted folders whose files are rendered.
_RENDERED: Final = ("conf", "templates")
#: Folders of hosts and containers with devices, sockets, settings and programs: no data.
_SYSTEM: Final = (
    "/bin", "/boot", "/dev", "/etc", "/lib", "/lib64", "/proc", "/run", "/sbin", "/sys", "/usr",
    "/var/run",
)  # fmt: skip
#: The name of a file, with its extension.
_FILE: Final = re.compile(r"[^/]+\.[A-Za-z]\w{0,9}")


@dataclass(frozen=True)
class LivePVC:
    """What matters of a PVC in the cluster."""

    size: str
    storage_class: str | None = None
    #: Whether the operator has applied the storage class: omitting it would remove the field,
    #: which the API server refuses.
    owns_storage_class: bool = False
    #: Whether it has a controller other than the platform; an object has one at most.
    has_other_controller: bool = False


def pvc_of(component: Component, mount: Mount) -> PVC | None:
    """The PVC behind a mount; None for rendered files, logs, tmpfs and paths of the host.

    A read-only mount is of a PVC if another one of its folder is writable: else nothing fills it.
    """
    return _resolved_mounts(component)[mount]


def _resolved_mounts(component: Component) -> Mapping[Mount, PVC | None]:
    """What the component's mounts lead to, found out when it is first asked for."""
    known = component.pvcs
    if not known:
        known.update((mount, _pvc_of(component, mount)) for mount in component.service.mounts)
    return known


def _pvc_of(component: Component, mount: Mount) -> PVC | None:
    owner, _, purpose = mount.source.partition("/")
    if not mount.is_role_path or is_log(mount) or is_rendered(mount):
        return None
    if has_files(component, mount) or (mount.read_only and mount.source not in component.written):
        return None
    storage = component.instance.overrides_of(owner).storage
    purpose = names.slug(purpose.replace("/", "-")) or "data"
    if storage and storage.existing_claim and purpose == "data":
        return PVC(owner, purpose, storage.existing_claim, existing=True)
    name = names.pvc(component.platform.name, component.instance.name, owner, purpose)
    return PVC(owner, purpose, name, existing=False)


def is_log(mount: Mount) -> bool:
    """Whether a mount is a log folder of the role."""
    return mount.is_role_path and mount.source.endswith("/log")


def is_rendered(mount: Mount) -> bool:
    """Whether a mount is a folder of the role whose files are rendered."""
    return mount.is_role_path and mount.source.partition("/")[2] in _RENDERED


def has_files(component: Component, mount: Mount) -> bool:
    """Whether a mount is a file of the templates, or a folder with such files."""
    return mount.is_role_path and mount.source in component.file_paths


def pvcs_of(component: Component) -> tuple[PVC, ...]:
    """All PVCs that a component mounts."""
    return tuple(pvc for pvc in _resolved_mounts(component).values() if pvc)


def is_scalable(component: Component) -> bool:
    """Whether several pods may run side by side: not on data that are the component's own.

    Data of another component, such as core's, are made for several readers and writers.
    """
    others = {each.name for each in component.compose.services} - {component.service.name}
    return component.profile.scalable and all(pvc.owner in others for pvc in pvcs_of(component))


def resolve_mounts(compose: ComposeFile) -> dict[str, Service]:
    """The services by name, with a PVC where an image keeps state, and for each volume.

    A path of the host where an image keeps state, or a read-only mount, becomes the PVC of the
    component. Another folder of the host that a component with state writes to becomes a PVC of its
    own. So they do where other services mount the same path of the host.
    """
    owners: dict[tuple[str, str], str] = {}
    for service in compose.services:
        for mount in service.mounts:
            if mount.target == _state_path(service) and not mount.is_role_path:
                owners.setdefault((mount.kind, mount.source), _state_folder(service))
    for service in compose.services:
        for mount in service.mounts:
            if _state_path(service) and _is_data_folder(service, mount):
                owners.setdefault((mount.kind, mount.source), _host_folder(service, mount.source))
    return {service.name: _with_state(service, owners) for service in compose.services}


def written_folders(services: Iterable[Service]) -> frozenset[str]:
    """The folders of a role that its services mount and may write to."""
    return frozenset(
        mount.source
        for service in services
        for mount in service.mounts
        if mount.is_role_path and not mount.read_only
    )


def _with_state(service: Service, owners: Mapping[tuple[str, str], str]) -> Service:
    state = _state_path(service)
    mounts = [
        mount if mount.target == state else _resolved(mount, owners) for mount in service.mounts
    ]
    if state and not any(_covers(mount, state) for mount in mounts):
        mounts = [mount for mount in mounts if mount.target != state]
        mounts.append(Mount(_state_folder(service), state, read_only=False))
    return replace(service, mounts=tuple(mounts))


def _resolved(mount: Mount, owners: Mapping[tuple[str, str], str]) -> Mount:
    """A volume, or the path of the host where another service keeps state, as a PVC's folder."""
    if mount.is_role_path or mount.kind == "tmpfs":
        return mount
    folder = owners.get((mount.kind, mount.source))
    if folder is None and mount.kind == "volume":
        folder = f"{_VOLUMES}/{mount.source}"
    return replace(mount, source=folder, kind="path") if folder else mount


def _state_path(service: Service) -> str:
    return profile_of(service.name, service.image).state_path


def _state_folder(service: Service) -> str:
    return f"{service.name}/data"


def _host_folder(service: Service, source: str) -> str:
    """The folder of a service for a folder of the host; its PVC has a name of its own."""
    plain = re.sub("[^a-z0-9]+", "-", source.lower())[:40].strip("-")
    is_exact = f"/{plain.replace('-', '/')}" == source
    digest = "" if is_exact else f"-{hashlib.sha256(source.encode()).hexdigest()[:8]}"
    return f"{service.name}/host-{plain}{digest}"


def _is_data_folder(service: Service, mount: Mount) -> bool:
    """Whether a mount is a folder of the host that a service may keep data in.

    What a path of the host is cannot be seen here. A folder around the service's state would hide
    the files of the image, and one inside of rendered files could not be mounted.
    """
    paths = (mount.source, mount.target)
    return (
        mount.is_host_path
        and not mount.read_only
        and mount.source != "/"
        and not any(_is_in(path, system) for path in paths for system in _SYSTEM)
        and not all(_FILE.fullmatch(path.rpartition("/")[2]) for path in paths)
        and not _is_in(_state_path(service), mount.target)
        and not any(
            is_rendered(other) and _is_in(mount.target, other.target) for other in service.mounts
        )
    )


def _is_in(path: str, folder: str) -> bool:
    """Whether a path is a folder, or inside of it."""
    return path == folder or path.startswith(f"{folder.rstrip('/')}/")


def _covers(mount: Mount, path: str) -> bool:
    """Whether a mount of the role's folder is at a path or above it, and not merely read-only."""
    if not mount.is_role_path:
        return False
    if mount.target == path:
        return not mount.read_only or is_rendered(mount)
    return _is_in(path, mount.target)


def keeps_state(component: Component) -> bool:
    """Whether a PVC is mounted where the component's image keeps state, if it keeps any."""
    path = component.profile.state_path
    return not path or any(
        _is_in(path, mount.target) for mount in component.service.mounts if pvc_of(component, mount)
    )


def shared_pvcs(components: Iterable[Component]) -> frozenset[str]:
    """Names of the PVCs that several components mount: their pods must run on one node."""
    users: dict[str, set[str]] = {}
    for component in components:
        for pvc in pvcs_of(component):
            users.setdefault(pvc.name, set()).add(component.name)
    return frozenset(name for name, mounting in users.items() if len(mounting) > 1)


def pvc_objects(
    components: Iterable[Component], live: Mapping[str, LivePVC]
) -> tuple[tuple[Object, ...], tuple[Advisory, ...]]:
    """The PersistentVolumeClaims sorted by name, and warnings about changes that are impossible.

    PVCs that the user provides are not among them. A live PVC (``live``, by name) keeps its storage
    class, and its size where the desired one is smaller: the API server refuses both changes.
    """
    objects: dict[str, Object] = {}
    warnings: list[Advisory] = []
    for component in components:
        for pvc in pvcs_of(component):
            if pvc.existing or pvc.name in objects:
                continue
            item = _pvc_object(component, pvc)
            if pvc.name in live:
                field = f"spec.roles.{component.instance.role}.components.{pvc.owner}.storage"
                item, unchanged = _preserve(item, live[pvc.name], field)
                warnings += unchanged
            objects[pvc.name] = item
    return tuple(objects[name] for name in sorted(objects)), tuple(warnings)


def _pvc_object(component: Component, pvc: PVC) -> Object:
    storage = component.instance.overrides_of(pvc.owner).storage
    default = _owner_profile(component, pvc).storage.get(pvc.purpose, _DEFAULT_SIZE)
    size = storage.size if storage and storage.size is not None else default
    labels = {
        keys.ROLE: component.instance.role,
        **names.pod_selector(component.platform.name, component.instance.name, pvc.owner),
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
            pvc.name, labels, owned=not component.platform.retains_data
        ),
        "spec": spec,
    }


def _owner_profile(component: Component, pvc: PVC) -> Profile:
    """The profile of the service that a PVC's folder is named after."""
    services = component.compose.services
    image = next((each.image for each in services if each.name == pvc.owner), "")
    return profile_of(pvc.owner, image)


def _preserve(item: Object, live: LivePVC, field: str) -> tuple[Object, tuple[Advisory, ...]]:
    """The desired PVC with what cannot be changed as it is, and warnings about that.

    ``field`` is the path of the component's ``storage`` in the spec.
    """
    name, spec = item["metadata"]["name"], dict(item["spec"])
    warnings: list[Advisory] = []
    size = spec["resources"]["requests"]["storage"]
    if parse_quantity(size) < parse_quantity(live.size):
        spec["resources"] = {"requests": {"storage": live.size}}
        warnings.append(
            Advisory(
                Reason.PVC_SIZE_UNCHANGED,
                f'{field}.size: PVC "{name}" keeps its size {live.size}, a PVC cannot shrink to '
                f"{size}; set the size to {live.size}",
            )
        )
    storage_class = spec.get("storageClassName")
    if storage_class is None and live.owns_storage_class:
        spec["storageClassName"] = live.storage_class
    elif None not in (storage_class, live.storage_class) and storage_class != live.storage_class:
        spec["storageClassName"] = live.storage_class
        warnings.append(
            Advisory(
                Reason.PVC_STORAGE_CLASS_UNCHANGED,
                f'{field}.storageClassName: PVC "{name}" keeps its storage class '
                f'"{live.storage_class}", the class of a PVC cannot change to "{storage_class}"; '
                "restore the former class, or move the data to a PVC of your own (existingClaim)",
            )
        )
    metadata = item["metadata"]
    if live.has_other_controller and "ownerReferences" in metadata:
        own = {**metadata["ownerReferences"][0], "controller": False}
        metadata = {**metadata, "ownerReferences": [own]}
    return {**item, "metadata": metadata, "spec": spec}, tuple(warnings)
