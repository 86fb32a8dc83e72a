"""What runs before a component starts: its volumes are made writable, its dependencies answer.

Both are init containers with the image of the component, as no other one is sure to be at hand.
"""

from __future__ import annotations

from functools import cache
from importlib.resources import files
from typing import Final

from pryv_operator.api.kubernetes import Object
from pryv_operator.objects import pvcs, volume_names
from pryv_operator.objects.model import Component

VOLUME_OWNER: Final = "volume-owner"
DEPENDENCIES: Final = "dependencies"
#: A start is delayed by this at most: what cannot be reached may be down for long, and a component
#: says itself what it lacks.
_WAIT_SECONDS: Final = 120
#: Of containers that do next to nothing.
RESOURCES: Final = {
    "requests": {"cpu": "5m", "memory": "32Mi"},
    "limits": {"cpu": "1", "memory": "128Mi"},
}


def volume_owner(component: Component, image: str) -> Object | None:
    """Gives the folders of PVCs to the component's user, where the storage ignores ``fsGroup``.

    Such are volumes of type hostPath and NFS: the kubelet changes nothing in them. Source:
    https://kubernetes.io/docs/tasks/configure-pod-container/security-context/ (volumes that
    support changing ownership). A folder that the user can write to is left as it is.
    """
    user = component.profile.fs_group
    mounts = [
        (pvc, mount)
        for mount in component.service.mounts
        if not mount.read_only and (pvc := pvcs.pvc_of(component, mount))
    ]
    if user is None or not mounts:
        return None
    folders = sorted({mount.target for _, mount in mounts})
    return {
        "name": VOLUME_OWNER,
        "image": image,
        "command": ["/bin/sh", "-c", _script("volume_owner.sh"), VOLUME_OWNER, str(user), *folders],
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "capabilities": {"drop": ["ALL"], "add": ["CHOWN", "DAC_OVERRIDE", "FOWNER"]},
            "runAsUser": 0,
        },
        "resources": RESOURCES,
        "volumeMounts": [
            {"name": volume_names.pvc(pvc), "mountPath": mount.target} for pvc, mount in mounts
        ],
    }


def dependencies(component: Component, image: str) -> Object | None:
    """Waits until what the component connects to at its start accepts connections.

    After a restart of the node, pods start before kube-proxy has written its rules. A connection
    that is begun then is lost, and its client waits for two minutes (``tcp_syn_retries``). Each
    attempt here ends after two seconds.
    """
    hosts = {host for _, names in component.host_aliases for host in names}
    domain = component.platform.spec.domain
    targets = [
        f"{host}:{port}"
        for name, port in component.profile.connects
        if (host := name.replace("DOMAIN", domain)) in hosts
    ]
    if not targets:
        return None
    script = _script("wait_for_dependencies.js")
    # An image without Node.js starts without waiting.
    command = 'command -v node >/dev/null || exit 0; exec node -e "$0" "$@"'
    return {
        "name": DEPENDENCIES,
        "image": image,
        "command": ["/bin/sh", "-c", command, script, str(_WAIT_SECONDS), *targets],
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "capabilities": {"drop": ["ALL"]},
            "readOnlyRootFilesystem": True,
            "runAsNonRoot": True,
            "runAsUser": component.profile.fs_group,
            "runAsGroup": component.profile.fs_group,
        },
        "resources": RESOURCES,
    }


@cache
def _script(name: str) -> str:
    """A script without indentation, empty lines and comments: each pod template holds it."""
    text = files("pryv_operator.objects").joinpath(name).read_text(encoding="utf-8")
    lines = (line.strip() for line in text.splitlines())
    return "".join(f"{line}\n" for line in lines if line and not line.startswith(("# ", "// ")))
