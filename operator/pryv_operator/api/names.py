"""Names of a platform's objects. Permanent: changing one orphans objects of live platforms."""

from __future__ import annotations

import hashlib
import re
from functools import lru_cache
from typing import Final

from pryv_operator.api import labels_annotations as keys

#: A StatefulSet's pods have the label ``controller-revision-hash``: the name, "-" and 10
#: characters, of at most 63 in all.
MAX_WORKLOAD_NAME: Final = 52
#: Length of the longest component of a built-in release (``reverse-proxy``, ``app-web-auth3``),
#: which the CRD's rules on names allow for.
LONGEST_COMPONENT: Final = 13

#: Of a trial's name: characters of the digest, and of the workload's name before ``-trial-``.
_TRIAL_DIGEST: Final = 10
_MAX_TRIAL_STEM: Final = 63 - len("-trial-") - _TRIAL_DIGEST

REG_MASTER: Final = "reg-master"
REG_SLAVE: Final = "reg-slave"
CORE: Final = "core"
STATIC: Final = "static"
SINGLE_NODE: Final = "singlenode"
#: Roles in the order in which a rollout changes them.
ROLES: Final = (REG_MASTER, CORE, STATIC, REG_SLAVE, SINGLE_NODE)
#: Role with a single instance → name of that instance.
SINGLE_INSTANCE: Final = {
    REG_MASTER: "reg",
    REG_SLAVE: "reg-slave",
    STATIC: "sw",
    SINGLE_NODE: "single",
}
#: Host names under DOMAIN that the platform itself uses; core instances cannot have them.
RESERVED_HOSTS: Final = (
    "access", "adm", "dns1", "dns2", "lead", "mail", "mfa", "reg", "reg-master", "reg-slave",
    "reg2", "service", "static", "sw", "www",
)  # fmt: skip

#: Names of Secrets that are created once, without the platform's → their purpose.
_PURPOSES: Final = {
    "generated-.+": "generated",
    "hash-key": "hash-key",
    "private-ca-[0-9]{1,9}": "authority",
    "private-tls-[0-9]{1,9}": "certificate",
}


@lru_cache(maxsize=2048)
def slug(service: str) -> str:
    """A compose service's name as a DNS label: ``reverse_proxy`` → ``reverse-proxy``."""
    return service.lower().replace("_", "-").replace(".", "-")


def workload(platform: str, instance: str, component: str) -> str:
    """Name of a component's Deployment or StatefulSet, and of its cluster-internal Service."""
    return f"{platform}-{instance}-{slug(component)}"


def trial(workload_name: str, digest: str) -> str:
    """Name of a trial of a workload: at most 63 characters. ``digest`` covers the whole name."""
    return f"{workload_name[:_MAX_TRIAL_STEM]}-trial-{digest[:_TRIAL_DIGEST]}"


def external_service(platform: str, instance: str, *, udp: bool = False) -> str:
    """Name of the Service that publishes a role instance's ports outside the cluster."""
    return f"{platform}-{instance}" + ("-udp" if udp else "")


def external_slave_service(platform: str, instance: str) -> str:
    """Name of the Service that publishes redis to a reg-slave outside the cluster."""
    return f"{platform}-{instance}-redis-slave"


def pvc(platform: str, instance: str, owner: str, purpose: str) -> str:
    """Name of a PVC, such as ``acme-co1-core-data``."""
    return f"{platform}-{instance}-{slug(owner)}-{purpose}"


def configuration(platform: str, role: str, component: str, digest: str) -> str:
    """Name of a content-addressed ConfigMap or Secret."""
    return f"{platform}-{role}-{slug(component)}-{digest}"


def generated_secret(platform: str, variable: str, rotation: int = 0) -> str:
    """Name of the Secret with a generated value; unique per variable and rotation."""
    plain = slug(variable).strip("-") or "value"
    reversible = plain.replace("-", "_").upper() == variable
    suffix = "" if reversible else "-" + hashlib.sha256(variable.encode()).hexdigest()[:6]
    # No part of the name before it contains a dot, so a rotation never equals another variable.
    return f"{platform}-generated-{plain}{suffix}" + (f".{rotation}" if rotation else "")


def revision(platform: str, number: int) -> str:
    """Name of the ControllerRevision with a number."""
    return f"{platform}-revision-{number}"


def hash_key_secret(platform: str) -> str:
    """Name of the Secret with the key of the keyed hashes of secrets."""
    return f"{platform}-hash-key"


def private_authority(platform: str, number: int) -> str:
    """Name of the Secret of the platform's n-th private certificate authority."""
    return f"{platform}-private-ca-{number}"


def private_certificate(platform: str, number: int) -> str:
    """Name of the Secret of the n-th certificate issued by the private authority."""
    return f"{platform}-private-tls-{number}"


def secret_purpose(platform: str, name: str) -> str | None:
    """What a Secret that is created once is for, by its name; None: it is not such a Secret.

    The values are those of the label ``pryv.io/purpose``, which other clients can change.
    """
    for pattern, purpose in _PURPOSES.items():
        if re.fullmatch(f"{re.escape(platform)}-{pattern}", name):
            return purpose
    return None


def possible_platforms(secret: str) -> tuple[str, ...]:
    """Names of the platforms that a Secret can be of by its name: created once, or cert-manager's.

    They are several for a name such as ``acme-generated-generated-key``.
    """
    ends = (each.start() for each in re.finditer("(?<=.)-", secret[: MAX_WORKLOAD_NAME + 1]))
    return tuple(
        name
        for name in (secret[:end] for end in ends)
        if secret_purpose(name, secret) or secret == cert_manager_certificate(name)
    )


def cert_manager_certificate(platform: str) -> str:
    """Name of the cert-manager Certificate, and of the Secret that it fills."""
    return f"{platform}-tls"


def platform_labels(platform: str) -> dict[str, str]:
    """Labels of all objects of a platform."""
    return {keys.MANAGED_BY: keys.FIELD_MANAGER, keys.APP_NAME: "pryv", keys.PLATFORM: platform}


def pod_selector(platform: str, instance: str, component: str) -> dict[str, str]:
    """Labels that select a component's pods; immutable in workloads."""
    return {keys.PLATFORM: platform, keys.INSTANCE: instance, keys.COMPONENT: slug(component)}
