"""What is computed in a thread, and what in a child process."""

from __future__ import annotations

from typing import Any

import pytest

from pryv_operator.reconcile.computation import LimitedComputation
from tests.unit.builders import inputs, platform


class Children:
    """Says that it was asked."""

    async def run(self, namespace: str, function: Any, *arguments: Any) -> str:
        return f"a child process for {namespace}"


def compute(_: Any) -> str:
    return "a thread"


@pytest.mark.parametrize(
    ("spec", "secrets", "where"),
    [
        ({}, {}, "thread"),
        ({"variables": {"PLATFORM_NAME": "Acme"}}, {"A": "x" * 600}, "thread"),
        ({"variables": {"CUSTOM_AUTH_FUNCTION": "/[(" * 2000}}, {}, "child"),
        ({"variables": {"INVITATION_TOKENS": [1] * 3000}}, {}, "child"),
        ({}, {"CUSTOM_AUTH_FUNCTION": "/[(" * 2000}, "child"),
        ({"templates": {"archive": {"configMapKeyRef": {"name": "a", "key": "b"}}}}, {}, "child"),
    ],
)
async def test_only_little_input_is_computed_in_a_thread(
    spec: dict[str, Any], secrets: dict[str, str], where: str
) -> None:
    children: Any = Children()
    given = platform(**spec)
    computation = LimitedComputation(children)
    found = await computation.run(given, compute, inputs(given, secrets=secrets))
    assert where in found
