"""Names of everything that belongs to a platform. They are for ever: changing one orphans objects in the field."""

from __future__ import annotations

import hashlib
from typing import Final

from pryv_operator.api import labels_annotations as keys

#: A StatefulSet's pods carry the label ``controller-revision-hash`` = name + "-" + 10 characters, 63 at most.
MAX_WORKLOAD_NAME: Final = 52
#: Longest component of a built-in release (``reverse-proxy``, ``app-web-auth3``); the CRD's rule counts with it.
LONGEST_COMPONENT: Final = 13

REG_MASTER: Final = "reg-master"
REG_SLAVE: Final = "reg-slave"
CORE: Final = "core"
STATIC: Final = "static"
SINGLE_NODE: Final = "singlenode"
#: Roles in the order in which a platform is brought up and changed.
ROLES: Final = (REG_MASTER, CORE, STATIC, REG_SLAVE, SINGLE_NODE)
#: Names of the instance of a role that has just one.
SINGLE_INSTANCE: Final = {
    REG_MASTER: "reg",
    REG_SLAVE: "reg-slave",
    STATIC: "sw",
    SINGLE_NODE: "single",
}
#: Host names under DOMAIN that the platform itself uses; no core instance may take one.
RESERVED_HOSTS: Final = (
    "access", "adm", "dns1", "dns2", "lead", "mail", "mfa", "reg", "reg-master", "reg-slave", "reg2", "service", "static", "sw", "www",
)  # fmt: skip


def slug(service: str) -> str:
    """A compose service's name as a DNS label: ``reverse_proxy`` → ``reverse-proxy``."""
    return service.lower().replace("_", "-").replace(".", "-")


def workload(platform: str, instance: str, component: str) -> str:
    """Name of a component's Deployment or StatefulSet, and of its cluster-internal Service."""
    return f"{platform}-{instance}-{slug(component)}"


def external_service(platform: str, instance: str, *, udp: bool = False) -> str:
    """Name of the Service that publishes a role instance's ports to its clients."""
    return f"{platform}-{instance}" + ("-udp" if udp else "")


def external_slave_service(platform: str, instance: str) -> str:
    """Name of the Service that publishes redis to a reg-slave outside of the cluster."""
    return f"{platform}-{instance}-redis-slave"


def pvc(platform: str, instance: str, owner: str, purpose: str) -> str:
    """Name of a claim: ``acme-co1-core-data``."""
    return f"{platform}-{instance}-{slug(owner)}-{purpose}"


def configuration(platform: str, role: str, component: str, digest: str) -> str:
    """Name of a content-addressed ConfigMap or Secret."""
    return f"{platform}-{role}-{slug(component)}-{digest}"


def generated_secret(platform: str, variable: str, rotation: int = 0) -> str:
    """Name of the Secret that keeps a generated value; distinct variables, and distinct rotations of one, never share one."""
    plain = slug(variable).strip("-") or "value"
    reversible = plain.replace("-", "_").upper() == variable
    suffix = "" if reversible else "-" + hashlib.sha256(variable.encode()).hexdigest()[:6]
    # A dot is in no variable's part of the name: no rotation can be taken for another variable.
    return f"{platform}-generated-{plain}{suffix}" + (f".{rotation}" if rotation else "")


def revision(platform: str, number: int) -> str:
    """Name of the n-th revision in a platform's history."""
    return f"{platform}-revision-{number}"


def hash_key_secret(platform: str) -> str:
    """Name of the Secret with the key that content hashes of secrets are made with."""
    return f"{platform}-hash-key"


def private_authority(platform: str, number: int) -> str:
    """Name of the Secret of the platform's n-th private certificate authority."""
    return f"{platform}-private-ca-{number}"


def private_certificate(platform: str, number: int) -> str:
    """Name of the Secret of the n-th certificate issued by the private authority."""
    return f"{platform}-private-tls-{number}"


def cert_manager_certificate(platform: str) -> str:
    """Name of cert-manager's Certificate, and of the Secret it fills."""
    return f"{platform}-tls"


def platform_labels(platform: str) -> dict[str, str]:
    """Labels of everything that belongs to a platform."""
    return {keys.MANAGED_BY: keys.FIELD_MANAGER, keys.APP_NAME: "pryv", keys.PLATFORM: platform}


def pod_selector(platform: str, instance: str, component: str) -> dict[str, str]:
    """Labels that select a component's pods. Immutable in workloads."""
    return {keys.PLATFORM: platform, keys.INSTANCE: instance, keys.COMPONENT: slug(component)}
