"""HOSTINGS_PROVIDERS."""

from __future__ import annotations

from typing import Any

import pytest

from pryv_operator.values.hosting_providers import (
    ConfiguredVariables,
    complete_hosting_providers,
)

COMPUTED = {
    "HOSTINGS_AND_CORES": {"geneva": {}, "zurich": {}},
    "HOSTINGS_PROVIDERS": {"geneva": {"name": "geneva"}, "zurich": {"name": "zurich"}},
}
CONFIGURED = {"HOSTINGS_PROVIDERS": {"geneva": {"name": "Genève"}}, "A": 1}


def test_hostings_without_an_entry_get_the_computed_one() -> None:
    found = complete_hosting_providers(CONFIGURED, COMPUTED, received=False)
    assert found.variables == {
        "A": 1,
        "HOSTINGS_PROVIDERS": {"geneva": {"name": "Genève"}, "zurich": {"name": "zurich"}},
    }
    assert found.warnings == ()


def test_received_templates_get_the_value_unchanged() -> None:
    found = complete_hosting_providers(CONFIGURED, COMPUTED, received=True)
    assert found.variables == CONFIGURED
    assert [each.reason for each in found.warnings] == ["UnknownHosting"]
    assert "no entry for zurich;" in found.warnings[0].message


def test_configured_hostings_are_the_ones_in_use() -> None:
    assert (
        complete_hosting_providers(
            CONFIGURED | {"HOSTINGS_AND_CORES": {"geneva": {}}}, COMPUTED, received=True
        ).warnings
        == ()
    )


@pytest.mark.parametrize("received", [True, False])
@pytest.mark.parametrize("configured", [{}, {"A": 1}, {"HOSTINGS_PROVIDERS": "nonsense"}])
def test_other_variables_do_not_change(configured: dict[str, Any], received: bool) -> None:
    assert complete_hosting_providers(
        configured, COMPUTED, received=received
    ) == ConfiguredVariables(configured)
