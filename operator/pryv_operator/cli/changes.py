"""Changes of platforms: restart, stop and start, pause and resume."""

from __future__ import annotations

import asyncio
import datetime as dt
import json
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from pryv_operator.api import labels_annotations as keys
from pryv_operator.api.kubernetes import Object
from pryv_operator.cli.cluster import Cluster, ClusterError
from pryv_operator.cli.connection import MANAGER
from pryv_operator.cli.status import read_newest_revision, read_workloads
from pryv_operator.cli.terminal import report
from pryv_operator.cli.views.change import (
    Change,
    Progress,
    condition_of,
    is_observed,
    progress,
)
from pryv_operator.cli.views.targets import ALL, UnknownTargetError, merged_restart, selected
from pryv_operator.cli.views.workloads import component_label, is_rolled_out
from pryv_operator.kube.errors import ConflictError

_POLL_SECONDS: Final = 0.5


@dataclass(frozen=True)
class WaitOptions:
    """Whether a command waits for the end of its change, and how long (seconds)."""

    wait: bool
    seconds: float


async def restart(
    cluster: Cluster, name: str, targets: Sequence[str], waits: WaitOptions, *, dry_run: bool
) -> Change:
    """Restart components of a platform by its annotation; no targets: all of them.

    Raises:
        ClusterError: a target is unknown, or the change fails, or does not end in time.
    """
    resource = await read_changeable(cluster, name)
    workloads = await read_workloads(cluster, name)
    try:
        chosen = selected(workloads, targets or [ALL])
    except UnknownTargetError as error:
        raise ClusterError(str(error)) from None
    current = (resource["metadata"].get("annotations") or {}).get(keys.RESTART, "")
    value = merged_restart(
        current,
        targets or [ALL],
        f"{dt.datetime.now(dt.UTC):%Y-%m-%dT%H:%M:%S.%fZ}",
        acted_on=_is_recorded(current, await read_newest_revision(cluster, name)),
    )
    await write(
        cluster, resource, {"metadata": {"annotations": {keys.RESTART: value}}}, dry_run=dry_run
    )
    labels = tuple(component_label(each) for each in chosen)
    if (resource["spec"].get("rollout") or {}).get("paused"):
        report("warning: spec.rollout.paused is set, so the restart waits until it is resumed")

    async def look(live: Object) -> Progress:
        now = await read_workloads(cluster, name)
        done = condition_of(live, "Ready").get("status") == "True" and all(
            _restarted(each) == value and is_rolled_out(each)
            for each in now
            if component_label(each) in labels
        )
        seen = _is_recorded(value, await read_newest_revision(cluster, name))
        return progress(live, observed=seen, reached=done)

    if waits.wait and not dry_run:
        await wait_until_done(cluster, name, waits.seconds, look)
    return Change(cluster.namespace, name, "restarted", labels, dry_run, {"annotation": value})


async def set_stopped(
    cluster: Cluster, name: str, waits: WaitOptions, *, stopped: bool, dry_run: bool
) -> Change:
    """Scale a platform to zero, or start it again, by ``spec.stopped``."""
    resource = await read_changeable(cluster, name)
    unchanged = bool(resource["spec"].get("stopped")) is stopped
    change = {"spec": {"stopped": True if stopped else None}}
    if not unchanged:
        resource = await write(cluster, resource, change, dry_run=dry_run)
    generation = resource["metadata"]["generation"]

    async def look(live: Object) -> Progress:
        ready = condition_of(live, "Ready")
        done = ready.get("reason") == "Stopped" if stopped else ready.get("status") == "True"
        return progress(live, observed=is_observed(live, generation), reached=done)

    if waits.wait and not dry_run:
        await wait_until_done(cluster, name, waits.seconds, look)
    word = "stopped" if stopped else "started"
    return Change(cluster.namespace, name, _word(word, unchanged=unchanged), dry_run=dry_run)


async def set_paused(
    cluster: Cluster, name: str, waits: WaitOptions, *, paused: bool, dry_run: bool
) -> Change:
    """Apply no changes of a platform any more, or again, by ``spec.rollout.paused``."""
    resource = await read_changeable(cluster, name)
    unchanged = bool((resource["spec"].get("rollout") or {}).get("paused")) is paused
    change = {"spec": {"rollout": {"paused": True if paused else None}}}
    if not unchanged:
        resource = await write(cluster, resource, change, dry_run=dry_run)
    generation = resource["metadata"]["generation"]

    async def look(live: Object) -> Progress:
        found = condition_of(live, "Paused").get("status") == "True"
        return progress(live, observed=is_observed(live, generation), reached=found is paused)

    if waits.wait and not dry_run:
        await wait_until_done(cluster, name, waits.seconds, look)
    word = "paused" if paused else "resumed"
    return Change(cluster.namespace, name, _word(word, unchanged=unchanged), dry_run=dry_run)


async def write(
    cluster: Cluster, resource: Object, change: Mapping[str, Any], *, dry_run: bool
) -> Object:
    """Change fields of a platform; return it as it is then.

    Raises:
        ClusterError: it was replaced by another one meanwhile.
    """
    try:
        written = await cluster.client.merge(resource, dict(change), MANAGER, dry_run=dry_run)
    except ConflictError:
        name = resource["metadata"]["name"]
        raise ClusterError(
            f'PryvPlatform "{name}": deleted and recreated meanwhile, so nothing was written; '
            "try again"
        ) from None
    managers = applying_managers(resource) if "spec" in change else []
    if managers:
        report(
            f"warning: the spec is applied by {', '.join(managers)}; if that is a GitOps tool, it "
            "overwrites this, so change its source, too"
        )
    return written


def applying_managers(resource: Object) -> list[str]:
    """Field managers that apply the spec, and so may overwrite what another client writes."""
    return sorted(
        {
            entry["manager"]
            for entry in resource["metadata"].get("managedFields") or ()
            if entry.get("operation") == "Apply" and "f:spec" in (entry.get("fieldsV1") or {})
        }
    )


async def read_changeable(cluster: Cluster, name: str) -> Object:
    """A platform that is about to be changed.

    Raises:
        ClusterError: it does not exist, or is being deleted.
    """
    resource = await cluster.read_platform(name)
    if resource["metadata"].get("deletionTimestamp"):
        raise ClusterError(f'PryvPlatform "{name}": is being deleted')
    return resource


async def wait_until_done(
    cluster: Cluster, name: str, seconds: float, look: Callable[[Object], Awaitable[Progress]]
) -> None:
    """Wait until a change is done, and report what it waits for meanwhile.

    ``look``: how far it is, by the platform as it is now.

    Raises:
        ClusterError: it fails, or is not done in time.
    """
    until = time.monotonic() + seconds
    said = ""
    while True:
        resource = await cluster.read_platform(name)
        now = await look(resource)
        if now.done:
            return
        if now.failed:
            raise ClusterError(f'PryvPlatform "{name}": {now.text}')
        if now.text != said:
            report(f"waiting: {now.text}")
        said = now.text
        if time.monotonic() > until:
            raise ClusterError(
                f'PryvPlatform "{name}": not done after {seconds:g} s; it goes on: {now.text}'
            )
        await asyncio.sleep(_POLL_SECONDS)


def _is_recorded(value: str, revision: Object | None) -> bool:
    """Whether a revision records a value of ``pryv.io/restart``."""
    annotations = (revision or {"metadata": {}})["metadata"].get("annotations") or {}
    try:
        templates = json.loads(annotations.get(keys.TEMPLATES) or "{}")
        return any(each.get("restarted") == value.strip() for each in templates.values())
    except (ValueError, AttributeError):
        return True


def _restarted(workload: Object) -> str:
    template = workload["spec"]["template"]["metadata"].get("annotations") or {}
    return str(template.get(keys.RESTARTED, ""))


def _word(done: str, *, unchanged: bool) -> str:
    return f"already {done}" if unchanged else done
