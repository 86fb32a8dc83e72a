"""The health script for Argo CD judges the states that the operator reports."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from pryv_operator.api.reasons import Reason, Scope
from tests.argocd import SCRIPT, health

ROOT = Path(__file__).parents[2]


def platform(
    reason: str,
    ready: str = "False",
    reconciling: str = "False",
    stalled: str = "False",
    paused: str = "False",
) -> dict[str, Any]:
    """A platform whose status is about its newest generation."""
    states = {"Ready": ready, "Reconciling": reconciling, "Stalled": stalled, "Paused": paused}
    return {
        "metadata": {"generation": 3},
        "status": {
            "observedGeneration": 3,
            "conditions": [
                {"type": kind, "status": status, "reason": reason, "message": "as it is"}
                for kind, status in states.items()
            ],
        },
    }


def test_a_new_platform_is_progressing() -> None:
    assert health({"metadata": {"generation": 1}}) == ("Progressing", "waiting for the operator")


def test_the_status_of_an_older_generation_says_nothing() -> None:
    old = platform(Reason.READY, ready="True")
    old["metadata"]["generation"] = 4
    assert health(old)[0] == "Progressing"


@pytest.mark.parametrize(
    ("resource", "expected"),
    [
        (platform(Reason.READY, ready="True"), "Healthy"),
        (platform(Reason.PROGRESSING, reconciling="True"), "Progressing"),
        (platform(Reason.CRASH_LOOP_BACK_OFF, reconciling="True", stalled="True"), "Degraded"),
        (platform(Reason.PAUSED, paused="True"), "Suspended"),
        (platform(Reason.READY, ready="True", paused="True"), "Suspended"),
        (platform(Reason.SECRET_NOT_FOUND, stalled="True", paused="True"), "Degraded"),
        (platform(Reason.STOPPED), "Suspended"),
        (platform(Reason.STOPPING, reconciling="True"), "Progressing"),
    ],
)
def test_health_follows_the_conditions(resource: dict[str, Any], expected: str) -> None:
    status, message = health(resource)
    assert status == expected
    assert message.endswith(": as it is")


@pytest.mark.parametrize("reason", [each for each in Reason if each.scope is Scope.FAILED_ROLLOUT])
def test_a_failed_rollout_is_degraded(reason: Reason) -> None:
    assert health(platform(reason, stalled="True"))[0] == "Degraded"


def test_the_docs_show_the_script() -> None:
    page = (ROOT / "docs/gitops.md").read_text(encoding="utf-8")
    assert f"```lua\n{SCRIPT.read_text(encoding='utf-8')}```" in page
