"""The events of a reconciliation: what was created, what was rolled out, what changed."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from typing import Final

from pryv_operator.api.findings import Announcement
from pryv_operator.api.kubernetes import Object
from pryv_operator.api.reasons import Reason
from pryv_operator.api.status import PryvPlatformStatus
from pryv_operator.kube.client import KubeClient
from pryv_operator.kube.event_recorder import MAX_NOTE, create_event
from pryv_operator.reconcile.conditions import find_condition
from pryv_operator.rollout.execute import RolloutResult

log = logging.getLogger(__name__)

_SEPARATOR: Final = "; "


async def create_announcement_events(
    client: KubeClient, resource: Object, announcements: Iterable[Announcement]
) -> None:
    """Events about secrets and certificates that were created: one for as many as it can hold."""
    by_reason: dict[str, list[str]] = {}
    for each in announcements:
        by_reason.setdefault(each.reason, []).append(each.message)
    for reason, messages in by_reason.items():
        for note in packed(messages):
            await create_event(
                client,
                resource,
                kind="Warning" if reason == Reason.SECRET_RECREATED else "Normal",
                reason=reason,
                action="Generate",
                note=note,
            )


def packed(messages: Iterable[str]) -> list[str]:
    """The messages in their order, in as few notes as hold them whole."""
    notes: list[str] = []
    for message in messages:
        if notes and len(notes[-1]) + len(_SEPARATOR) + len(message) <= MAX_NOTE:
            notes[-1] += _SEPARATOR + message
        else:
            notes.append(message)
    return notes


async def create_rollout_event(
    client: KubeClient, resource: Object, rollout: RolloutResult | None
) -> None:
    """An event, and a log line, for the workloads that a step of the rollout has applied."""
    if rollout is None or not rollout.changed:
        return
    note = f"revision {rollout.revision}: applied {', '.join(rollout.changed)}"
    await create_event(
        client, resource, kind="Normal", reason=Reason.APPLIED, action="Apply", note=note
    )
    _log(resource, note)


async def create_status_events(
    client: KubeClient, resource: Object, after: PryvPlatformStatus, before: PryvPlatformStatus
) -> None:
    """Events for a changed Ready condition (also logged), and for each new warning."""
    new, old = (find_condition(status.conditions, "Ready") for status in (after, before))
    if new and (old is None or (new.status, new.reason) != (old.status, old.reason)):
        stalled = find_condition(after.conditions, "Stalled")
        _log(resource, f"{new.reason}: {new.message}")
        await create_event(
            client,
            resource,
            kind="Warning" if stalled and stalled.status == "True" else "Normal",
            reason=new.reason,
            action="Reconcile",
            note=new.message,
        )
    for warning in after.warnings:
        if warning not in before.warnings:
            await create_event(
                client,
                resource,
                kind="Warning",
                reason=warning.reason,
                action="Reconcile",
                note=warning.message,
            )


def _log(resource: Object, message: str) -> None:
    metadata = resource["metadata"]
    log.info("%s/%s: %s", metadata["namespace"], metadata["name"], message)
