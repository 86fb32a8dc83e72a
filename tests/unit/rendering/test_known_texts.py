"""What is known to be right is not read again, and nothing else counts as known."""

from __future__ import annotations

from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pryv_operator.leader.render_error import RenderError
from pryv_operator.leader.taint import Value
from pryv_operator.rendering import files
from pryv_operator.rendering.known_texts import KnownTexts
from pryv_operator.templates.bundle import Bundle, Variable


@given(st.lists(st.tuples(st.sampled_from(["json", "yml"]), st.text()), unique=True), st.data())
def test_knows_what_was_added(texts: list[tuple[str, str]], data: st.DataObject) -> None:
    known = KnownTexts()
    added = data.draw(st.sets(st.sampled_from(texts))) if texts else set()
    for kind, text in added:
        known.add(kind, text)
    assert {each for each in texts if known.knows(*each)} == added


def test_the_newest_are_known() -> None:
    known = KnownTexts(most=3)
    for number in range(10):
        known.add("json", str(number))
    assert [number for number in range(10) if known.knows("json", str(number))] == [7, 8, 9]


def test_holds_no_text() -> None:
    known = KnownTexts()
    known.add("json", "canary")
    assert "canary" not in repr(vars(known))


@pytest.fixture(autouse=True)
def _nothing_known(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files, "_PARSING", KnownTexts())


def _bundle(content: str, default: str) -> Bundle:
    variables = {"V": Variable("V", "string", default=default)}
    return Bundle("b", "1", {"core": {"a.json": content.encode()}}, variables=variables)


def _render(bundle: Bundle, values: Mapping[str, Value]) -> str:
    try:
        return files.render(bundle, values)["core"][0].content.decode()
    except RenderError as error:
        return str(error)


def test_what_parses_nowhere_is_not_known_to_parse() -> None:
    broken = {"V": Value("{")}
    assert _render(_bundle("V", default="["), broken) == "{", "neither does it with the default"
    assert "not valid JSON" in _render(_bundle("V", default="1"), broken)
    assert "not valid JSON" in _render(_bundle("V", default="1"), broken), "the second time, too"


def test_a_text_is_known_as_what_it_was_read() -> None:
    assert _render(_bundle("V", default="1"), {"V": Value("'a'")}) != "'a'"
    yaml = Bundle("b", "1", {"core": {"a.yml": b"V"}}, variables={"V": Variable("V", "string")})
    assert _render(yaml, {"V": Value("'a'")}) == "'a'"
    assert _render(_bundle("V", default="1"), {"V": Value("'a'")}) != "'a'"


def test_secret_texts_are_not_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    known = KnownTexts()
    monkeypatch.setattr(files, "_PARSING", known)
    secret = {"V": Value('"s3cret"', secret=True, masked='"mask"')}
    assert _render(_bundle("V", default="1"), secret) == '"s3cret"'
    assert not known.knows("json", '"s3cret"')
    assert _render(_bundle("V", default="1"), {"V": Value('"public"')}) == '"public"'
    assert known.knows("json", '"public"')
