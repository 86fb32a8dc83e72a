"""The log of a running operator, as machines read it."""

from __future__ import annotations

import datetime as dt
import json
from typing import Any

from tests.api.operator_process import OperatorProcess
from tests.api.platforms import PlatformUser


def lines(text: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in text.splitlines()]


def test_json_lines_name_platform_revision_and_component(
    user: PlatformUser, operator: OperatorProcess
) -> None:
    canary = "canary-7e0b5f"
    user.secret("smtp", password=canary)
    mail = {"MAIL_SMTP_PASS": {"secretKeyRef": {"name": "smtp", "key": "password"}}}
    operator.stop()
    written = len(operator.log)
    with operator.started_with("--log-format=json"):
        user.apply_and_wait(secrets=mail)
        user.apply_and_wait(secrets=mail, variables={"PLATFORM_NAME": "Another name"})
        text = operator.log[written:]
    found = lines(text)
    for line in found:
        assert line.keys() >= {"time", "level", "logger", "message"}
        at = dt.datetime.fromisoformat(line["time"])
        assert at.tzinfo == dt.UTC
        assert line["time"][-5] == "."
    of_platform = [line for line in found if line.get("namespace") == user.namespace]
    assert {line["platform"] for line in of_platform} == {"acme"}
    applied = {
        (line["revision"], line["component"])
        for line in of_platform
        if line["message"].endswith(": applied")
    }
    assert {(1, "co1/core"), (1, "reg/register")} <= applied
    changed = {component for revision, component in applied if revision == 2}
    assert changed
    assert (2, "co1/mongodb") not in applied
    assert canary not in text
    for line in found:
        if line["logger"].startswith("pryv_operator.reconcile"):
            assert line.get("platform"), line
