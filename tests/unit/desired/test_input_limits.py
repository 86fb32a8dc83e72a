"""What exceeds a limit is refused at once, whatever its form."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from pryv_operator.api.secret_variables import is_credential_url
from pryv_operator.child_processes.pool import ChildProcesses
from pryv_operator.desired.input_limits import check_variables
from pryv_operator.desired.state import compute_desired
from pryv_operator.templates.builtin import load_release
from pryv_operator.values.catalogue import Catalogue
from pryv_operator.values.nested import leaves
from tests.unit.builders import inputs, platform


def nested(levels: int, *, maps: bool) -> Any:
    value: Any = 1
    for _ in range(levels):
        value = {"a": value} if maps else [value]
    return value


@pytest.mark.parametrize(
    ("variables", "message"),
    [
        ({"A": nested(900, maps=True)}, "nested deeper than 200 levels"),
        ({"A": nested(900, maps=False)}, "nested deeper than 200 levels"),
        ({"A": [[1] * 400] * 400}, "more than 100000 elements"),
        ({f"A{n}": {"b": [1, 2]} for n in range(60_000)}, "more than 100000 elements"),
        ({"a." * 8000 + "a": 1}, "a name is longer than 256 characters"),
    ],
    ids=["maps", "lists", "wide", "many", "name"],
)
def test_too_much_is_refused(variables: dict[str, Any], message: str) -> None:
    problem = check_variables(variables)
    assert problem
    assert message in problem.message


def test_ordinary_variables_are_not_refused() -> None:
    assert check_variables({}) is None
    assert (
        check_variables({"A": nested(100, maps=True), "B": [1] * 9000, "C": "x" * 900_000}) is None
    )


def test_leaves_of_deep_and_wide_values_cost_no_recursion() -> None:
    value = nested(5000, maps=True)
    ((path, leaf),) = leaves(value)
    assert (len(path), leaf) == (5000, 1)
    assert list(leaves({"a": {"b": 1, "c": [2]}, "d": 3})) == [
        (("a", "b"), 1),
        (("a", "c"), [2]),
        (("d",), 3),
    ]


def place_a_long_name() -> str:
    return str(Catalogue(load_release().variables).place("a." * 32_000 + "a"))


def judge_a_long_url() -> bool:
    return is_credential_url("MFA_ENDPOINTS", ("single", "url"), "?" * 40_000)


def name_the_faults_of_many_tokens() -> int:
    given = platform(variables={"INVITATION_TOKENS": [1] * 4000})
    return len(compute_desired(inputs(given)).problems)


@pytest.mark.parametrize(
    ("function", "found"),
    [
        (place_a_long_name, "a." * 32_000 + "a"),
        (judge_a_long_url, True),
        (name_the_faults_of_many_tokens, 4000),
    ],
    ids=["name", "url", "tokens"],
)
async def test_what_took_minutes_is_within_the_limits(
    function: Callable[[], object], found: object
) -> None:
    """10 s of CPU, by the kernel."""
    children = ChildProcesses()
    assert await children.run("a", function) == found
    await children.close()
