"""The alerts of the chart, as Prometheus reads them: promtool, built from its Go module."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from pryv_operator.api.reasons import Reason
from pryv_operator.kube.metrics import REGISTRY
from pryv_operator.reconcile import platform_metrics
from tests.cluster.binaries import BuildError
from tests.cluster.prometheus import Programs, ensure_prometheus, promtool
from tests.readers.conftest import echo_of

ROOT = Path(__file__).parents[2]
ALERTS = ROOT / "charts/pryv-operator/files/alerts.yaml"
PAGE = ROOT / "docs/monitoring.md"
CASES = sorted((Path(__file__).parent / "rules").glob("*.yaml"))
#: What each section about an alert tells.
QUESTIONS = ("Meaning", "Impact", "Check", "Remedy")


@pytest.fixture(scope="session")
def programs(request: pytest.FixtureRequest) -> Programs:
    try:
        return ensure_prometheus(echo_of(request.config))
    except BuildError as error:
        pytest.skip(f"promtool cannot be built: {error}")


def alerts() -> dict[str, dict[str, Any]]:
    groups = yaml.safe_load(ALERTS.read_text())["groups"]
    return {rule["alert"]: rule for group in groups for rule in group["rules"]}


def cases() -> list[dict[str, Any]]:
    return [
        case
        for file in CASES
        for test in yaml.safe_load(file.read_text())["tests"]
        for case in test["alert_rule_test"]
    ]


def test_the_rules_are_valid(programs: Programs) -> None:
    done = promtool(programs, "check", "rules", "--lint=all", "--lint-fatal", ALERTS)
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize("file", CASES, ids=lambda file: file.stem)
def test_alerts_fire_when_they_should(programs: Programs, file: Path) -> None:
    done = promtool(programs, "test", "rules", file)
    assert done.returncode == 0, done.stdout


def test_promtool_fails_when_an_alert_does_not_fire(programs: Programs, tmp_path: Path) -> None:
    """So that the test above can fail."""
    for file in CASES:
        text = file.read_text().replace("../../../charts/pryv-operator/files", str(ALERTS.parent))
        (tmp_path / file.name).write_text(re.sub(r"values: .*", "values: _x200", text))
        assert promtool(programs, "test", "rules", tmp_path / file.name).returncode != 0


@pytest.mark.parametrize("name", alerts())
def test_each_alert_is_seen_firing_and_not_firing(name: str) -> None:
    seen = {bool(case.get("exp_alerts")) for case in cases() if case["alertname"] == name}
    assert seen == {True, False}


@pytest.mark.parametrize(("name", "rule"), alerts().items(), ids=list(alerts()))
def test_each_alert_has_what_a_person_on_call_needs(name: str, rule: dict[str, Any]) -> None:
    assert rule["labels"]["severity"] in {"critical", "warning"}
    annotations = rule["annotations"]
    assert annotations.keys() == {"summary", "description", "runbook_url"}
    assert annotations["runbook_url"].endswith(f"/docs/monitoring.md#{name.lower()}")
    section = PAGE.read_text().partition(f"### {name}\n")[2].partition("\n### ")[0]
    assert section, f"{PAGE.name} has no section {name}"
    assert [word for word in QUESTIONS if f"**{word}.**" in section] == list(QUESTIONS)


def test_the_page_has_no_section_of_an_alert_that_is_gone() -> None:
    assert set(re.findall(r"^### (Pryv\w+)$", PAGE.read_text(), re.MULTILINE)) == alerts().keys()


def test_alerts_ask_for_metrics_labels_and_reasons_that_exist() -> None:
    families = (*REGISTRY.collect(), *platform_metrics.FAMILIES)
    samples = {f"{each.name}{suffix}" for each in families for suffix in SUFFIXES}
    labels = {label for each in platform_metrics.FAMILIES for label in each.labels}
    labels |= {"code", "outcome", "job", "instance", "resource", "on", "by"}
    reasons = {str(reason) for reason in Reason}
    for name, rule in alerts().items():
        expression = rule["expr"]
        metrics = set(re.findall(r"\b(?:pryv|workqueue|process)_\w+", expression))
        assert metrics, name
        assert metrics <= samples, name
        assert set(re.findall(r"(\w+)=~?\"", expression)) <= labels, name
        for listed in re.findall(r"reason=~?\"([\w|]+)\"", expression):
            assert set(listed.split("|")) <= reasons, name


SUFFIXES = ("", "_total", "_info", "_bucket", "_sum", "_count")
