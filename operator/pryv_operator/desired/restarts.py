"""Restarts without a change: the annotation ``pryv.io/restart`` says what, and a new text in it says again."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace

from pryv_operator.api import labels_annotations as keys
from pryv_operator.api import names
from pryv_operator.api.findings import Advisory
from pryv_operator.api.reasons import Reason
from pryv_operator.objects.model import Component

EVERYTHING = "all"


def restarted(
    components: Iterable[Component], asked: str, last: Mapping[str, str]
) -> tuple[tuple[Component, ...], tuple[Advisory, ...]]:
    """The components, each with the restart its pods are made for, and what is to be said about targets that are not there.

    ``asked``: ``TARGET[,TARGET…][@ANYTHING]``, a target being ``all``, a role, an instance, a component or ``instance/component``.
    ``last``: workload → the restart it was last made for; it keeps that until it is meant again.
    """
    listed = tuple(components)
    targets = {target.strip() for target in asked.partition("@")[0].split(",") if target.strip()}
    known = {EVERYTHING} | {name for component in listed for name in _targets(component)}
    warnings = tuple(
        Advisory(
            Reason.UNKNOWN_RESTART_TARGET,
            f"the annotation {keys.RESTART} names {target[:100]}, which is no role, instance or component here",
        )
        for target in sorted(targets - known)
    )
    token = asked.strip()

    def one(component: Component) -> Component:
        meant = EVERYTHING in targets or bool(targets & _targets(component))
        return replace(component, restarted=token if meant else last.get(component.name, ""))

    return tuple(one(component) for component in listed), warnings


def _targets(component: Component) -> set[str]:
    """What a component may be called; an instance and a role before the component of the same name (core)."""
    name = names.slug(component.service.name)
    return {
        component.instance.role,
        component.instance.name,
        name,
        component.service.name,
        f"{component.instance.name}/{name}",
    }
