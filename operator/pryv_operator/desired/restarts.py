"""Restarts without a change: the annotation ``pryv.io/restart`` says what, and a new text in it says again."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace

from pryv_operator.api import labels_annotations as keys
from pryv_operator.api import names
from pryv_operator.api.findings import Advisory
from pryv_operator.api.reasons import Reason
from pryv_operator.objects.model import Part

EVERYTHING = "all"


def restarted(
    parts: Iterable[Part], asked: str, last: Mapping[str, str]
) -> tuple[tuple[Part, ...], tuple[Advisory, ...]]:
    """The parts, each with the restart its pods are made for, and what is to be said about targets that are not there.

    ``asked``: ``TARGET[,TARGET…][@ANYTHING]``, a target being ``all``, a role, an instance, a component or ``instance/component``.
    ``last``: workload → the restart it was last made for; it keeps that until it is meant again.
    """
    listed = tuple(parts)
    targets = {target.strip() for target in asked.partition("@")[0].split(",") if target.strip()}
    known = {EVERYTHING} | {name for part in listed for name in _targets(part)}
    warnings = tuple(
        Advisory(
            Reason.UNKNOWN_RESTART_TARGET,
            f"the annotation {keys.RESTART} names {target[:100]}, which is no role, instance or component here",
        )
        for target in sorted(targets - known)
    )
    token = asked.strip()

    def one(part: Part) -> Part:
        meant = EVERYTHING in targets or bool(targets & _targets(part))
        return replace(part, restarted=token if meant else last.get(part.name, ""))

    return tuple(one(part) for part in listed), warnings


def _targets(part: Part) -> set[str]:
    """What a part may be called; an instance and a role before the component of the same name (core)."""
    component = names.slug(part.service.name)
    return {
        part.instance.role,
        part.instance.name,
        component,
        part.service.name,
        f"{part.instance.name}/{component}",
    }
