"""The scenarios: a module each, whose ``measure`` returns a result."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from tests.bench.context import Context
from tests.bench.results import Result
from tests.bench.scenarios import (
    at_rest,
    change,
    cold_start,
    growth,
    hostile,
    install,
    plugin,
    rendering,
    repair,
    shared_secret,
    soak,
)

#: In the order of the page. What is quick is measured first.
SCENARIOS: Final[dict[str, Callable[[Context], Result]]] = {
    "rendering": rendering.measure,
    "plugin": plugin.measure,
    "install": install.measure,
    "change": change.measure,
    "at-rest": at_rest.measure,
    "cold-start": cold_start.measure,
    "growth": growth.measure,
    "repair": repair.measure,
    "shared-secret": shared_secret.measure,
    "hostile": hostile.measure,
    "soak": soak.measure,
}
