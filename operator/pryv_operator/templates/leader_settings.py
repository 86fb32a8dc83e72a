"""A leader's variables as its folder has them: one type for both generations of layout."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, TypeAlias

from pryv_operator.leader.javascript import property_order
from pryv_operator.leader.platform_yml import LeaderValue

#: Since 1.6 ``platform.yml`` holds the variables; in 2019 all were in ``config-leader.json``.
Generation: TypeAlias = Literal["1.6+", "2019"]


@dataclass(frozen=True)
class TemplateSetting:
    """What a template declares of one variable."""

    default: LeaderValue
    optional: bool = False
    description: str = ""


@dataclass(frozen=True)
class LeaderSettings:
    """The variables of a leader's folder."""

    generation: Generation
    #: Keys with which components authenticate to each other.
    internals: Mapping[str, LeaderValue]
    #: The platform's variables as they are configured.
    values: Mapping[str, LeaderValue]
    #: What is known of each variable: from the template, else from its configured value.
    templates: Mapping[str, TemplateSetting]
    #: Whether the folder holds a template at all.
    has_template: bool
    #: The variables that came with the release, as far as the folder tells.
    of_template: frozenset[str]

    @property
    def ordered(self) -> dict[str, LeaderValue]:
        """Internals and values in the leader's own order of variables."""
        merged = {**self.internals, **self.values}
        return {name: merged[name] for name in property_order(merged)}
