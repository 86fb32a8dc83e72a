"""Which objects belong to another platform of the namespace.

Its labels and owner references show it. Other clients can remove these, and cert-manager's Secrets
have neither, so the platforms that may have created a Secret are read, too: their status records
the uids of their Secrets, and tenants cannot write it. A Secret of cert-manager has an annotation.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from pryv_operator.api import labels_annotations as keys
from pryv_operator.api import names
from pryv_operator.api.kubernetes import Object
from pryv_operator.api.platform import Platform
from pryv_operator.kube.client import KubeClient
from pryv_operator.kube.errors import TooDeepError
from pryv_operator.kube.resources import PLATFORMS

#: cert-manager's annotation of each Secret that it fills: the Certificate.
_CERTIFICATE_NAME: Final = "cert-manager.io/certificate-name"


@dataclass(frozen=True)
class OtherPlatform:
    """Another platform that an object belongs to; or may belong to, if it is not ``readable``."""

    name: str
    readable: bool = True

    @property
    def possession(self) -> str:
        """That the object belongs to it, for messages."""
        if self.readable:
            return f'belongs to platform "{self.name}"'
        return f'may belong to platform "{self.name}", which is nested too deeply to be read'


@dataclass(frozen=True)
class _Recorded:
    """What is kept of a platform: uids of its recorded Secrets, and the one of cert-manager."""

    uids: frozenset[str] = frozenset()
    requested: str | None = None
    readable: bool = True


def shown_platform(item: Object, platform: Platform) -> str:
    """The other platform that an object's metadata name; empty if they name none."""
    return labelled_platform(item, platform) or owning_platform(item, platform)


def labelled_platform(item: Object, platform: Platform) -> str:
    """The other platform that an object's labels of the operator name, or an empty text."""
    labels = item["metadata"].get("labels") or {}
    labelled = str(labels.get(keys.PLATFORM, ""))
    is_managed = labels.get(keys.MANAGED_BY) == keys.FIELD_MANAGER
    return labelled if is_managed and labelled != platform.name else ""


def owning_platform(item: Object, platform: Platform) -> str:
    """The other platform that an object's owner references name, or an empty text."""
    references = item["metadata"].get("ownerReferences") or ()
    owners = (str(each.get("name", "")) for each in references if _is_platform(each))
    return next((name for name in owners if name != platform.name), "")


async def read_other_platforms(
    client: KubeClient, platform: Platform, secrets: Iterable[Object]
) -> dict[str, OtherPlatform]:
    """Name of a Secret → the other platform that it belongs to, for those that do. Reads only."""
    found: dict[str, OtherPlatform] = {}
    unlabelled: list[Object] = []
    for secret in secrets:
        if shown := shown_platform(secret, platform):
            found[secret["metadata"]["name"]] = OtherPlatform(shown)
        else:
            unlabelled.append(secret["metadata"])
    possible = {
        name: [each for each in names.possible_platforms(name) if each != platform.name]
        for name in (metadata["name"] for metadata in unlabelled)
    }
    wanted = {each for candidates in possible.values() for each in candidates}
    others = {each: await _read_recorded(client, platform, each) for each in sorted(wanted)}
    for metadata in unlabelled:
        for candidate in possible[metadata["name"]]:
            other = others[candidate]
            if other and not other.readable:
                found.setdefault(metadata["name"], OtherPlatform(candidate, readable=False))
            elif other and _has_created(other, metadata):
                found[metadata["name"]] = OtherPlatform(candidate)
    return found


async def _read_recorded(client: KubeClient, platform: Platform, other: str) -> _Recorded | None:
    """What another platform's status and spec record; None if it does not exist.

    Of all reconciliations, one reads at a time: as Python objects, a platform can take twenty times
    its 1.5 MiB.
    """
    async with client.one_at_a_time:
        try:
            resource = await client.get(PLATFORMS, platform.namespace, other)
        except TooDeepError:
            return _Recorded(readable=False)
        return _secrets_of(resource) if resource else None


def _is_platform(reference: Object) -> bool:
    group = str(reference.get("apiVersion", "")).partition("/")[0]
    return (group, reference.get("kind")) == (keys.GROUP, keys.KIND)


def _secrets_of(resource: Object) -> _Recorded:
    """The Secrets of a platform.

    It is what the API server has validated, so it has this form; a field may be null.
    """
    status: Mapping[str, Any] = resource.get("status") or {}
    recorded = (status.get("ownership") or {}).get("secrets") or ()
    tls = (resource.get("spec") or {}).get("tls") or {}
    requested = tls.get("issuerRef") and not tls.get("secretName")
    name = names.cert_manager_certificate(resource["metadata"]["name"])
    uids = frozenset(each["uid"] for each in recorded if each.get("uid"))
    return _Recorded(uids, name if requested else None)


def _has_created(other: _Recorded, secret: Object) -> bool:
    """Whether a platform has created a Secret, or cert-manager has for it; by its metadata."""
    certificate = (secret.get("annotations") or {}).get(_CERTIFICATE_NAME)
    issued = secret["name"] == certificate == other.requested
    return issued or secret["uid"] in other.uids
