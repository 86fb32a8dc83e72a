"""A real Prometheus scrapes the operator; it has the chart's alerts and the dashboard's queries."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from typing import Any
from urllib.error import HTTPError

import pytest

from tests.api.fixtures import CHART
from tests.api.operator_process import OperatorProcess
from tests.api.platforms import PlatformUser
from tests.cluster.binaries import BuildError
from tests.cluster.control_plane import ControlPlane
from tests.cluster.prometheus import Prometheus, ensure_prometheus, running_prometheus
from tests.cluster.waiting import wait_until

ALERTS = CHART / "files/alerts.yaml"
DASHBOARD: dict[str, Any] = json.loads((CHART / "files/dashboard.json").read_text())
#: What Grafana puts in place of variables with "All".
VARIABLES = {
    "$__rate_interval": "1m",
    "$namespace": ".*",
    "$platform": ".*",
    "$operator": ".*",
}
#: Queries whose series need an event that a healthy cluster does not have, or a memory limit.
EMPTY = ("code!~", "_memory_limit_bytes", "_memory_working_set_bytes")


def queries() -> Iterator[tuple[str, str]]:
    """Title and expression of each query of the dashboard, as Grafana sends it."""
    for panel in DASHBOARD["panels"]:
        for target in panel.get("targets", ()):
            expression = target["expr"]
            for name, value in VARIABLES.items():
                expression = expression.replace(name, value)
            yield f"{panel['title']} {target['refId']}", expression


@pytest.fixture(scope="module")
def prometheus(
    control_plane: ControlPlane,
    operator: OperatorProcess,
    shared_platform: PlatformUser,
    cluster_echo: Callable[[str], None],
) -> Iterator[Prometheus]:
    """Prometheus, which has scraped an operator with a ready platform a few times."""
    try:
        programs = ensure_prometheus(cluster_echo)
    except BuildError as error:
        pytest.skip(f"Prometheus cannot be built: {error}")
    shared_platform.apply_and_wait()
    target = operator.url.removeprefix("http://")
    with running_prometheus(
        control_plane, programs, targets={target: "pryv-operator"}, rules=ALERTS
    ) as running:
        wait_until(
            lambda: len(running.query("count_over_time(pryv_operator_leader[1m]) > 5")) == 1,
            "six scrapes of the operator",
            seconds=60,
        )
        yield running


def test_the_operator_is_up(prometheus: Prometheus) -> None:
    (target,) = prometheus.get("targets")["activeTargets"]
    assert (target["health"], target["lastError"]) == ("up", "")


def test_a_platform_keeps_its_namespace(
    prometheus: Prometheus, shared_platform: PlatformUser
) -> None:
    query = 'pryv_platform_condition{type="Ready",status="true",name="acme"}'
    namespaces = {each["metric"]["namespace"] for each in prometheus.query(query)}
    assert shared_platform.namespace in namespaces
    assert not prometheus.query('{__name__=~"pryv_.*",exported_namespace!=""}')


@pytest.mark.parametrize(("title", "expression"), list(queries()))
def test_each_query_of_the_dashboard_yields_series(
    prometheus: Prometheus, title: str, expression: str
) -> None:
    found = prometheus.query(expression)
    if not any(each in expression for each in EMPTY):
        assert found, f"{title}: {expression}"


def test_a_query_that_does_not_parse_is_noticed(prometheus: Prometheus) -> None:
    with pytest.raises(HTTPError):
        prometheus.query("sum by (")


def test_the_rules_are_loaded_and_healthy(prometheus: Prometheus) -> None:
    def evaluated() -> list[dict[str, Any]]:
        rules = [rule for group in prometheus.get("rules")["groups"] for rule in group["rules"]]
        return rules if all(rule["health"] != "unknown" for rule in rules) else []

    rules = wait_until(evaluated, "all rules to be evaluated", seconds=30)
    assert len(rules) == ALERTS.read_text().count("- alert: ")
    assert {rule["health"] for rule in rules} == {"ok"}


def test_every_metric_of_the_alerts_exists(prometheus: Prometheus) -> None:
    names = set(re.findall(r"\b(?:pryv|workqueue|process)_\w+", ALERTS.read_text()))
    scraped = set(prometheus.get("label/__name__/values"))
    assert names - scraped <= {
        "pryv_operator_memory_limit_bytes",
        "pryv_operator_memory_working_set_bytes",
    }


def test_variables_of_the_dashboard_have_values(prometheus: Prometheus) -> None:
    for variable in DASHBOARD["templating"]["list"]:
        if variable["type"] != "query":
            continue
        found = re.fullmatch(r"label_values\((\w+)(\{.*\})?, (\w+)\)", variable["query"]["query"])
        assert found, variable["query"]["query"]
        series = prometheus.query(found[1])
        assert all(each["metric"].get(found[3]) for each in series)
        assert series


def test_an_alert_becomes_pending_when_a_platform_stalls(
    prometheus: Prometheus, shared_platform: PlatformUser
) -> None:
    shared_platform.apply_platform(variables={"MAX_UPLOAD_SIZE_MB": "a lot"})
    namespace = shared_platform.namespace
    expected = f'ALERTS{{alertname="PryvPlatformStalled",namespace="{namespace}",name="acme"}}'
    wait_until(lambda: prometheus.query(expected), "the alert", seconds=60)
    shared_platform.apply_and_wait()
    wait_until(lambda: not prometheus.query(expected), "the end of the alert", seconds=60)
