"""An upgrade of the operator that brings a newer release upgrades no platform by itself."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from pryv_operator.api.findings import Problem
from pryv_operator.reconcile import template_sources
from pryv_operator.reconcile.computation import UnlimitedComputation
from pryv_operator.reconcile.template_sources import TemplateReader, newer_release
from pryv_operator.templates import builtin
from pryv_operator.templates.builtin import RELEASES, UnknownReleaseError, load_release
from pryv_operator.templates.bundle import Bundle
from tests.unit.builders import platform

OLD, NEW = RELEASES[0], "99.0.0"


@pytest.fixture(autouse=True)
def _second_release(monkeypatch: pytest.MonkeyPatch) -> None:
    newest = replace(load_release(OLD), version=NEW)

    def load(version: str | None = None) -> Bundle:
        if version not in (None, OLD, NEW):
            raise UnknownReleaseError(version)
        return load_release(OLD) if version == OLD else newest

    monkeypatch.setattr(builtin, "RELEASES", (NEW, OLD))
    monkeypatch.setattr(template_sources, "load_release", load)


async def read(running: str | None, **spec: Any) -> Bundle | Problem:
    client: Any = None
    return await TemplateReader(UnlimitedComputation()).read(client, platform(**spec), running)


@pytest.mark.parametrize(
    ("running", "spec", "version", "offered"),
    [
        (None, {}, NEW, False),
        (OLD, {}, OLD, True),
        (NEW, {}, NEW, False),
        (NEW, {"release": OLD}, OLD, False),
    ],
)
async def test_the_release_is_pinned(
    running: str | None, spec: dict[str, Any], version: str, offered: bool
) -> None:
    found = await read(running, **spec)
    assert isinstance(found, Bundle)
    assert found.version == version
    warnings = newer_release(platform(**spec), found)
    assert [each.reason for each in warnings] == ["ReleaseAvailable"] * offered


async def test_a_release_that_is_not_built_in_any_more_is_not_replaced() -> None:
    found = await read("0.0.1")
    assert isinstance(found, Problem)
    assert found.message.startswith('spec.release: release "0.0.1" is not built in')
