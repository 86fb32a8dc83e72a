"""When a platform of the benchmarks needs nothing more."""

from __future__ import annotations

import pytest

from tests.bench.platforms import is_ready


def _platform(observed: int, **conditions: tuple[str, str]) -> dict[str, object]:
    found = [
        {"type": kind, "status": status, "reason": reason, "observedGeneration": observed}
        for kind, (status, reason) in conditions.items()
    ]
    return {"metadata": {"generation": 2}, "status": {"conditions": found}}


READY = {"Ready": ("True", "Ready"), "RolloutComplete": ("True", "Complete")}
STOPPED = {"Ready": ("False", "Stopped"), "RolloutComplete": ("False", "Stopped")}
ROLLING = {"Ready": ("True", "Ready"), "RolloutComplete": ("False", "Progressing")}


@pytest.mark.parametrize(
    ("item", "expected"),
    [
        (_platform(2, **READY), True),
        (_platform(1, **READY), False),
        (_platform(2, **STOPPED), True),
        (_platform(1, **STOPPED), False),
        (_platform(2, **ROLLING), False),
        ({"metadata": {"generation": 1}}, False),
    ],
)
def test_a_platform_is_ready_in_its_current_generation_only(
    item: dict[str, object], *, expected: bool
) -> None:
    assert is_ready(item) is expected
