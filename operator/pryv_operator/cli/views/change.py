"""What a command has changed of a platform. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from pryv_operator.api import labels_annotations as keys
from pryv_operator.api.kubernetes import Object

#: Reasons that a change ends with when it fails.
_FAILED: Final = ("RolloutFailed", "RolloutHeld", "RollingBack", "RolledBack")


@dataclass(frozen=True)
class Change:
    """A change of a platform: which, and of which components."""

    namespace: str
    name: str
    change: str
    components: tuple[str, ...] = ()
    dry_run: bool = False
    details: Mapping[str, Any] = field(default_factory=dict)

    def table(self, *, wide: bool) -> str:
        """A line, as kubectl writes it; wide: with the components."""
        listed = f": {', '.join(self.components)}" if wide and self.components else ""
        dry = " (server dry run)" if self.dry_run else ""
        return f"{self.names()[0]} {self.change}{dry}{listed}\n"

    def names(self) -> list[str]:
        """The platform."""
        return [f"pryvplatform.{keys.GROUP}/{self.name}"]


@dataclass(frozen=True)
class Progress:
    """How far a change is. ``failed``: it does not go on by itself."""

    done: bool
    failed: bool
    text: str


def condition_of(resource: Object, kind: str) -> Mapping[str, Any]:
    """A condition of a platform; empty: it is not reported."""
    conditions = (resource.get("status") or {}).get("conditions") or ()
    return next((each for each in conditions if each["type"] == kind), {})


def is_observed(resource: Object, generation: int) -> bool:
    """Whether the status is about a generation, or a later one."""
    return int((resource.get("status") or {}).get("observedGeneration") or 0) >= generation


def progress(resource: Object, *, observed: bool, reached: bool) -> Progress:
    """How far a change is.

    Args:
        resource: the platform.
        observed: the status is about the change.
        reached: what was asked for is the case.
    """
    ready = condition_of(resource, "Ready")
    stalled = condition_of(resource, "Stalled").get("status") == "True"
    reason = str(ready.get("reason", ""))
    done = observed and reached
    failed = observed and not reached and (reason in _FAILED or stalled)
    text = f"{reason}: {ready.get('message', '')}" if observed else "the operator to act on it"
    return Progress(done, failed, text)
