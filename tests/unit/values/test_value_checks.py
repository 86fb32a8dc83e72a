"""JSON texts in place of objects and lists, and objects that the API server's schema asks for."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pryv_operator.api.spec.variables import variables_schema
from pryv_operator.templates.bundle import Variable
from pryv_operator.values.value_checks import check_objects, read_json_text
from tests.unit.builders import state

OBJECT, ARRAY = Variable("A", "object"), Variable("A", "array")
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(0, 9) | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=2), inner),
    max_leaves=5,
)


@given(JSON)
def test_text_of_the_declared_type_or_null_is_read(value: Any) -> None:
    text = json.dumps(value)
    is_object, is_array = isinstance(value, dict), isinstance(value, list)
    assert read_json_text(OBJECT, text) == (value if is_object or value is None else text)
    assert read_json_text(ARRAY, text) == (value if is_array or value is None else text)


@pytest.mark.parametrize("kind", ["string", "number", "boolean", "any"])
def test_text_of_another_type_is_a_text(kind: Any) -> None:
    assert read_json_text(Variable("A", kind), "null") == "null"


@pytest.mark.parametrize("text", ["", "null,", "{", "[" * 5000, "nul", "NULL"])
def test_what_is_not_json_stays_a_text(text: str) -> None:
    assert read_json_text(OBJECT, text) == text


def test_json_text_is_the_value_itself() -> None:
    entries = {"www": {"ip": "203.0.113.9"}}
    text = json.dumps(entries)
    assert state(variables={"DNS_CUSTOM_ENTRIES": text}) == state(
        variables={"DNS_CUSTOM_ENTRIES": entries}
    )
    one = {"hosting1": {"co1": {"ip": "203.0.113.9"}}}
    assert state(variables={"HOSTINGS_AND_CORES": json.dumps(one)}) == state(
        variables={"HOSTINGS_AND_CORES": one}
    )


def schema_objects(node: Any, path: str) -> list[str]:
    found = [path] if node.get("type") == "object" else []
    for name, child in node.get("properties", {}).items():
        found += schema_objects(child, f"{path}.{name}" if path else name)
    return found


@pytest.mark.parametrize("place", schema_objects(variables_schema(), ""))
@pytest.mark.parametrize("value", ["text", "{}", 1, [], True])
def test_what_the_schema_rejects_is_a_problem(place: str, value: Any) -> None:
    for key in reversed(place.split(".")):
        value = {key: value}
    (problem,) = check_objects(value)
    assert problem.message == f"spec.variables.{place}: must be an object"
    assert problem in state(variables=value).problems


def test_null_in_place_of_such_an_object_is_none() -> None:
    assert list(check_objects({"EMAIL_SMTP_SETTINGS": None})) == []
    assert list(check_objects({"MFA_ENDPOINTS": {"verify": {"headers": None}}})) == []
