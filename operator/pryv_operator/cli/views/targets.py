"""Which components a target on the command line names. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

from pryv_operator.api import labels_annotations as keys
from pryv_operator.api import names
from pryv_operator.api.kubernetes import Object
from pryv_operator.cli.views.workloads import labels_of, rollout_key

#: The target that is every component.
ALL: Final = "all"


class UnknownTargetError(Exception):
    """A target that names no component of a platform."""


def targets_of(item: Object) -> set[str]:
    """The targets that select a workload or pod: role, instance, component, and the last two."""
    labels = labels_of(item)
    role, instance, component = (
        labels.get(key, "") for key in (keys.ROLE, keys.INSTANCE, keys.COMPONENT)
    )
    return {ALL, role, instance, component, f"{instance}/{component}"} - {""}


def selected(items: Sequence[Object], targets: Iterable[str]) -> list[Object]:
    """The workloads or pods that targets select, as they are rolled out.

    Raises:
        UnknownTargetError: a target selects none of them.
    """
    asked = [normalized(target) for target in targets]
    for target in asked:
        if not any(target in targets_of(item) for item in items):
            raise UnknownTargetError(_unknown(target, items))
    return sorted((item for item in items if targets_of(item) & {*asked}), key=rollout_key)


def normalized(target: str) -> str:
    """A target with its component's name as labels have it."""
    instance, found, component = target.strip().rpartition("/")
    return f"{instance}{found}{names.slug(component)}"


def _unknown(target: str, items: Sequence[Object]) -> str:
    known = {each for item in items for each in targets_of(item)} - {ALL}
    listed = sorted(each for each in known if "/" not in each)
    existing = f"; existing: {', '.join(listed)}" if listed else "; it has no components"
    return f'"{target}": not a role, instance or component of this platform{existing}'


def merged_restart(current: str, targets: Sequence[str], text: str, *, acted_on: bool) -> str:
    """The value of ``pryv.io/restart`` that restarts targets.

    Args:
        current: the present value.
        targets: what to restart.
        text: what makes the value another one.
        acted_on: whether the operator has recorded the present value in a revision. If not, its
            targets are restarted too.
    """
    before = [] if acted_on else current.partition("@")[0].split(",")
    listed = dict.fromkeys([*(each.strip() for each in before), *map(normalized, targets)])
    chosen = [each for each in listed if each]
    return f"{ALL if ALL in chosen else ','.join(chosen)}@{text}"
