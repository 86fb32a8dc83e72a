"""The pod template of a component."""

from __future__ import annotations

from typing import Any, Final

from pryv_operator.api import labels_annotations as keys
from pryv_operator.api import names
from pryv_operator.api.kubernetes import Object
from pryv_operator.objects import images, pvcs
from pryv_operator.objects.configuration import Configuration
from pryv_operator.objects.model import Component
from pryv_operator.objects.profiles import Probe
from pryv_operator.objects.services import PUBLISHED, port_name

#: Log files are copied to the pod's output and cut at 64 MiB each: nginx never rotates its own.
_LOG_VOLUME_SIZE: Final = "1Gi"
_LOG_READER: Final = """\
trap 'kill $readers 2>/dev/null; exit 0' TERM INT
seen=" "
readers=""
while :; do
  for file in /app/log/* /app/log/*/*; do
    [ -f "$file" ] || continue
    [ "$(wc -c <"$file")" -lt 67108864 ] || : >"$file"
    case "$file" in *.log) ;; *) continue ;; esac
    case "$seen" in *" $file "*) continue ;; esac
    tail -q -n +1 -F "$file" 2>/dev/null &
    readers="$readers $!" seen="$seen$file "
  done
  sleep 5 &
  wait $!
done
"""
#: Read by nginx's master process, which is root, and by nobody else.
_PRIVATE_KEY: Final = "-key.pem"
_LOG_READER_RESOURCES: Final = {
    "requests": {"cpu": "5m", "memory": "16Mi"},
    "limits": {"cpu": "200m", "memory": "64Mi"},
}
#: Of the grace period, what is left for the kubelet after the services have been stopped.
_STOP_MARGIN_SECONDS: Final = 10


def pod_template(
    component: Component, content: Configuration, shared_pvcs: frozenset[str]
) -> Object:
    """The pod template; it names its configuration by content, so nothing else is needed to roll it."""
    overrides = component.overrides
    labels = component.labels | names.platform_labels(component.platform.name)
    if component.service.ports:
        labels[PUBLISHED] = "true"
    shared = [claim.name for claim in pvcs.pvcs_of(component) if claim.name in shared_pvcs]
    if shared:
        labels[keys.PVC] = shared[0]
    own = {
        key: value
        for key, value in (overrides.labels or {}).items()
        if not key.startswith(f"{keys.GROUP}/")
    }
    metadata: Object = {"labels": own | labels}
    annotations = dict(overrides.annotations or {}) | (
        {keys.RESTARTED: component.restarted} if component.restarted else {}
    )
    if annotations:
        metadata["annotations"] = annotations

    spec: Object = {
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "terminationGracePeriodSeconds": component.profile.grace_seconds,
        "securityContext": _pod_security(component),
        "containers": [_container(component, content)],
        "volumes": _volumes(component, content),
    }
    if any(pvcs.is_log(mount) for mount in component.service.mounts):
        spec["initContainers"] = [_log_reader(component)]
    if component.host_aliases:
        spec["hostAliases"] = [
            {"ip": ip, "hostnames": list(hosts)} for ip, hosts in component.host_aliases
        ]
    if component.platform.spec.image_pull_secrets:
        spec["imagePullSecrets"] = [
            {"name": secret.name} for secret in component.platform.spec.image_pull_secrets
        ]
    affinity = _affinity(component, shared)
    if affinity:
        spec["affinity"] = affinity
    if overrides.node_selector:
        spec["nodeSelector"] = dict(overrides.node_selector)
    if overrides.tolerations:
        spec["tolerations"] = list(overrides.tolerations)
    if overrides.topology_spread_constraints:
        spec["topologySpreadConstraints"] = list(overrides.topology_spread_constraints)
    if overrides.priority_class_name:
        spec["priorityClassName"] = overrides.priority_class_name
    return {"metadata": metadata, "spec": spec}


def image(component: Component) -> str:
    """The component's image: the override as it is, or the release's from the wanted registry."""
    return component.overrides.image or images.in_registry(
        component.service.image, component.platform.spec.image_registry
    )


def _pod_security(component: Component) -> Object:
    context: Object = {"seccompProfile": {"type": "RuntimeDefault"}}
    if component.profile.fs_group is not None:
        context |= {"fsGroup": component.profile.fs_group, "fsGroupChangePolicy": "OnRootMismatch"}
    return context


def _container_security(*capabilities: str) -> Object:
    added: Object = {"add": sorted(capabilities)} if capabilities else {}
    return {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]} | added}


def _container(component: Component, content: Configuration) -> Object:
    container: Object = {
        "name": names.slug(component.service.name),
        "image": image(component),
        "securityContext": _container_security(*component.profile.capabilities),
        "volumeMounts": _mounts(component),
    }
    if component.service.command:
        container["command"] = ["/bin/sh", "-c", component.service.command]
    ports = _ports(component)
    if ports:
        container["ports"] = ports
    environment = _environment(component, content)
    if environment:
        container["env"] = environment
    if component.overrides.resources:
        container["resources"] = component.overrides.resources.model_dump(
            by_alias=True, exclude_none=True
        )
    container |= _probes(component)
    if component.profile.runit:
        container["lifecycle"] = {
            "preStop": {"exec": {"command": ["/bin/sh", "-c", _runit_stop(component)]}}
        }
    return container


def _runit_stop(component: Component) -> str:
    """Services are stopped in order, and only killed when nearly all of the grace period has passed."""
    return (
        f"sv -w {component.profile.grace_seconds - _STOP_MARGIN_SECONDS} force-stop /etc/service/*"
    )


def _ports(component: Component) -> list[Object]:
    published = [
        {
            "name": port_name(port),
            "containerPort": port.container,
            "protocol": port.protocol.upper(),
        }
        for port in sorted(
            set(component.service.ports), key=lambda port: (port.protocol, port.host)
        )
    ]
    taken = {(port["containerPort"], port["protocol"]) for port in published}
    reached = [
        {"name": f"tcp-{port}", "containerPort": port, "protocol": "TCP"}
        for port in component.reached_ports
        if (port, "TCP") not in taken
    ]
    return published + reached


def _environment(component: Component, content: Configuration) -> list[Object]:
    wanted: dict[str, Object] = {}
    for name, value in component.environment:
        if name in component.secret_environment:
            _, secret, key = content.places[environment_path(name)]
            wanted[name] = {
                "name": name,
                "valueFrom": {"secretKeyRef": {"name": secret, "key": key}},
            }
        else:
            wanted[name] = {"name": name, "value": value}
    for variable in component.overrides.env or []:
        wanted[variable.name] = {"name": variable.name, "value": variable.value}
    return list(wanted.values())


def environment_path(name: str) -> str:
    """Where the value of a secret environment variable is kept among a component's files."""
    return f"environment/{name}"


def _probes(component: Component) -> Object:
    profile = component.profile
    probes: Object = {}
    if profile.ready:
        attempts = max(1, profile.slow_start_seconds // 5)
        probes["startupProbe"] = _probe(profile.ready, period=5, failures=attempts, timeout=3)
        probes["readinessProbe"] = _probe(profile.ready, period=5, failures=3, timeout=3)
    if profile.alive:
        probes["livenessProbe"] = _probe(profile.alive, period=20, failures=6, timeout=5)
    return probes


def _probe(probe: Probe, *, period: int, failures: int, timeout: int) -> Object:
    return {
        **probe,
        "periodSeconds": period,
        "failureThreshold": failures,
        "timeoutSeconds": timeout,
    }


def _log_reader(component: Component) -> Object:
    """A sidecar with the component's own image that copies log files to the pod's output, and bounds them."""
    return {
        "name": "logs",
        "image": image(component),
        "restartPolicy": "Always",
        "command": ["/bin/sh", "-c", _LOG_READER],
        "securityContext": _container_security("DAC_OVERRIDE"),
        "resources": _LOG_READER_RESOURCES,
        "volumeMounts": [
            {"name": _volume_name(mount.source), "mountPath": "/app/log"}
            for mount in component.service.mounts
            if pvcs.is_log(mount)
        ][:1],
    }


def _mounts(component: Component) -> list[Object]:
    mounts: list[Object] = []
    for mount in component.service.mounts:
        claim = pvcs.pvc_of(component, mount)
        if claim:
            mounts.append({"name": _claim_volume(claim), "mountPath": mount.target})
        elif pvcs.is_log(mount):
            mounts.append({"name": _volume_name(mount.source), "mountPath": mount.target})
    return mounts + [
        {"name": _volume_name(files.folder), "mountPath": files.target, "readOnly": True}
        | ({"subPath": files.file} if files.file else {})
        for files in component.file_mounts
    ]


def _volumes(component: Component, content: Configuration) -> list[Object]:
    volumes: dict[str, Object] = {}
    for mount in component.service.mounts:
        claim = pvcs.pvc_of(component, mount)
        if claim:
            volumes[_claim_volume(claim)] = {"persistentVolumeClaim": {"claimName": claim.name}}
        elif pvcs.is_log(mount):
            volumes[_volume_name(mount.source)] = {"emptyDir": {"sizeLimit": _LOG_VOLUME_SIZE}}
    for files in component.file_mounts:
        volumes[_volume_name(files.folder)] = {
            "projected": {"defaultMode": 0o444, "sources": _sources(files.folder, content)}
        }
    return [{"name": name, **volume} for name, volume in volumes.items()]


def _sources(folder: str, content: Configuration) -> list[Object]:
    """The objects that hold files below a folder, each item with its path: object keys cannot hold a slash."""
    items: dict[tuple[str, str], list[Object]] = {}
    for path, (kind, name, key) in sorted(content.places.items()):
        if path.startswith(folder + "/"):
            item: Object = {"key": key, "path": path.removeprefix(folder + "/")}
            if path.endswith(_PRIVATE_KEY):
                item["mode"] = 0o400
            items.setdefault((kind, name), []).append(item)
    return [
        {"configMap" if kind == "ConfigMap" else "secret": {"name": name, "items": listed}}
        for (kind, name), listed in sorted(items.items())
    ]


def _claim_volume(claim: pvcs.Claim) -> str:
    return names.slug(f"{claim.owner}-{claim.purpose}")


def _volume_name(folder: str) -> str:
    return names.slug(folder.replace("/", "-"))


def _affinity(component: Component, shared: list[str]) -> dict[str, Any]:
    """The user's affinity, and beside it: pods that share a claim share a node."""
    affinity: dict[str, Any] = dict(component.overrides.affinity or {})
    terms = [
        {
            "labelSelector": {"matchLabels": {keys.PVC: claim}},
            "topologyKey": "kubernetes.io/hostname",
        }
        for claim in shared[:1]
    ]
    if terms:
        pods = dict(affinity.get("podAffinity") or {})
        key = "requiredDuringSchedulingIgnoredDuringExecution"
        pods[key] = [*(pods.get(key) or []), *terms]
        affinity["podAffinity"] = pods
    return affinity
