"""Limits of ``spec.variables``, asked before anything else looks into them. Pure.

Everything later may take more than linear time, or recurse.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pryv_operator.api.findings import Problem
from pryv_operator.api.reasons import Reason
from pryv_operator.leader.substitution import DEPTH_LIMIT, ELEMENTS_LIMIT, NAME_LIMIT


def check_variables(variables: Mapping[str, Any]) -> Problem | None:
    """The first limit that the variables of a spec exceed, alone or together."""
    if any(len(name) > NAME_LIMIT for name in variables):
        return _problem(f"a name is longer than {NAME_LIMIT} characters")
    elements, level, values = 0, 0, list(variables.values())
    while values:
        level, elements = level + 1, elements + len(values)
        if level > DEPTH_LIMIT:
            return _problem(f"nested deeper than {DEPTH_LIMIT} levels")
        if elements > ELEMENTS_LIMIT:
            return _problem(f"more than {ELEMENTS_LIMIT} elements")
        inside = (
            list(each.values()) if isinstance(each, Mapping) else each
            for each in values
            if isinstance(each, Mapping | list)
        )
        values = [child for children in inside for child in children]
    return None


def _problem(what: str) -> Problem:
    return Problem(Reason.LIMIT_EXCEEDED, f"spec.variables: {what}, the limit; use less")
