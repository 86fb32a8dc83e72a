"""Specs that reach beyond their namespace, and ordinary ones."""

from __future__ import annotations

from typing import Any

from pryv_operator.api import names
from pryv_operator.desired.privileges import (
    CONTROL_PLANE_TAINTS,
    PRIVILEGED_ANNOTATIONS,
    PROFILE_ANNOTATIONS,
    Privilege,
)

#: As the documents of CRI-O, Multus, NRI, gVisor and OVN name them, and not the operator's list.
_NAMED_ANNOTATIONS = (
    "v1.multus-cni.io/default-network",
    "kubernetes.v1.cni.cncf.io/networks",
    "seccomp-profile.kubernetes.cri-o.io/POD",
    "seccomp-profile.crio.io/POD",
    "devices.crio.io",
    "userns-mode.crio.io",
    "platform-runtime-path.crio.io",
    "io.containers.trace-syscall",
    "devices.nri.io/container.hfs",
    "mounts.nri.io",
    "dev.gvisor.flag.network",
    "ovn.kubernetes.io/ip_address",
)
#: Namespace that the specs may name as their own.
NAMESPACE = "pryv"
TERM = {"topologyKey": "kubernetes.io/hostname", "labelSelector": {}}
REQUIRED = "requiredDuringSchedulingIgnoredDuringExecution"
PREFERRED = "preferredDuringSchedulingIgnoredDuringExecution"


def pods(**overrides: Any) -> dict[str, Any]:
    """A spec with these overrides for hfs."""
    return {"roles": {"core": {"components": {"hfs": overrides}}}}


def far(term: dict[str, Any]) -> dict[str, Any]:
    """A spec with a required anti-affinity."""
    return pods(affinity={"podAntiAffinity": {REQUIRED: [{**TERM, **term}]}})


REFUSED: dict[Privilege, list[tuple[dict[str, Any], str]]] = {
    Privilege.CLUSTER_ISSUERS: [
        ({"tls": {"issuerRef": {"name": "a", "kind": kind}}}, "spec.tls.issuerRef.kind")
        for kind in ("ClusterIssuer", "AWSPCAClusterIssuer", "ClusterOriginIssuer")
    ],
    Privilege.EXTERNAL_IPS: [
        (
            {"roles": {role: {"service": {"externalIPs": ["192.0.2.1"]}}}},
            f"spec.roles.{role}.service.externalIPs",
        )
        for role in names.ROLES
    ],
    Privilege.CONTROL_PLANE_TOLERATIONS: [
        (pods(tolerations=[{"key": "a"}, toleration]), "hfs.tolerations[1]")
        for toleration in (
            *({"key": key, "operator": "Exists"} for key in CONTROL_PLANE_TAINTS),
            {"key": CONTROL_PLANE_TAINTS[0], "value": "", "effect": "NoSchedule"},
            {"operator": "Exists"},
            {"key": "", "operator": "Exists"},
            {"key": None, "operator": "Exists", "effect": "NoExecute"},
        )
    ],
    Privilege.SYSTEM_PRIORITY_CLASSES: [
        (pods(priorityClassName=name), "hfs.priorityClassName")
        for name in ("system-cluster-critical", "system-node-critical")
    ],
    Privilege.SECURITY_ANNOTATIONS: [
        (pods(annotations={key: "unconfined"}), "hfs.annotations")
        for key in (
            *(f"{key}x" for key in (*PROFILE_ANNOTATIONS, *PRIVILEGED_ANNOTATIONS)),
            *_NAMED_ANNOTATIONS,
        )
    ],
    Privilege.CROSS_NAMESPACE_AFFINITY: [
        (far({"namespaceSelector": {}}), "hfs.affinity.podAntiAffinity"),
        (far({"namespaceSelector": {"matchLabels": {"a": "b"}}}), "hfs.affinity.podAntiAffinity"),
        (far({"namespaces": [NAMESPACE, "other"]}), "hfs.affinity.podAntiAffinity"),
        (
            pods(
                affinity={
                    "podAffinity": {
                        PREFERRED: [
                            {"weight": 1, "podAffinityTerm": {**TERM, "namespaces": ["other"]}}
                        ]
                    }
                }
            ),
            "hfs.affinity.podAffinity",
        ),
    ],
}
#: What the `edit` role of a namespace may do as well, and honest platforms use.
ORDINARY = [
    {},
    {"tls": {"issuerRef": {"name": "letsencrypt"}}},
    {"tls": {"issuerRef": {"name": "a", "kind": "AWSPCAIssuer", "group": "awspca"}}},
    {"roles": {"core": {"service": {"type": "LoadBalancer", "annotations": {"a.b/c": "d"}}}}},
    pods(tolerations=[{"key": "dedicated", "operator": "Exists"}]),
    pods(tolerations=[{"key": "node.kubernetes.io/not-ready", "tolerationSeconds": 30}]),
    pods(tolerations=[{"key": "node.kubernetes.io/unreachable", "operator": "Exists"}]),
    pods(priorityClassName="high"),
    pods(annotations={"cluster-autoscaler.kubernetes.io/safe-to-evict": "false"}),
    pods(annotations={"prometheus.io/scrape": "true"}),
    pods(annotations={f"{PROFILE_ANNOTATIONS[0]}hfs": "runtime/default"}),
    far({}),
    far({"namespaces": [NAMESPACE]}),
    far({"namespaces": [], "namespaceSelector": None}),
    pods(affinity={"nodeAffinity": {REQUIRED: {"nodeSelectorTerms": []}}}),
]
