"""Which variables the templates use, declared or not."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from pryv_operator.desired.state import compute_desired
from pryv_operator.templates.bundle import Bundle, Variable
from pryv_operator.values.usage import used_variables
from tests.unit.builders import inputs, platform

VARIABLES = {
    "APPS": Variable("APPS", "string", default="x"),
    "SIZE_MB": Variable("SIZE_MB", "number", default=1),
}


def uses(
    name: str, files: dict[str, str] | None = None, *, jinja: bool = True, **configured: Any
) -> bool:
    roles = {
        "core": {path: text.encode() for path, text in (files or {}).items()},
        "static": {"a.j2": b"{{ ELSEWHERE }}"},
    }
    bundle = Bundle("b", "1", roles, variables=VARIABLES, jinja=jinja)
    return name in used_variables(bundle, {"core"}, {**configured, name: f"the value of {name}"})


@pytest.mark.parametrize("jinja", [True, False])
def test_in_files_and_values(jinja: bool) -> None:
    assert uses("OWN", {"a.conf": "x OWN y"}, jinja=jinja)
    assert uses("OWN", {"a.j2": "APPS"}, APPS="*@OWN", jinja=jinja)
    assert uses("OWN", {"a.j2": "APPS"}, APPS={"a": ["OWNS"]}, jinja=jinja)
    assert not uses("OWN", APPS="*@OWN", jinja=jinja), "APPS itself is not used"
    assert not uses("OWN", {"a.conf": "own"}, APPS=1, jinja=jinja)
    assert not uses("ELSEWHERE", jinja=jinja)


def test_a_part_of_a_longer_name_does_not_count() -> None:
    assert not uses("SIZE", {"a.conf": "SIZE_MB"})
    assert not uses("SIZE", {"a.j2": "APPS SIZES"}, APPS="SIZE_MB", SIZES="SIZES")
    assert uses("SIZE", {"a.conf": "SIZE_MB SIZE_M"})


def test_in_jinja_templates_a_name_is_a_word() -> None:
    assert uses("OWN", {"a.j2": "{{ OWN | tojson }}"})
    assert not uses("OWN", {"a.j2": "{{ OWNER }}"})
    assert uses("OWN", {"a.j2": "{{ OWNER }}"}, jinja=False), (
        "for the leader it is a file like any other"
    )


def test_an_undeclared_variable_that_is_used_is_not_warned_about() -> None:
    variables = {
        "OWN_SITE": "https://acme.test",
        "TRUSTED_APPS": "*@OWN_SITE",
        "MAX_UPLOAD_SIZE": 1,
    }
    found = compute_desired(inputs(platform(variables=variables)))
    assert [
        each.message.split()[0] for each in found.warnings if each.reason == "UnknownVariable"
    ] == ["spec.variables.MAX_UPLOAD_SIZE:"]


def test_an_undeclared_variable_that_only_files_mention() -> None:
    """The archive's platform.yml need not declare it."""
    of = inputs()
    core = {**of.bundle.roles["core"], "core/conf/own.conf": b"site OWN_SITE"}
    bundle = replace(of.bundle, roles={**of.bundle.roles, "core": core})
    found = compute_desired(
        inputs(platform(variables={"OWN_SITE": "https://acme.test"}), bundle=bundle)
    )
    assert "UnknownVariable" not in {each.reason for each in found.warnings}
