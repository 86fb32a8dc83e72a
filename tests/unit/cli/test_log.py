"""Log lines: JSON for machines, text for people, and what they are about."""

from __future__ import annotations

import asyncio
import json
import logging
import re
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pryv_operator.cli import log
from pryv_operator.kube.log_context import of_component, set_platform, set_revision

logger = logging.getLogger("pryv_operator.tests")


@pytest.fixture(autouse=True)
def _restored() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:], root.level = handlers, level


def lines(capsys: pytest.CaptureFixture[str]) -> list[dict[str, Any]]:
    return [json.loads(line) for line in capsys.readouterr().err.splitlines()]


def test_a_json_line(capsys: pytest.CaptureFixture[str]) -> None:
    log.configure("json", "info")
    logger.debug("not written")
    logger.info("serving on %s:%d", "ü", 80)
    (line,) = lines(capsys)
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", line.pop("time"))
    assert line == {
        "level": "info",
        "logger": "pryv_operator.tests",
        "message": "serving on ü:80",
    }


def test_an_exception_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    log.configure("json", "info")
    try:
        {}["spec"]
    except KeyError:
        logger.exception("operator bug")
    (line,) = lines(capsys)
    assert line["message"] == "operator bug"
    assert line["exception"].startswith("Traceback")
    assert line["exception"].endswith("KeyError: 'spec'")


async def test_lines_of_a_task_and_its_threads_name_their_platform(
    capsys: pytest.CaptureFixture[str],
) -> None:
    log.configure("json", "info")

    async def reconcile(name: str, revision: int) -> None:
        set_platform("pryv", name)
        logger.info("begins")
        set_revision(revision)
        await asyncio.sleep(0)
        await asyncio.to_thread(logger.info, "in a thread")
        logger.warning("of a component", extra=of_component("co1/hfs"))

    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(reconcile("acme", 3))
        tasks.create_task(reconcile("other", 7))
    logger.info("of none")
    *found, outside = [
        {name: line.get(name) for name in ("message", "platform", "revision", "component")}
        for line in lines(capsys)
    ]
    assert outside == {"message": "of none", "platform": None, "revision": None, "component": None}
    for platform, revision in (("acme", 3), ("other", 7)):
        assert [tuple(each.values()) for each in found if each["platform"] == platform] == [
            ("begins", platform, None, None),
            ("in a thread", platform, revision, None),
            ("of a component", platform, revision, "co1/hfs"),
        ]


def test_kopfs_lines_name_their_platform(capsys: pytest.CaptureFixture[str]) -> None:
    log.configure("json", "info")
    reference = {"kind": "PryvPlatform", "namespace": "pryv", "name": "acme", "uid": "1"}
    logging.getLogger("kopf.tests").warning("x", extra={"k8s_ref": reference, "settings": 1})
    (line,) = lines(capsys)
    assert (line["namespace"], line["platform"]) == ("pryv", "acme")
    assert line.keys() == {"time", "level", "logger", "message", "namespace", "platform"}


def test_other_attributes_of_a_record_are_not_written(capsys: pytest.CaptureFixture[str]) -> None:
    for kind in ("json", "text"):
        log.configure(kind, "info")  # type: ignore[arg-type]
        logger.info("a request", extra={"headers": {"Authorization": "Bearer canary"}})
        assert "canary" not in capsys.readouterr().err


def test_text_has_what_a_line_is_about_after_its_first_line(
    capsys: pytest.CaptureFixture[str],
) -> None:
    log.configure("text", "info")
    logger.info("stopping")
    set_platform("pryv", "acme")
    set_revision(3)
    logger.error("pryv/acme: operator bug\n  File x", extra=of_component("co1/hfs"))
    logger.info("reading")
    set_platform("", "")
    found = [re.sub(r"^\d\S+Z ", "", line) for line in capsys.readouterr().err.splitlines()]
    assert found == [
        "INFO    stopping",
        "ERROR   pryv/acme: operator bug [revision=3 component=co1/hfs]",
        "  File x",
        "INFO    reading [pryv/acme revision=3]",
    ]


@given(st.text())
def test_every_message_is_one_line_that_parses(message: str) -> None:
    record = logging.LogRecord("a", logging.INFO, "f", 1, "%s", (message,), None)
    text = log._Json(json_ensure_ascii=False).format(record)
    assert "\n" not in text
    assert json.loads(text)["message"] == message
