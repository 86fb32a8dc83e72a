"""What of a spec reaches beyond the platform's namespace, and is refused unless it is allowed.

Whoever may write PryvPlatforms makes the operator create pods and Services. What could harm
neighbours or nodes by that is refused, unless the operator is started with ``--allow``.
docs/secure.md lists every field. The chart's admission policy has the same rules.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from pryv_operator.api.findings import Problem
from pryv_operator.api.instances import Instance, instances
from pryv_operator.api.platform import Platform
from pryv_operator.api.privileges import Privilege
from pryv_operator.api.reasons import Reason
from pryv_operator.api.spec import ComponentOverrides

#: Keys of the taints of control-plane nodes: kubeadm's, and those of RKE and k3s.
#: Source: https://kubernetes.io/docs/reference/labels-annotations-taints/
CONTROL_PLANE_TAINTS: Final = (
    "node-role.kubernetes.io/control-plane",
    "node-role.kubernetes.io/controlplane",
    "node-role.kubernetes.io/master",
    "node-role.kubernetes.io/etcd",
    "CriticalAddonsOnly",
)
#: Prefix of the names that Kubernetes reserves for its own priority classes.
SYSTEM_PRIORITY_PREFIX: Final = "system-"
#: Beginnings of pod annotations that name a profile; others than the runtime's default lower it.
PROFILE_ANNOTATIONS: Final = (
    "container.apparmor.security.beta.kubernetes.io/",
    "container.seccomp.security.alpha.kubernetes.io/",
    "seccomp.security.alpha.kubernetes.io/",
)
DEFAULT_PROFILES: Final = ("runtime/default", "docker/default")
#: Beginnings of pod annotations by which container runtimes, network plugins and agents of clouds
#: give a pod devices, settings of the runtime, networks, addresses or identities.
PRIVILEGED_ANNOTATIONS: Final = (
    "cdi.k8s.io/",
    "cni.projectcalico.org/",
    "dev.gvisor.",
    "devices.noderesource.dev/",
    "devices.nri.io",
    "iam.amazonaws.com/",
    "io.containers.",
    "io.katacontainers.",
    "io.kubernetes.cri-o.",
    "k8s.v1.cni.cncf.io/",
    "kubernetes.io/config.",
    "kubernetes.v1.cni.cncf.io/",
    "mounts.nri.io",
    "openshift.io/required-scc",
    "openshift.io/scc",
    "ovn.kubernetes.io/",
    "seccomp-profile.kubernetes.cri-o.io",
    "security.alpha.kubernetes.io/",
    "v1.multus-cni.io/",
)
#: Annotations of CRI-O since 1.34: `NAME.crio.io`, with or without a container's name.
_CRI_O: Final = re.compile(r"(^|\.)crio\.io(/|$)")
_REQUIRED: Final = "requiredDuringSchedulingIgnoredDuringExecution"
_PREFERRED: Final = "preferredDuringSchedulingIgnoredDuringExecution"


def check_privileges(
    platform: Platform, allowed: frozenset[Privilege] = frozenset()
) -> tuple[Problem, ...]:
    """A problem for each use of a privilege that is not allowed."""
    return tuple(
        Problem(
            Reason.NOT_ALLOWED,
            f"{use.text}; remove it, or start the operator with --allow={use.privilege}",
        )
        for use in _uses(platform)
        if use.privilege not in allowed
    )


@dataclass(frozen=True)
class _Use:
    """A use of a privilege: ``text`` says where, and what it does."""

    privilege: Privilege
    text: str


def _uses(platform: Platform) -> Iterator[_Use]:
    tls = platform.spec.tls
    if tls and tls.issuer_ref and "cluster" in (tls.issuer_ref.kind or "").lower():
        yield _Use(
            Privilege.CLUSTER_ISSUERS,
            f'spec.tls.issuerRef.kind: "{tls.issuer_ref.kind}" issues certificates for every '
            "domain that the cluster's owner can prove",
        )
    for instance in _one_per_role(instances(platform.spec)):
        where = f"spec.roles.{instance.role}"
        if instance.service.external_ips:
            yield _Use(
                Privilege.EXTERNAL_IPS,
                f"{where}.service.externalIPs: every node would send what is meant for these "
                "addresses to the platform",
            )
        for name, overrides in sorted(instance.components.items()):
            yield from _uses_of_pods(f"{where}.components.{name}", overrides, platform.namespace)


def _uses_of_pods(where: str, overrides: ComponentOverrides, namespace: str) -> Iterator[_Use]:
    for index, toleration in enumerate(overrides.tolerations or ()):
        if what := _tolerated_control_plane(toleration):
            yield _Use(
                Privilege.CONTROL_PLANE_TOLERATIONS,
                f"{where}.tolerations[{index}]: tolerates {what}",
            )
    priority = overrides.priority_class_name or ""
    if priority.startswith(SYSTEM_PRIORITY_PREFIX):
        yield _Use(
            Privilege.SYSTEM_PRIORITY_CLASSES,
            f'{where}.priorityClassName: "{priority}" is for the cluster\'s own pods, and evicts '
            "those of others",
        )
    for key, value in sorted((overrides.annotations or {}).items()):
        if _is_privileged(key, value):
            yield _Use(
                Privilege.SECURITY_ANNOTATIONS,
                f'{where}.annotations: "{key}" changes the isolation of the pods',
            )
    for field in _cross_namespace_terms(overrides.affinity or {}, namespace):
        yield _Use(
            Privilege.CROSS_NAMESPACE_AFFINITY,
            f"{where}.affinity.{field}: selects pods of other namespaces, which it can keep off "
            "their nodes",
        )


def _tolerated_control_plane(toleration: Mapping[str, Any]) -> str:
    """The taint of control-plane nodes that is tolerated, in words; empty if none is."""
    key = toleration.get("key")
    if not key:
        return "every taint, also those of control-plane nodes (it has no key)"
    if key in CONTROL_PLANE_TAINTS:
        return f'the taint "{key}" of control-plane nodes'
    return ""


def _is_privileged(annotation: str, value: str) -> bool:
    if annotation.startswith(PROFILE_ANNOTATIONS):
        return value not in DEFAULT_PROFILES
    return annotation.startswith(PRIVILEGED_ANNOTATIONS) or bool(_CRI_O.search(annotation))


def _cross_namespace_terms(affinity: Mapping[str, Any], namespace: str) -> Iterator[str]:
    """Fields of an affinity with a term about pods of other namespaces.

    An affinity that is not valid has none: the API server rejects it.
    """
    for field in ("podAffinity", "podAntiAffinity"):
        listed = _mapping(affinity.get(field))
        preferred = (_mapping(each).get("podAffinityTerm") for each in _list(listed, _PREFERRED))
        terms = [*_list(listed, _REQUIRED), *preferred]
        if any(_is_cross_namespace(_mapping(term), namespace) for term in terms):
            yield field


def _is_cross_namespace(term: Mapping[str, Any], namespace: str) -> bool:
    """Whether a term selects namespaces: an empty ``namespaceSelector`` selects all of them."""
    others = [each for each in _list(term, "namespaces") if each != namespace]
    return bool(others) or term.get("namespaceSelector") is not None


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _list(value: Mapping[str, Any], key: str) -> list[Any]:
    found = value.get(key)
    return found if isinstance(found, list) else []


def _one_per_role(listed: Iterable[Instance]) -> Iterable[Instance]:
    """An instance of each role: overrides are per role."""
    return {instance.role: instance for instance in listed}.values()
