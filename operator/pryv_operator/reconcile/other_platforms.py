"""Which objects belong to another platform of the namespace.

Its labels and owner references show it. Other clients can remove these, and cert-manager's Secrets
have neither, so the platforms that may have created a Secret are read, too: their status records
the uids of their Secrets, and tenants cannot write it. A Secret of cert-manager has an annotation.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

from pryv_operator.api import labels_annotations as keys
from pryv_operator.api import names
from pryv_operator.api.kubernetes import Object
from pryv_operator.api.platform import Platform
from pryv_operator.kube.client import KubeClient
from pryv_operator.kube.resources import PLATFORMS
from pryv_operator.live import live_objects

#: cert-manager's annotation of each Secret that it fills: the Certificate.
_CERTIFICATE_NAME: Final = "cert-manager.io/certificate-name"


def shown_platform(item: Object, platform: Platform) -> str:
    """The other platform that an object's metadata name; empty if they name none."""
    metadata = item["metadata"]
    labels = metadata.get("labels") or {}
    labelled = str(labels.get(keys.PLATFORM, ""))
    if labels.get(keys.MANAGED_BY) == keys.FIELD_MANAGER and labelled not in ("", platform.name):
        return labelled
    owners = (
        str(each.get("name", ""))
        for each in metadata.get("ownerReferences") or ()
        if _is_platform(each)
    )
    return next((name for name in owners if name != platform.name), "")


async def read_other_platforms(
    client: KubeClient, platform: Platform, secrets: Iterable[Object]
) -> dict[str, str]:
    """Name of a Secret → the other platform that it belongs to, for those that do. Reads only."""
    found: dict[str, str] = {}
    unlabelled: list[Object] = []
    for secret in secrets:
        if shown := shown_platform(secret, platform):
            found[secret["metadata"]["name"]] = shown
        else:
            unlabelled.append(secret["metadata"])
    possible = {
        name: [each for each in names.possible_platforms(name) if each != platform.name]
        for name in (metadata["name"] for metadata in unlabelled)
    }
    wanted = {each for candidates in possible.values() for each in candidates}
    others = await live_objects.read_by_name(
        client, platform, PLATFORMS, sorted(wanted), _secrets_of
    )
    for metadata in unlabelled:
        for candidate in possible[metadata["name"]]:
            if candidate in others and _has_created(others[candidate], metadata):
                found[metadata["name"]] = candidate
    return found


def _is_platform(reference: Object) -> bool:
    group = str(reference.get("apiVersion", "")).partition("/")[0]
    return (group, reference.get("kind")) == (keys.GROUP, keys.KIND)


def _secrets_of(resource: Object) -> Object:
    """What is kept of a platform: uids of its recorded Secrets, and the one of cert-manager.

    It is what the API server has validated, so it has this form; a field may be null.
    """
    status: Mapping[str, Any] = resource.get("status") or {}
    recorded = (status.get("ownership") or {}).get("secrets") or ()
    tls = (resource.get("spec") or {}).get("tls") or {}
    requested = tls.get("issuerRef") and not tls.get("secretName")
    name = names.cert_manager_certificate(resource["metadata"]["name"])
    return {
        "uids": {each["uid"] for each in recorded if each.get("uid")},
        "requested": name if requested else None,
    }


def _has_created(other: Object, secret: Object) -> bool:
    """Whether a platform has created a Secret, or cert-manager has for it; by its metadata."""
    certificate = (secret.get("annotations") or {}).get(_CERTIFICATE_NAME)
    issued = secret["name"] == certificate == other["requested"]
    return issued or secret["uid"] in other["uids"]
