"""Which Secrets the operator has created, by records in the status. Pure.

Names and labels prove nothing: everyone who may create Secrets can copy them. Tenants cannot write
the status, so it records the Secrets that are created once (values, keys, certificates): first the
digest of their random data, then they are created, then their uid is recorded. A crash in between
leaves a digest, by which the Secret is known again, or which nothing has.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence, Set
from dataclasses import dataclass, field, replace
from typing import Final, Self

from pryv_operator.api import labels_annotations as keys
from pryv_operator.api import names
from pryv_operator.api.kubernetes import Object
from pryv_operator.api.platform import Platform
from pryv_operator.api.status import Ownership, PryvPlatformStatus, SecretRecord

#: Attempts at creating a Secret that are remembered: each has another digest.
_ATTEMPTS: Final = 8


@dataclass(frozen=True)
class SecretRecords:
    """The records of one platform's Secrets, by name.

    ``adopted``: the value of ``pryv.io/adopt`` that was last acted on.
    """

    entries: Mapping[str, SecretRecord] = field(default_factory=dict)
    adopted: str = ""

    @classmethod
    def of(cls, ownership: Ownership | None) -> Self:
        """The records in a status."""
        if ownership is None:
            return cls()
        return cls({each.name: each for each in ownership.secrets}, ownership.adopted)

    @property
    def ownership(self) -> Ownership:
        """The records as the status has them."""
        return Ownership(
            adopted=self.adopted, secrets=[each for _, each in sorted(self.entries.items())]
        )

    def prove(self, secret: Object) -> bool:
        """Whether the operator has created a Secret: this object, or one with this content.

        The operator creates them immutable, so that an object's uid stands for its content.
        """
        record = self.entries.get(secret["metadata"]["name"])
        if record is None:
            return False
        return record.uid == secret["metadata"]["uid"] or content_digest(secret) in record.digests

    def announcing(self, secrets: Iterable[Object]) -> Self:
        """With the digests of Secrets that are about to be created.

        Earlier digests stay: a stale read may hide that an earlier attempt has succeeded.
        """
        announced = {}
        for secret in secrets:
            name = secret["metadata"]["name"]
            before = self.entries.get(name, SecretRecord(name=name))
            digests = [*before.digests, content_digest(secret)][-_ATTEMPTS:]
            announced[name] = before.model_copy(update={"digests": digests})
        return replace(self, entries={**self.entries, **announced})

    def confirming(self, secrets: Iterable[Object], awaited: Iterable[str] = ()) -> Self:
        """With the uids of these Secrets, which are ours, and without those that are gone.

        ``awaited``: names of Secrets that are about to be created.
        """
        confirmed = {secret["metadata"]["name"]: self._confirmed(secret) for secret in secrets}
        kept = {name: self.entries[name] for name in awaited if name in self.entries}
        return replace(self, entries=kept | confirmed)

    def _confirmed(self, secret: Object) -> SecretRecord:
        """The digest stays only if it is known to be of random data: another could be guessed."""
        name, uid = secret["metadata"]["name"], secret["metadata"]["uid"]
        before = self.entries.get(name, SecretRecord(name=name))
        if before.uid == uid and len(before.digests) <= 1:
            return before
        digest = content_digest(secret)
        return SecretRecord(name=name, uid=uid, digests=[digest] * (digest in before.digests))


@dataclass(frozen=True)
class SortedSecrets:
    """Live Secrets that have names of those that are created once: ours, and all others."""

    ours: tuple[Object, ...] = field(repr=False)
    others: tuple[str, ...]


def sort_secrets(
    secrets: Iterable[Object],
    platform: Platform,
    status: PryvPlatformStatus,
    records: SecretRecords,
    *,
    adopted: Set[str] = frozenset(),
) -> SortedSecrets:
    """Which of a platform's live Secrets are the operator's.

    Those that the records prove; the ``adopted`` ones (names), as the user asked for it; at an
    upgrade those that the last version left.
    """
    created_once = [
        item
        for item in secrets
        if names.secret_purpose(platform.name, item["metadata"]["name"]) is not None
    ]
    left = _left_by_last_version(created_once, platform, status)
    ours, others = [], []
    for item in created_once:
        name = item["metadata"]["name"]
        if name in adopted or name in left or records.prove(item):
            ours.append(item)
        else:
            others.append(name)
    return SortedSecrets(tuple(ours), tuple(sorted(others)))


def content_digest(secret: Object) -> str:
    """SHA-256 of a Secret's data.

    Only digests of what the operator has drawn at random may become public.
    """
    data = json.dumps(secret.get("data") or {}, sort_keys=True)
    return hashlib.sha256(data.encode()).hexdigest()


def _left_by_last_version(
    secrets: Sequence[Object], platform: Platform, status: PryvPlatformStatus
) -> set[str]:
    """Names of the Secrets that a version without records has created.

    Only such a version leaves a status without records: a new resource has none, and this version
    records from its first status on. Of authorities it has recorded those that are in use.
    """
    if status.ownership is not None or status == PryvPlatformStatus():
        return set()
    left = {item["metadata"]["name"] for item in secrets if _looks_created(item, platform)}
    authorities = {
        name for name in left if names.secret_purpose(platform.name, name) == "authority"
    }
    first = sorted(authorities, key=lambda name: int(name.rpartition("-")[2]))[:1]
    return left - authorities | authorities & {*(status.trusted_authorities or first)}


def _looks_created(secret: Object, platform: Platform) -> bool:
    """Whether a Secret has all that the last version wrote."""
    metadata = secret["metadata"]
    purpose = names.secret_purpose(platform.name, metadata["name"])
    labels = names.platform_labels(platform.name) | {keys.PURPOSE: purpose}
    managers = {entry.get("manager") for entry in metadata.get("managedFields", ())}
    return (
        labels.items() <= (metadata.get("labels") or {}).items()
        and keys.FIELD_MANAGER in managers
        and bool(secret.get("immutable"))
    )
