"""Secrets that are created once and never overwritten: a stale read must not replace a live key."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from pryv_operator.api import labels_annotations as keys
from pryv_operator.api.findings import Announcement, Problem
from pryv_operator.api.kubernetes import Object
from pryv_operator.api.platform import Platform
from pryv_operator.api.reasons import Reason
from pryv_operator.kube.client import KubeClient
from pryv_operator.kube.errors import ConflictError, RejectedError
from pryv_operator.kube.resources import SECRETS
from pryv_operator.live.live_objects import LiveObjects
from pryv_operator.live.rejections import rejection_problem
from pryv_operator.reconcile.events import create_announcement_event
from pryv_operator.reconcile.secret_data import encode_data
from pryv_operator.reconcile.snapshot import Snapshot

#: Value of what a paused platform lacks: nothing is created, and every reconciliation computes the
#: same.
PLACEHOLDER: Final = "generated once the rollout is resumed"


class UnusableSecretError(Exception):
    """A Secret that every reconciliation needs cannot be created or used."""

    def __init__(self, problem: Problem) -> None:
        """``problem``: for the status."""
        self.problem = problem
        super().__init__(problem.message)


@dataclass(frozen=True)
class SecretContent:
    """A Secret to be created.

    ``purpose``: value of its label ``pryv.io/purpose``. ``announcement``: for an event about its
    creation.
    """

    name: str
    purpose: str
    data: Mapping[str, str] = field(repr=False)
    annotations: Mapping[str, str] | None = None
    type: str = "Opaque"
    announcement: Announcement | None = None


async def ensure_secret(
    client: KubeClient, snapshot: Snapshot, live: LiveObjects, content: SecretContent
) -> Object:
    """Create a Secret unless it exists; an existing one keeps its value and gets its labels back.

    While the rollout is paused nothing is written: a missing Secret is returned as it would be.
    The event about a creation is created at once: what comes later may fail.

    Raises:
        UnusableSecretError: the name is in use by others, or the API server rejects the Secret.
    """
    platform, name = snapshot.platform, content.name
    desired = _secret(platform, content)
    existing = live.get("Secret", name) or await client.get(SECRETS, platform.namespace, name)
    if existing is None and platform.paused:
        return desired
    if existing is None:
        try:
            created = await client.create(desired)
        except ConflictError:
            existing = await client.get(SECRETS, platform.namespace, name)
            if existing is None:
                raise
        except RejectedError as error:
            raise UnusableSecretError(rejection_problem(desired, error)) from None
        else:
            if content.announcement:
                await create_announcement_event(client, snapshot.resource, content.announcement)
            return created
    return await _ensure_labels(client, platform, existing, desired["metadata"]["labels"])


def _secret(platform: Platform, content: SecretContent) -> Object:
    """A Secret that is retained with the platform's data (see ``spec.deletionPolicy``)."""
    metadata = platform.metadata(
        content.name, {keys.PURPOSE: content.purpose}, owned=not platform.retains_data
    )
    if content.annotations:
        metadata["annotations"] = dict(content.annotations)
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "type": content.type,
        "metadata": metadata,
        "immutable": True,
        "data": encode_data(content.data),
    }


async def _ensure_labels(
    client: KubeClient, platform: Platform, existing: Object, labels: Mapping[str, str]
) -> Object:
    """Set labels that another client has removed.

    Raises:
        UnusableSecretError: the Secret is not the operator's, or is labelled differently.
    """
    metadata = existing["metadata"]
    name, found = metadata["name"], metadata.get("labels") or {}
    if labels.items() <= found.items():
        return existing
    managers = {entry.get("manager") for entry in metadata.get("managedFields", ())}
    if keys.FIELD_MANAGER not in managers:
        text = (
            f'Secret "{name}": already exists and does not belong to this platform; '
            "rename it, or give the platform another name"
        )
        raise UnusableSecretError(Problem(Reason.NAME_IN_USE, text))
    if any(found.get(key, value) != value for key, value in labels.items()):
        listed = ", ".join(f"{key}={value}" for key, value in sorted(labels.items()))
        text = (
            f'Secret "{name}": labels do not match; set {listed} '
            "(do not delete the Secret: its value would be lost)"
        )
        raise UnusableSecretError(Problem(Reason.NAME_IN_USE, text))
    if platform.paused:
        return existing
    try:
        return await client.patch_labels(existing, labels)
    except RejectedError as error:
        raise UnusableSecretError(
            rejection_problem({"kind": "Secret", **existing}, error)
        ) from None
