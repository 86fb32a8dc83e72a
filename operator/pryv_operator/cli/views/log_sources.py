"""Which containers of a platform's pods have the logs that are asked for. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

from pryv_operator.api import labels_annotations as keys
from pryv_operator.api.kubernetes import Object
from pryv_operator.cli.output import CYAN, GREEN, YELLOW, paint
from pryv_operator.cli.views.targets import ALL, selected
from pryv_operator.cli.views.workloads import component_label, labels_of

#: The sidecar that copies files under /app/log to its output.
FILES: Final = "logs"
#: Names of the sidecars that print the audit trail: see ``objects/audit.py``.
AUDIT: Final = ("audit", "audit-log", "audit-socket")
_COLOURS: Final = (CYAN, GREEN, YELLOW, "\033[35m", "\033[34m", "\033[36;1m")


class Kind(StrEnum):
    """What is printed: the output of components, their files, the audit trail, or all of it."""

    OUTPUT = "output"
    FILES = "files"
    AUDIT = "audit"
    ALL = "all"


@dataclass(frozen=True)
class Source:
    """A container with a log. ``running``: it can be followed. ``restarts``: so far."""

    label: str
    pod: str
    container: str
    running: bool = True
    restarts: int = 0


def sources(pods: Sequence[Object], targets: Iterable[str], kind: Kind) -> tuple[Source, ...]:
    """The containers whose logs are printed, as their components are rolled out.

    Raises:
        UnknownTargetError: a target selects no pod.
    """
    chosen = selected(pods, [*targets] or [ALL])
    return tuple(
        Source(
            component_label(pod),
            pod["metadata"]["name"],
            name,
            "running" in (_status(pod, name).get("state") or {}),
            _status(pod, name).get("restartCount", 0),
        )
        for pod in chosen
        for name in _containers(pod)
        if _is_of(kind, pod, name)
    )


def _containers(pod: Object) -> list[str]:
    """Names of the containers of a pod: first the component's own, then sidecars."""
    spec = pod["spec"]
    return [
        each["name"]
        for each in (*(spec.get("containers") or ()), *(spec.get("initContainers") or ()))
    ]


def _is_of(kind: Kind, pod: Object, container: str) -> bool:
    own = {each["name"] for each in pod["spec"].get("containers") or ()}
    match kind:
        case Kind.ALL:
            return True
        case Kind.FILES:
            return container == FILES and container != labels_of(pod).get(keys.COMPONENT)
        case Kind.AUDIT:
            return container in AUDIT and container != labels_of(pod).get(keys.COMPONENT)
        case Kind.OUTPUT:
            return container in own and container not in (FILES, *AUDIT)


def _status(pod: Object, container: str) -> Mapping[str, Any]:
    status = pod.get("status") or {}
    listed = (
        *(status.get("containerStatuses") or ()),
        *(status.get("initContainerStatuses") or ()),
    )
    return next((each for each in listed if each.get("name") == container), {})


def prefixes(listed: Sequence[Source], kind: Kind) -> dict[Source, str]:
    """What each line of a source begins with: only what tells the sources apart."""
    pods: dict[str, set[str]] = {}
    for each in listed:
        pods.setdefault(each.label, set()).add(each.pod)
    labels = sorted(pods)
    found: dict[Source, str] = {}
    for each in listed:
        pod = f" {each.pod}" if len(pods[each.label]) > 1 else ""
        container = f" {each.container}" if kind is Kind.ALL else ""
        text = f"[{each.label}{pod}{container}]"
        found[each] = paint(text, _COLOURS[labels.index(each.label) % len(_COLOURS)]) + " "
    return found
