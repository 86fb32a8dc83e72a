"""Restarts without a change of configuration, asked for by the annotation ``pryv.io/restart``."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Final

from pryv_operator.api import labels_annotations as keys
from pryv_operator.api import names
from pryv_operator.api.findings import Advisory
from pryv_operator.api.reasons import Reason
from pryv_operator.objects.model import Component

_ALL: Final = "all"
#: How much of an unknown target a warning quotes (characters).
_QUOTED: Final = 100


def with_restarts(
    components: Iterable[Component], restart: str, former: Mapping[str, str]
) -> tuple[tuple[Component, ...], tuple[Advisory, ...]]:
    """The components with the restart that their pods are started for, and unknown targets.

    Args:
        components: all components of the platform.
        restart: the annotation, ``TARGET[,TARGET…][@ANYTHING]``. A target is ``all``, a role, an
            instance, a component or ``instance/component``. Another text after ``@`` restarts the
            same targets again.
        former: workload → the restart it was last started for; it stays the same for
            components that are not a target.
    """
    listed = tuple(components)
    texts = (text.strip() for text in restart.partition("@")[0].split(","))
    targets = {text for text in texts if text}
    known = {_ALL}.union(*(_targets(component) for component in listed)) if targets else set()
    warnings = tuple(
        Advisory(
            Reason.UNKNOWN_RESTART_TARGET,
            f'metadata.annotations["{keys.RESTART}"]: "{target[:_QUOTED]}" is not a role, instance '
            "or component of this platform; correct it",
        )
        for target in sorted(targets - known)
    )
    restarted = tuple(_restarted(component, restart, targets, former) for component in listed)
    return restarted, warnings


def _restarted(
    component: Component, restart: str, targets: set[str], former: Mapping[str, str]
) -> Component:
    is_target = bool(targets) and not targets.isdisjoint({_ALL, *_targets(component)})
    last = restart.strip() if is_target else former.get(component.name, "")
    return replace(component, restarted=last) if last != component.restarted else component


def _targets(component: Component) -> set[str]:
    """The targets that a component is restarted by, besides ``all``."""
    name = names.slug(component.service.name)
    return {
        component.instance.role,
        component.instance.name,
        name,
        component.service.name,
        f"{component.instance.name}/{name}",
    }
