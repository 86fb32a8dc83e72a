"""CORE_n_IP_ADDRESS and CORE_HOSTING_n: variables of 2019 that are fields of a core today."""

from __future__ import annotations

from typing import Any

import pytest

from pryv_operator.api.instances import instances
from pryv_operator.values.core_variables import apply_core_variables
from tests.unit.builders import platform

CORES = {
    "core": {
        "instances": [
            {"name": "co1", "hosting": "geneva"},
            {"name": "co2", "address": "203.0.113.2"},
        ]
    }
}


def test_variables_of_2019_set_fields_of_the_cores() -> None:
    configured = {
        "CORE_1_IP_ADDRESS": "198.51.100.1",
        "CORE_HOSTING_2": "zurich",
        "CORE_3_IP_ADDRESS": "198.51.100.3",
        "PLATFORM_NAME": "A",
    }
    found = apply_core_variables(instances(platform(roles=CORES).spec), configured, ())
    cores = {
        each.name: (each.address, each.hosting) for each in found.instances if each.role == "core"
    }
    assert cores == {"co1": ("198.51.100.1", "geneva"), "co2": ("203.0.113.2", "zurich")}
    assert found.variables == {"CORE_3_IP_ADDRESS": "198.51.100.3", "PLATFORM_NAME": "A"}, (
        "there is no third core; resolve warns"
    )
    assert found.problems == ()


def test_templates_that_declare_the_variables_get_them_unchanged() -> None:
    configured = {"CORE_1_IP_ADDRESS": "198.51.100.1"}
    layout = instances(platform(roles=CORES).spec)
    found = apply_core_variables(layout, configured, {"CORE_1_IP_ADDRESS"})
    assert (found.instances, found.variables) == (layout, configured)


@pytest.mark.parametrize(
    "configured", [{"CORE_HOSTING_1": "zurich"}, {"CORE_2_IP_ADDRESS": "203.0.113.9"}]
)
def test_a_variable_that_differs_from_the_field_is_refused(configured: dict[str, str]) -> None:
    (problem,) = apply_core_variables(
        instances(platform(roles=CORES).spec), configured, ()
    ).problems
    assert problem.reason == "DuplicateVariable"
    assert next(iter(configured)) in problem.message


@pytest.mark.parametrize(
    ("configured", "reason"),
    [
        ({"CORE_1_IP_ADDRESS": "300.1; evil\n"}, "InvalidVariable"),
        ({"CORE_1_IP_ADDRESS": 7}, "InvalidVariable"),
        ({"CORE_HOSTING_1": "two words"}, "InvalidVariable"),
        ({"CORE_1_IP_ADDRESS": "CORE_1_IP_ADDRESS"}, "MissingVariables"),
        ({"CORE_1_IP_ADDRESS": "REPLACE_ME"}, "MissingVariables"),
        ({"CORE_HOSTING_1": ""}, "MissingVariables"),
    ],
)
def test_an_invalid_value_is_reported_under_the_name_of_the_variable(
    configured: dict[str, Any], reason: str
) -> None:
    found = apply_core_variables(instances(platform().spec), configured, ())
    (problem,) = found.problems
    assert problem.reason == reason
    assert next(iter(configured)) in problem.message
    assert "evil" not in problem.message
    assert found.instances == instances(platform().spec)
