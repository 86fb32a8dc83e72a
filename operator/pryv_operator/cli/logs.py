"""Prints logs of a platform's containers, for ``kubectl-pryv logs``."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from pryv_operator.cli.cluster import Cluster, ClusterError
from pryv_operator.cli.output import show
from pryv_operator.cli.status import read_pods
from pryv_operator.cli.terminal import report
from pryv_operator.cli.views.log_sources import Kind, Source, prefixes, sources
from pryv_operator.cli.views.targets import UnknownTargetError
from pryv_operator.kube.errors import ApiError, NotFoundError, RejectedError

_POLL_SECONDS: Final = 2.0
_NOTHING: Final = {
    Kind.OUTPUT: "no container found",
    Kind.FILES: "no component writes files under /app/log",
    Kind.AUDIT: "no component has an audit trail; see docs/secure.md",
    Kind.ALL: "no container found",
}


@dataclass(frozen=True)
class LogOptions:
    """Options of ``logs``, as its help describes them. ``since`` in seconds."""

    kind: Kind
    follow: bool
    previous: bool
    timestamps: bool
    prefix: bool | None
    since: float | None
    tail: int | None

    def query(self, container: str) -> dict[str, Any]:
        """The options as the API server takes them."""
        return {
            "container": container,
            "follow": "true" if self.follow else None,
            "previous": "true" if self.previous else None,
            "timestamps": "true" if self.timestamps else None,
            "sinceSeconds": None if self.since is None else max(1, round(self.since)),
            "tailLines": self.tail,
        }


async def print_logs(
    cluster: Cluster, name: str, targets: Sequence[str], options: LogOptions
) -> None:
    """Print the logs of components; no targets: of all.

    Raises:
        ClusterError: a target is unknown, or no log can be read.
    """
    await cluster.read_platform(name)
    found = await _sources(cluster, name, targets, options.kind)
    if not found:
        raise ClusterError(f'PryvPlatform "{name}": {_NOTHING[options.kind]}')
    if options.follow:
        await _follow(cluster, name, targets, options)
        return
    marks = _prefixes(found, options)
    failures = [
        each for each in [await _print(cluster, s, marks[s], options) for s in found] if each
    ]
    for failure in failures:
        report(f"warning: {failure}")
    if len(failures) == len(found):
        raise ClusterError(f'PryvPlatform "{name}": no log could be read')


async def _sources(
    cluster: Cluster, name: str, targets: Sequence[str], kind: Kind
) -> tuple[Source, ...]:
    pods = await read_pods(cluster, name)
    if not pods:
        raise ClusterError(f'PryvPlatform "{name}": it has no pods')
    try:
        return sources(pods, targets, kind)
    except UnknownTargetError as error:
        raise ClusterError(str(error)) from None


def _prefixes(found: Sequence[Source], options: LogOptions) -> dict[Source, str]:
    wanted = len(found) > 1 if options.prefix is None else options.prefix
    return prefixes(found, options.kind) if wanted else dict.fromkeys(found, "")


async def _follow(cluster: Cluster, name: str, targets: Sequence[str], options: LogOptions) -> None:
    """Print logs as they grow, also of pods that are created later, until the user interrupts."""
    streams: dict[tuple[str, str, int], asyncio.Task[str | None]] = {}
    first = True
    while True:
        found = await _sources(cluster, name, targets, options.kind)
        marks = _prefixes(found, options)
        for each in found:
            key = (each.pod, each.container, each.restarts)
            former = streams.get(key)
            broken = former.result() if former and former.done() else None
            if broken:
                report(f"warning: {broken}")
            if each.running and (former is None or broken):
                # All of what started later; of a broken connection, only what is new.
                tail = options.tail if first else 0 if broken else None
                own = replace(options, tail=tail, since=options.since if first else None)
                streams[key] = asyncio.create_task(_print(cluster, each, marks[each], own))
        first = False
        await asyncio.sleep(_POLL_SECONDS)


async def _print(cluster: Cluster, source: Source, prefix: str, options: LogOptions) -> str | None:
    """Print a log; return why that failed, if it did."""
    query = options.query(source.container)
    try:
        async for line in cluster.client.pod_log(cluster.namespace, source.pod, query):
            show(f"{prefix}{line.decode('utf-8', 'replace')}\n")
    except NotFoundError:
        return None  # the pod was replaced meanwhile
    except RejectedError as error:
        if error.status == 400:  # not started yet, or no former container
            return f"{source.label}: {error.message}"
        raise
    except ApiError as error:
        return f"{source.label}: log of pod {source.pod} cannot be read: {error.message}"
    return None
