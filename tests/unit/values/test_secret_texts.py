"""The line break at the end of a Secret's text."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from pryv_operator.desired.state import compute_desired
from pryv_operator.values.secret_texts import trimmed_secrets
from tests.unit.builders import inputs, platform

REFERENCE = {"name": "smtp", "key": "password"}


def read(text: str, **fields: Any) -> tuple[str, list[str]]:
    spec = platform(secrets={"MAIL_SMTP_PASS": {"secretKeyRef": {**REFERENCE, **fields}}}).spec
    found = trimmed_secrets(spec, {"MAIL_SMTP_PASS": text, "REGISTER_ADMIN_KEY": "generated\n"})
    assert found.texts["REGISTER_ADMIN_KEY"] == "generated\n"  # not from a Secret of the user
    assert text not in repr(found)
    return found.texts["MAIL_SMTP_PASS"], [warning.message for warning in found.warnings]


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("hush\n", "hush"),
        ("hush\r\n", "hush"),
        ("hush\n\n", "hush\n"),
        ("hush\n\r\n", "hush\n"),
        ("hu\nsh \n", "hu\nsh "),
        ("\n", ""),
    ],
)
def test_one_final_line_break_is_dropped_with_a_warning(text: str, value: str) -> None:
    for fields in ({}, {"trim": True}, {"trim": None}):
        found, (message,) = read(text, **fields)
        assert found == value
        assert message.startswith("spec.secrets.MAIL_SMTP_PASS: ")
        assert "hush" not in message
    assert read(text, trim=False) == (text, [])


@pytest.mark.parametrize("text", ["hush", " hush ", "hush\r", "\nhush"])
def test_other_texts_are_not_changed(text: str) -> None:
    assert read(text) == (text, [])


@pytest.mark.parametrize("name", ["REGISTER_ADMIN_KEY", "REGISTER_ADMIN_KEY_1", "CORE_SYSTEM_KEY"])
@pytest.mark.parametrize("text", ["", "\n", "\r\n", " \t\n", "SECRET", "SECRET\n", "REPLACE_ME"])
@pytest.mark.parametrize("fields", [{}, {"trim": False}])
def test_a_key_that_anybody_could_guess_is_refused(
    name: str, text: str, fields: dict[str, Any]
) -> None:
    """``echo "$UNSET"`` makes a Secret with a line break only."""
    of = platform(secrets={name: {"secretKeyRef": {**REFERENCE, **fields}}})
    (problem,) = trimmed_secrets(of.spec, {name: text}).problems
    assert problem.message.startswith(f"spec.secrets.{name}: ")
    assert not trimmed_secrets(of.spec, {name: "a1b2c3"}).problems
    given = inputs(of)
    found = compute_desired(replace(given, secrets={**given.secrets, name: text}))
    assert problem in found.problems
