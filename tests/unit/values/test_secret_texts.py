"""The line break at the end of a Secret's text."""

from __future__ import annotations

from typing import Any

import pytest

from pryv_operator.values.secret_texts import trimmed_secrets
from tests.unit.builders import platform

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
