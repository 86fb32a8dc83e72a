"""The status of a platform as a tree: platform, roles, instances, components. Pure."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, Final

from pryv_operator.api import labels_annotations as keys
from pryv_operator.api import names
from pryv_operator.api.kubernetes import Object
from pryv_operator.cli.output import BOLD, DIM, GREEN, RED, YELLOW, padded, paint
from pryv_operator.cli.views.workloads import (
    ComponentStatus,
    State,
    component_status,
    labels_of,
    rollout_key,
)

#: Conditions that are shown when they hold, besides Ready.
_SHOWN_IF_TRUE: Final = ("Stalled", "Reconciling", "Paused")
_SOON_DAYS: Final = 14
#: Where a message of the operator goes on to another component, or ends with how many more wait.
_NEXT_COMPONENT: Final = re.compile(r"; (?=[a-z0-9-]+/[a-z0-9-]+: |and \d+ more$)")
_COLOURS: Final = {
    State.READY: GREEN,
    State.UPDATING: YELLOW,
    State.NOT_READY: RED,
    State.MISSING: RED,
    State.STOPPED: DIM,
}


@dataclass(frozen=True)
class Instance:
    """A role instance. ``waits_for``: what its own message in the status says."""

    name: str
    address: str | None
    ready: int
    desired: int
    components: tuple[ComponentStatus, ...]


@dataclass(frozen=True)
class Role:
    """A role, and its instances."""

    name: str
    instances: tuple[Instance, ...]


@dataclass(frozen=True)
class Certificate:
    """A certificate, by the Secret that holds it.

    ``expires`` None: it was not read; ``problem`` says why.
    """

    used_by: str
    secret: str
    source: str
    expires: datetime | None = None
    days: int | None = None
    problem: str | None = None


@dataclass(frozen=True)
class Condition:
    """A condition of the platform."""

    type: str
    status: str
    reason: str
    message: str


@dataclass(frozen=True)
class Revision:
    """The newest revision. ``state``: complete, failed, or rolling."""

    number: int
    state: str
    created: datetime | None = None


@dataclass(frozen=True)
class PlatformStatus:
    """The status of a platform."""

    namespace: str
    name: str
    domain: str
    release: str | None
    ready: bool
    reason: str
    message: str
    revision: Revision | None
    current: bool = True
    conditions: tuple[Condition, ...] = ()
    endpoints: Mapping[str, str] = field(default_factory=dict)
    certificates: tuple[Certificate, ...] = ()
    warnings: tuple[Mapping[str, str], ...] = ()
    roles: tuple[Role, ...] = ()

    def table(self, *, wide: bool) -> str:
        """The tree for people; wide: with the workloads."""
        return "\n".join(_lines(self, wide=wide)) + "\n"

    def names(self) -> list[str]:
        """The platform."""
        return [f"pryvplatform.{keys.GROUP}/{self.name}"]


@dataclass(frozen=True)
class PlatformList:
    """Several platforms."""

    items: tuple[PlatformStatus, ...]

    def table(self, *, wide: bool) -> str:
        """A tree for each platform."""
        return "\n".join(each.table(wide=wide) for each in self.items)

    def names(self) -> list[str]:
        """The platforms."""
        return [name for each in self.items for name in each.names()]


def platform_status(
    resource: Object,
    workloads: Sequence[Object],
    pods: Sequence[Object],
    *,
    revision: Revision | None = None,
    certificates: Sequence[Certificate] = (),
) -> PlatformStatus:
    """The status of a platform.

    Args:
        resource: the PryvPlatform.
        workloads: its Deployments and StatefulSets.
        pods: its pods.
        revision: its newest revision.
        certificates: its certificates.
    """
    metadata, spec = resource["metadata"], resource.get("spec") or {}
    status = resource.get("status") or {}
    conditions = {each["type"]: each for each in status.get("conditions") or ()}
    ready = conditions.get("Ready", {})
    return PlatformStatus(
        namespace=metadata["namespace"],
        name=metadata["name"],
        domain=str(spec.get("domain", "")),
        release=status.get("release") or spec.get("release"),
        ready=ready.get("status") == "True",
        reason=str(ready.get("reason", "Unknown")),
        message=str(ready.get("message", "the operator has not reported a status yet")),
        revision=revision,
        current=status.get("observedGeneration") == metadata.get("generation"),
        conditions=tuple(
            Condition(each["type"], each["status"], each.get("reason", ""), each.get("message", ""))
            for each in status.get("conditions") or ()
        ),
        endpoints={each["name"]: each["url"] for each in status.get("endpoints") or ()},
        certificates=tuple(certificates),
        warnings=tuple(
            {"reason": each["reason"], "message": each["message"]}
            for each in status.get("warnings") or ()
        ),
        roles=tuple(_roles(status, str(ready.get("message", "")), workloads, pods)),
    )


def _roles(
    status: Mapping[str, Any], message: str, workloads: Sequence[Object], pods: Sequence[Object]
) -> Iterator[Role]:
    """The roles of the status and of the workloads, in the order of a rollout."""
    reported = {each["name"]: each for each in status.get("instances") or ()}
    found: dict[tuple[str, str], list[ComponentStatus]] = {
        (each["role"], name): [] for name, each in reported.items()
    }
    for workload in sorted(workloads, key=rollout_key):
        labels = labels_of(workload)
        place = labels.get(keys.ROLE, ""), labels.get(keys.INSTANCE, "")
        component = component_status(workload, pods)
        said = _said_of(message, f"{place[1]}/{component.name}")
        if said and component.state is not State.READY:
            pod = f"{component.waits_for}: " if component.waits_for else ""
            component = replace(component, waits_for=pod + said)
        found.setdefault(place, []).append(component)
    ordered = sorted(found.items(), key=lambda each: (_position(each[0][0]), each[0]))
    for role, instances in itertools.groupby(ordered, key=lambda each: each[0][0]):
        yield Role(
            role,
            tuple(
                Instance(
                    name,
                    reported.get(name, {}).get("address"),
                    reported.get(name, {}).get("ready", _ready(components)),
                    reported.get(name, {}).get("desired", len(components)),
                    tuple(components),
                )
                for (_, name), components in instances
            ),
        )


def _position(role: str) -> int:
    return names.ROLES.index(role) if role in names.ROLES else len(names.ROLES)


def _ready(components: Sequence[ComponentStatus]) -> int:
    return sum(each.state is State.READY for each in components)


def _said_of(message: str, label: str) -> str | None:
    """What a message of the operator says of a component: what follows ``instance/component:``."""
    for part in _NEXT_COMPONENT.split(message):
        named, found, text = part.partition(": ")
        if found and named == label:
            return text
    return None


# The tree


def _lines(view: PlatformStatus, *, wide: bool) -> Iterator[str]:
    state = paint(view.reason, GREEN if view.ready else RED if _stalled(view) else YELLOW)
    yield f"{paint(f'{view.namespace}/{view.name}', BOLD)}  {state}"
    if not view.ready or not view.current:
        yield f"  {view.message}" + ("" if view.current else " (a change is not observed yet)")
    facts = [("domain", view.domain), ("release", view.release or "unknown")]
    if view.revision:
        facts.append(("revision", f"{view.revision.number}, {view.revision.state}"))
    facts += [(f"{each.type.lower()}", each.message) for each in _notable(view)]
    facts += [
        (f"certificate {each.used_by}".strip(), _certificate(each)) for each in view.certificates
    ]
    facts += [(name, url) for name, url in view.endpoints.items()]
    width = max(len(name) for name, _ in facts)
    yield from (f"  {name.ljust(width)}  {text}" for name, text in facts)
    for warning in view.warnings:
        yield f"  {paint('warning', YELLOW)} {warning['reason']}: {warning['message']}"
    yield ""
    yield from _tree(view, wide=wide)


def _stalled(view: PlatformStatus) -> bool:
    return any(each.type == "Stalled" and each.status == "True" for each in view.conditions)


def _notable(view: PlatformStatus) -> Iterator[Condition]:
    """Conditions that say more than Ready does."""
    for each in view.conditions:
        if each.type in _SHOWN_IF_TRUE and each.status == "True" and each.message != view.message:
            yield each


def _certificate(each: Certificate) -> str:
    if each.days is None or each.expires is None:
        return f'Secret "{each.secret}" ({each.source}): {each.problem or "not read"}'
    when = f"{each.expires:%Y-%m-%d}"
    left = f"expires {when}, in {each.days} days" if each.days >= 0 else f"expired {when}"
    left = paint(left, *([] if each.days > _SOON_DAYS else [RED]))
    return f'Secret "{each.secret}" ({each.source}): {left}'


def _tree(view: PlatformStatus, *, wide: bool) -> Iterator[str]:
    header = ["COMPONENT", "READY", "STATE", "IMAGE", *(["WORKLOAD"] if wide else [])]
    rows: list[tuple[list[str], State | None, str | None]] = []
    for role in view.roles:
        rows.append(([role.name], None, None))
        for last_instance, instance in _marked(role.instances):
            stem = "└─ " if last_instance else "├─ "
            ready = f"{instance.ready}/{instance.desired}"
            address = f" ({instance.address})" if instance.address else ""
            rows.append(([f"{stem}{instance.name}{address}", ready], None, None))
            branch = "   " if last_instance else "│  "
            missing = instance.desired - len(instance.components)
            listed = [*instance.components]
            for last, each in _marked(listed):
                stem = "└─ " if last and missing <= 0 else "├─ "
                row = [
                    f"{branch}{stem}{each.name}",
                    f"{each.ready}/{each.desired}",
                    str(each.state),
                    each.image,
                    *([f"{each.kind.lower()}/{each.workload}"] if wide else []),
                ]
                rows.append((row, each.state, each.waits_for))
            if missing > 0:
                row = [f"{branch}└─ ({missing} not created)", "", str(State.MISSING), ""]
                rows.append((row, State.MISSING, None))
    widths = [
        max(len(row[index]) for row in (header, *(row for row, _, _ in rows)) if index < len(row))
        for index in range(len(header))
    ]
    yield padded(header, widths)
    for row, state, waits_for in rows:
        cells = [cell.ljust(width) for cell, width in zip(row, widths, strict=False)]
        while cells and not cells[-1].strip():
            cells.pop()
        cells[-1] = cells[-1].rstrip()
        if state is not None:
            cells[2] = paint(cells[2], _COLOURS[state])
        yield "  ".join(cells).rstrip()
        if waits_for:
            yield f"{' ' * widths[0]}  {paint(waits_for, DIM)}"


def _marked(items: Sequence[Any]) -> Iterator[tuple[bool, Any]]:
    """Each item, with whether it is the last one."""
    for index, item in enumerate(items):
        yield index == len(items) - 1, item
