"""Names that are no variables of the templates, and whether something uses them all the same."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from pryv_operator.desired.state import compute_desired
from pryv_operator.templates.bundle import Bundle, Variable
from pryv_operator.values.usage import Usage
from tests.unit.builders import inputs, platform

VARIABLES = {
    "APPS": Variable("APPS", "string", default="x"),
    "SIZE_MB": Variable("SIZE_MB", "number", default=1),
}


def uses(
    name: str, files: dict[str, str] | None = None, *, jinja: bool = True, **given: Any
) -> bool:
    roles = {
        "core": {path: text.encode() for path, text in (files or {}).items()},
        "static": {"a.j2": b"{{ ELSEWHERE }}"},
    }
    bundle = Bundle("b", "1", roles, variables=VARIABLES, jinja=jinja)
    return Usage(bundle, {"core"}, {**given, name: f"the value of {name}"}).uses(name)


@pytest.mark.parametrize("jinja", [True, False])
def test_in_files_and_values(jinja: bool) -> None:
    assert uses("OWN", {"a.conf": "x OWN y"}, jinja=jinja)
    assert uses("OWN", APPS="*@OWN", jinja=jinja)
    assert uses("OWN", APPS={"a": ["OWNS"]}, jinja=jinja)
    assert not uses("OWN", {"a.conf": "own"}, APPS=1, jinja=jinja)
    assert not uses("ELSEWHERE", jinja=jinja)


def test_a_part_of_another_name_is_no_use() -> None:
    assert not uses("SIZE", {"a.conf": "SIZE_MB"})
    assert not uses("SIZE", APPS="SIZE_MB", SIZES="SIZES")
    assert uses("SIZE", {"a.conf": "SIZE_MB SIZE_M"})


def test_templates_for_jinja_have_words() -> None:
    assert uses("OWN", {"a.j2": "{{ OWN | tojson }}"})
    assert not uses("OWN", {"a.j2": "{{ OWNER }}"})
    assert uses("OWN", {"a.j2": "{{ OWNER }}"}, jinja=False), (
        "for the leader it is a file like any other"
    )


def test_no_warning_about_a_variable_of_ones_own_that_is_used() -> None:
    variables = {
        "OWN_SITE": "https://acme.test",
        "TRUSTED_APPS": "*@OWN_SITE",
        "MAX_UPLOAD_SIZE": 1,
    }
    found = compute_desired(inputs(platform(variables=variables)))
    assert [
        each.message.split()[0] for each in found.warnings if each.reason == "UnknownVariable"
    ] == ["variables.MAX_UPLOAD_SIZE"]


def test_a_variable_that_only_the_files_of_an_archive_name() -> None:
    """Its platform.yml need not have it: the resource may."""
    of = inputs()
    core = {**of.bundle.roles["core"], "core/conf/own.conf": b"site OWN_SITE"}
    bundle = replace(of.bundle, roles={**of.bundle.roles, "core": core})
    found = compute_desired(
        inputs(platform(variables={"OWN_SITE": "https://acme.test"}), bundle=bundle)
    )
    assert "UnknownVariable" not in {each.reason for each in found.warnings}
