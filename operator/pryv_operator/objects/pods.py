"""The pod template of a component."""

from __future__ import annotations

from typing import Any, Final

from pryv_operator.api import labels_annotations as keys
from pryv_operator.api import names
from pryv_operator.api.kubernetes import Object
from pryv_operator.compose.model import Service
from pryv_operator.objects import audit, images, init_containers, pvcs, relay, volume_names
from pryv_operator.objects.configuration import Configuration
from pryv_operator.objects.model import Component
from pryv_operator.objects.profiles import Probe

_LOG_VOLUME_SIZE: Final = "1Gi"
#: Copies log files to the output, and truncates each at 64 MiB: nginx never rotates its own.
#: Of the files that a service rotates (``core.log.2026-11-26``, winston's daily rotation) the seven
#: newest stay, as the volume has a limit and a pod that exceeds it is evicted. Their services write
#: the same lines to the output themselves.
_LOG_READER: Final = """\
trap 'kill $readers 2>/dev/null; exit 0' TERM INT QUIT HUP
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
  ls -1t /app/log/*.log.* /app/log/*/*.log.* 2>/dev/null | tail -n +8 |
    while read -r file; do rm -f "$file"; done
  sleep 5 &
  wait $!
done
"""
#: Files that only root may read: nginx's master process reads private keys.
_PRIVATE_KEY: Final = "-key.pem"
_LOG_READER_RESOURCES: Final = {
    "requests": {"cpu": "5m", "memory": "16Mi"},
    "limits": {"cpu": "200m", "memory": "64Mi"},
}
#: How long kube-proxy, and nginx with the connections that it keeps, may still use a pod that has
#: been replaced. Without it 15 of 751 requests failed when register was replaced.
_DRAIN_SECONDS: Final = 5
#: What remains of the grace period for the kubelet once the services have stopped.
_STOP_MARGIN_SECONDS: Final = 10


def pod_template(
    component: Component, configuration: Configuration, shared_pvcs: frozenset[str]
) -> Object:
    """The pod template of a component.

    It refers to its configuration by content-addressed names: any change of a file changes it.

    Args:
        component: the component.
        configuration: where the component's files are.
        shared_pvcs: names of the PVCs that other components mount too.
    """
    shared = [pvc.name for pvc in pvcs.pvcs_of(component) if pvc.name in shared_pvcs]
    spec: Object = {
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "terminationGracePeriodSeconds": component.profile.grace_seconds,
        "securityContext": _pod_security_context(component),
        "containers": [_container(component, configuration)],
        "volumes": _volumes(component, configuration),
    }
    before = _init_containers(component)
    if before:
        spec["initContainers"] = before
    if component.host_aliases:
        spec["hostAliases"] = [
            {"ip": ip, "hostnames": list(hosts)} for ip, hosts in component.host_aliases
        ]
    if component.platform.spec.image_pull_secrets:
        spec["imagePullSecrets"] = [
            {"name": secret.name} for secret in component.platform.spec.image_pull_secrets
        ]
    return {"metadata": _metadata(component, shared), "spec": spec | _scheduling(component, shared)}


def image(component: Component) -> str:
    """The image override as it is, or the image of the compose file in the platform's registry."""
    return component.overrides.image or images.in_registry(
        component.service.image, component.platform.spec.image_registry
    )


def environment_path(name: str) -> str:
    """Path of the file that holds the value of a secret environment variable."""
    return f"environment/{name}"


def _metadata(component: Component, shared: list[str]) -> Object:
    """The user's labels and annotations, and the operator's, which take precedence."""
    overrides = component.overrides
    labels = {
        key: value
        for key, value in (overrides.labels or {}).items()
        if not key.startswith(f"{keys.GROUP}/")
    }
    labels |= component.labels | names.platform_labels(component.platform.name)
    if component.service.ports:
        labels[keys.PUBLISHED] = "true"
    if shared:
        labels[keys.PVC] = shared[0]
    annotations = dict(overrides.annotations or {})
    if component.restarted:
        annotations[keys.RESTARTED] = component.restarted
    if component.boot_inputs:
        annotations[keys.BOOT_INPUTS] = component.boot_inputs.digest
    return {"labels": labels} | ({"annotations": annotations} if annotations else {})


def _scheduling(component: Component, shared: list[str]) -> Object:
    overrides = component.overrides
    fields: Object = {
        "affinity": _affinity(component, shared),
        "nodeSelector": dict(overrides.node_selector or {}),
        "tolerations": list(overrides.tolerations or ()),
        "topologySpreadConstraints": list(overrides.topology_spread_constraints or ()),
        "priorityClassName": overrides.priority_class_name,
    }
    return {name: value for name, value in fields.items() if value}


def _affinity(component: Component, shared: list[str]) -> dict[str, Any]:
    """The user's affinity, and a term by which pods that share a PVC run on one node.

    Every sharing pod requires the label, core too: affinity to core alone would block for ever
    once core moves to another node first.
    """
    affinity: dict[str, Any] = dict(component.overrides.affinity or {})
    if shared:
        term = {
            "labelSelector": {"matchLabels": {keys.PVC: shared[0]}},
            "topologyKey": "kubernetes.io/hostname",
        }
        pod_affinity = dict(affinity.get("podAffinity") or {})
        required = "requiredDuringSchedulingIgnoredDuringExecution"
        pod_affinity[required] = [*(pod_affinity.get(required) or []), term]
        affinity["podAffinity"] = pod_affinity
    return affinity


def _pod_security_context(component: Component) -> Object:
    context: Object = {"seccompProfile": {"type": "RuntimeDefault"}}
    if component.profile.fs_group is not None:
        context |= {"fsGroup": component.profile.fs_group, "fsGroupChangePolicy": "OnRootMismatch"}
    return context


def _container_security_context(*capabilities: str) -> Object:
    added: Object = {"add": sorted(capabilities)} if capabilities else {}
    return {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]} | added}


def _init_containers(component: Component) -> list[Object]:
    """What runs before the component, and the sidecars, which run beside it."""
    of = image(component)
    found = [
        init_containers.volume_owner(component, of),
        init_containers.dependencies(component, of),
    ]
    if any(pvcs.is_log(mount) for mount in component.service.mounts):
        found.append(_log_reader(component))
    found += audit.sidecars(component.service, of)
    if component.relay:
        found.append(relay.sidecar_of(component.relay, of))
    return [each for each in found if each]


def _container(component: Component, configuration: Configuration) -> Object:
    container: Object = {
        "name": names.slug(component.service.name),
        "image": image(component),
        "securityContext": _container_security_context(*component.profile.capabilities),
        "volumeMounts": _volume_mounts(component),
    }
    container |= _command(component.service)
    ports = _ports(component)
    if ports:
        container["ports"] = ports
    environment = _environment(component, configuration)
    if environment:
        container["env"] = environment
    if component.overrides.resources:
        container["resources"] = component.overrides.resources.model_dump(
            by_alias=True, exclude_none=True
        )
    container |= _probes(component)
    lifecycle = _lifecycle(component)
    if lifecycle:
        container["lifecycle"] = lifecycle
    return container


def _lifecycle(component: Component) -> Object:
    hooks: Object = {}
    post_start = audit.post_start(component.service)
    if post_start:
        hooks["postStart"] = post_start
    pre_stop = _pre_stop(component)
    if pre_stop:
        hooks["preStop"] = pre_stop
    return hooks


def _pre_stop(component: Component) -> Object | None:
    """What happens before the container gets its signal.

    Where another pod has replaced this one, it goes on serving while its clients learn that.
    """
    profile = component.profile
    drain = _DRAIN_SECONDS if _is_reached(component) and is_replaced_first(component) else 0
    if not profile.runit:
        return {"sleep": {"seconds": drain}} if drain else None
    # Services that do not stop are killed before the grace period ends.
    limit = profile.grace_seconds - _STOP_MARGIN_SECONDS - drain
    sleep = f"sleep {drain}; " if drain else ""
    stop = f"{sleep}sv -w {limit} force-stop /etc/service/*"
    return {"exec": {"command": ["/bin/sh", "-c", stop]}}


def _is_reached(component: Component) -> bool:
    return bool(component.reached_ports or component.reached_udp_ports)


def is_replaced_first(component: Component) -> bool:
    """Whether a new pod is Ready before the old one stops.

    Pods that mount a PVC run on one node: a new pod beside an old one could not move to another,
    and on the same node both would write the same files.
    """
    profile = component.profile
    return not (profile.stateful or profile.single or pvcs.pvcs_of(component))


def _command(service: Service) -> Object:
    """``command`` and ``args``: the entry point and the command of the compose file.

    Docker's entry point is Kubernetes' command, and its command Kubernetes' args. Source:
    https://kubernetes.io/docs/tasks/inject-data-application/define-command-argument-container/
    """
    fields = {"command": service.entrypoint, "args": service.command}
    return {name: [_literal(word) for word in words] for name, words in fields.items() if words}


def _literal(text: str) -> str:
    """A text that Kubernetes leaves as it is: it would expand ``$(NAME)``, and ``$$`` to ``$``."""
    return text.replace("$", "$$") if "$(" in text or "$$" in text else text


def _ports(component: Component) -> list[Object]:
    """The published ports, then the others that components connect to."""
    published = {
        (port.container, port.protocol.upper()): component.port_name(port)
        for port in sorted(component.service.ports, key=lambda port: (port.protocol, port.host))
    }
    reached = {(port, "TCP"): f"tcp-{port}" for port in component.reached_ports}
    reached |= {(port, "UDP"): f"udp-{port}" for port in component.reached_udp_ports}
    names_of = published | {port: name for port, name in reached.items() if port not in published}
    return [
        {"name": name, "containerPort": port, "protocol": protocol}
        for (port, protocol), name in names_of.items()
    ]


def _environment(component: Component, configuration: Configuration) -> list[Object]:
    """The variables of the compose file, overridden by the user's."""
    variables: dict[str, Object] = {}
    for name, value in component.environment:
        if name in component.secret_environment:
            reference = configuration.references[environment_path(name)]
            source = {"secretKeyRef": {"name": reference.name, "key": reference.key}}
            variables[name] = {"name": name, "valueFrom": source}
        else:
            variables[name] = {"name": name, "value": _literal(value)}
    for variable in component.overrides.env or []:
        variables[variable.name] = {"name": variable.name, "value": variable.value}
    return list(variables.values())


def _probes(component: Component) -> Object:
    profile = component.profile
    probes: Object = {}
    if profile.readiness:
        period, failures = profile.probe_seconds, 3
        attempts = max(1, profile.slow_start_seconds // period)
        probes["startupProbe"] = _probe(
            profile.readiness, period=period, failures=attempts, timeout=3
        )
        probes["readinessProbe"] = _probe(
            profile.readiness, period=period, failures=failures, timeout=3
        )
    if profile.liveness:
        probes["livenessProbe"] = _probe(profile.liveness, period=20, failures=6, timeout=5)
    return probes


def _probe(probe: Probe, *, period: int, failures: int, timeout: int) -> Object:
    return {
        **probe,
        "periodSeconds": period,
        "failureThreshold": failures,
        "timeoutSeconds": timeout,
    }


def _log_reader(component: Component) -> Object:
    """A sidecar with the component's image that copies log files to the output."""
    log = next(mount for mount in component.service.mounts if pvcs.is_log(mount))
    return {
        "name": "logs",
        "image": image(component),
        "restartPolicy": "Always",
        "command": ["/bin/sh", "-c", _LOG_READER],
        "securityContext": _container_security_context("DAC_OVERRIDE"),
        "resources": _LOG_READER_RESOURCES,
        "volumeMounts": [{"name": volume_names.folder(log.source), "mountPath": "/app/log"}],
    }


def _volume_mounts(component: Component) -> list[Object]:
    mounts: list[Object] = []
    for mount in component.service.mounts:
        pvc = pvcs.pvc_of(component, mount)
        if pvc:
            mounts.append(
                {"name": volume_names.pvc(pvc), "mountPath": mount.target}
                | ({"readOnly": True} if mount.read_only else {})
            )
        elif pvcs.is_log(mount):
            mounts.append({"name": volume_names.folder(mount.source), "mountPath": mount.target})
        elif mount.kind == "tmpfs":
            mounts.append({"name": volume_names.tmpfs(mount), "mountPath": mount.target})
    mounts += audit.volume_mounts(component.service)
    return mounts + [
        {"name": volume_names.folder(mount.folder), "mountPath": mount.target, "readOnly": True}
        | ({"subPath": mount.file} if mount.file else {})
        for mount in component.file_mounts
    ]


def _volumes(component: Component, configuration: Configuration) -> list[Object]:
    volumes: dict[str, Object] = {}
    for mount in component.service.mounts:
        pvc = pvcs.pvc_of(component, mount)
        if pvc:
            volumes[volume_names.pvc(pvc)] = {"persistentVolumeClaim": {"claimName": pvc.name}}
        elif pvcs.is_log(mount):
            volumes[volume_names.folder(mount.source)] = {
                "emptyDir": {"sizeLimit": _LOG_VOLUME_SIZE}
            }
        elif mount.kind == "tmpfs":
            limit = {"sizeLimit": str(mount.size)} if mount.size else {}
            volumes[volume_names.tmpfs(mount)] = {"emptyDir": {"medium": "Memory"} | limit}
    for files in component.file_mounts:
        volumes[volume_names.folder(files.folder)] = {
            "projected": {"defaultMode": 0o444, "sources": _sources(files.folder, configuration)}
        }
    return [
        *({"name": name, **volume} for name, volume in volumes.items()),
        *audit.volumes(component.service),
    ]


def _sources(folder: str, configuration: Configuration) -> list[Object]:
    """The sources of a projected volume with the files below a folder, or with a single file.

    Keys of objects cannot hold a slash, so each item has the path of its file.
    """
    items: dict[tuple[str, str], list[Object]] = {}
    for path in sorted(configuration.references):
        reference = configuration.references[path]
        if path == folder or path.startswith(folder + "/"):
            inside = path.removeprefix(folder + "/") if path != folder else path.rpartition("/")[2]
            item: Object = {"key": reference.key, "path": inside}
            if path.endswith(_PRIVATE_KEY):
                item["mode"] = 0o400
            items.setdefault((reference.kind, reference.name), []).append(item)
    return [
        {"configMap" if kind == "ConfigMap" else "secret": {"name": name, "items": listed}}
        for (kind, name), listed in sorted(items.items())
    ]
