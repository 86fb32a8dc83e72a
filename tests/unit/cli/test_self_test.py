"""What `pryv-operator self-test` creates, and when it counts as reconciled."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pryv_operator.api import crd
from pryv_operator.api.spec import PryvPlatformSpec
from pryv_operator.cli.self_test import progress, stopped_platform

Object = dict[str, Any]


def condition(kind: str, status: str, reason: str, generation: int = 2) -> Object:
    return {
        "type": kind,
        "status": status,
        "reason": reason,
        "message": "why",
        "observedGeneration": generation,
    }


RENDERED = condition("ConfigRendered", "True", "Rendered")
STOPPED = condition("Ready", "False", "Stopped")


def platform(*conditions: Object, observed: int | None = 2) -> Object:
    status = {"observedGeneration": observed, "conditions": list(conditions)}
    return {"metadata": {"namespace": "pryv", "generation": 2}, "status": status}


def test_platform_is_stopped_and_deleted_with_all_it_has() -> None:
    spec = PryvPlatformSpec.model_validate(stopped_platform("pryv", "self-test-0")["spec"])
    assert spec.stopped is True
    assert spec.deletion_policy == "Delete"
    assert crd.definition()["spec"]["names"]["kind"] == stopped_platform("a", "b")["kind"]


def test_reconciled_platform_is_done() -> None:
    found = progress(platform(RENDERED, STOPPED))
    assert found.done
    assert found.text == "ConfigRendered is True (Rendered): why"


@pytest.mark.parametrize(
    ("found", "said"),
    [
        (
            {"metadata": {"namespace": "pryv", "generation": 1}},
            'no status; check that an operator runs and watches namespace "pryv"',
        ),
        (
            platform(RENDERED, STOPPED, observed=1),
            'no status; check that an operator runs and watches namespace "pryv"',
        ),
        (platform(), "condition ConfigRendered is missing"),
        (
            platform(condition("ConfigRendered", "True", "Rendered", 1), STOPPED),
            "condition ConfigRendered is missing",
        ),
        (
            platform(condition("ConfigRendered", "False", "InvalidSpec"), STOPPED),
            "ConfigRendered is False (InvalidSpec): why",
        ),
        (platform(RENDERED), "condition Ready is missing"),
        (
            platform(RENDERED, condition("Ready", "False", "Rejected")),
            "Ready is False (Rejected): why",
        ),
    ],
)
def test_what_is_missing_is_named(found: Object, said: str) -> None:
    state = progress(found)
    assert not state.done
    assert state.text == said


@given(
    st.lists(
        st.builds(
            condition,
            st.sampled_from(["ConfigRendered", "Ready", "Stalled"]),
            st.sampled_from(["True", "False", "Unknown"]),
            st.sampled_from(["Rendered", "Stopped", "InvalidSpec"]),
            st.integers(1, 3),
        ),
        unique_by=lambda each: each["type"],
    ),
    st.one_of(st.none(), st.integers(1, 3)),
)
def test_only_a_current_status_is_done(conditions: list[Object], observed: int | None) -> None:
    found = progress(platform(*conditions, observed=observed))
    current = {each["type"]: each for each in conditions if each["observedGeneration"] == 2}
    assert found.done is (
        observed == 2
        and current.get("ConfigRendered", {}).get("status") == "True"
        and current.get("Ready", {}).get("reason") == "Stopped"
    )
