"""What the chart creates for Prometheus and Grafana."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
import yaml

from tests.api.test_chart import CHART, Helm, HelmError, helm, only
from tests.cluster.binaries import GO_FOLDER, BuildError, module_folder
from tests.cluster.control_plane import ControlPlane
from tests.cluster.waiting import wait_until

__all__ = ["helm"]

ALERTS = yaml.safe_load((CHART / "files/alerts.yaml").read_text())["groups"]
LABELS = {"release": "kube-prometheus-stack", "app.kubernetes.io/name": "not-mine"}


def metrics(helm: Helm, **values: Any) -> list[dict[str, Any]]:
    return helm.rendered({"metrics": values})


def test_nothing_is_created_unless_it_is_asked_for(helm: Helm) -> None:
    kinds = {each["kind"] for each in helm.rendered()}
    assert not kinds & {"ServiceMonitor", "PodMonitor", "PrometheusRule", "Service", "ConfigMap"}


@pytest.mark.parametrize("authentication", [False, True])
def test_service_monitor_scrapes_the_pods_of_its_service(helm: Helm, authentication: bool) -> None:
    objects = metrics(
        helm,
        authentication=authentication,
        serviceMonitor={"enabled": True, "labels": LABELS, "interval": "15s", "namespace": "other"},
    )
    monitor, service = only(objects, "ServiceMonitor"), only(objects, "Service")
    assert monitor["metadata"]["namespace"] == "other"
    assert monitor["metadata"]["labels"]["release"] == "kube-prometheus-stack"
    assert monitor["metadata"]["labels"]["app.kubernetes.io/name"] == "pryv-operator"
    assert monitor["spec"]["namespaceSelector"] == {"matchNames": ["home"]}
    selected = monitor["spec"]["selector"]["matchLabels"]
    assert selected.items() <= service["metadata"]["labels"].items()
    (endpoint,) = monitor["spec"]["endpoints"]
    (port,) = service["spec"]["ports"]
    assert endpoint["port"] == port["name"]
    assert endpoint["interval"] == "15s"
    assert endpoint["honorLabels"] is True
    pod = only(objects, "Deployment")["spec"]["template"]
    assert service["spec"]["selector"].items() <= pod["metadata"]["labels"].items()
    ports = {each["name"]: each["containerPort"] for each in pod["spec"]["containers"][0]["ports"]}
    assert ports[port["targetPort"]] == port["port"] == (8443 if authentication else 8080)
    assert endpoint.get("scheme") == ("https" if authentication else None)
    assert endpoint.get("tlsConfig") == ({"insecureSkipVerify": True} if authentication else None)
    assert ("bearerTokenFile" in endpoint) is authentication


def test_the_token_of_a_service_monitor_may_come_from_a_secret(helm: Helm) -> None:
    authorization = {"credentials": {"name": "prometheus", "key": "token"}}
    monitor = {"enabled": True, "authorization": authorization}
    (endpoint,) = only(
        metrics(helm, authentication=True, serviceMonitor=monitor), "ServiceMonitor"
    )["spec"]["endpoints"]
    assert endpoint["authorization"] == authorization
    assert "bearerTokenFile" not in endpoint


def test_pod_monitor_selects_the_operators_pods(helm: Helm) -> None:
    objects = metrics(helm, podMonitor={"enabled": True})
    monitor, pod = only(objects, "PodMonitor"), only(objects, "Deployment")["spec"]["template"]
    selected = monitor["spec"]["selector"]["matchLabels"]
    assert selected.items() <= pod["metadata"]["labels"].items()
    (endpoint,) = monitor["spec"]["podMetricsEndpoints"]
    assert endpoint == {"port": "http", "path": "/metrics", "honorLabels": True}


def test_pod_monitor_with_authentication_needs_a_secret(helm: Helm) -> None:
    with pytest.raises(HelmError, match=r"metrics\.podMonitor\.authorization: required with"):
        metrics(helm, authentication=True, podMonitor={"enabled": True})
    authorization = {"credentials": {"name": "prometheus", "key": "token"}}
    monitor = {"enabled": True, "authorization": authorization}
    (endpoint,) = only(metrics(helm, authentication=True, podMonitor=monitor), "PodMonitor")[
        "spec"
    ]["podMetricsEndpoints"]
    assert (endpoint["port"], endpoint["scheme"]) == ("metrics", "https")
    assert endpoint["authorization"] == authorization


def test_the_rule_has_every_alert_of_the_file(helm: Helm) -> None:
    rule = only(metrics(helm, prometheusRule={"enabled": True}), "PrometheusRule")
    assert rule["spec"]["groups"] == ALERTS


def test_alerts_can_be_disabled_and_labelled(helm: Helm) -> None:
    disabled = [each["alert"] for each in ALERTS[0]["rules"]] + ["PryvPlatformStalled"]
    values = {"enabled": True, "disabled": disabled, "alertLabels": {"team": "health"}}
    (group,) = only(metrics(helm, prometheusRule=values), "PrometheusRule")["spec"]["groups"]
    rules = {each["alert"]: each["labels"] for each in group["rules"]}
    assert rules.keys() == {each["alert"] for each in ALERTS[1]["rules"]} - set(disabled)
    assert rules["PryvPlatformNotReady"] == {"severity": "critical", "team": "health"}


def test_an_alert_that_does_not_exist_cannot_be_disabled(helm: Helm) -> None:
    values = {"enabled": True, "disabled": ["PryvPlatformStaled"]}
    with pytest.raises(HelmError, match='"PryvPlatformStaled" is not an alert of this chart'):
        metrics(helm, prometheusRule=values)


def test_the_dashboard_is_the_file(helm: Helm) -> None:
    values = {"enabled": True, "namespace": "grafana", "annotations": {"grafana_folder": "Pryv"}}
    config = only(metrics(helm, dashboard=values), "ConfigMap")
    assert config["metadata"]["labels"]["grafana_dashboard"] == "1"
    assert config["metadata"]["annotations"] == {"grafana_folder": "Pryv"}
    assert config["metadata"]["namespace"] == "grafana"
    text = config["data"]["pryv-operator.json"]
    assert json.loads(text) == json.loads((CHART / "files/dashboard.json").read_text())


@pytest.mark.parametrize(
    "values",
    [
        {"serviceMonitor": {"interval": "often"}},
        {"serviceMonitor": {"enable": True}},
        {"prometheusRule": {"disabled": "PryvPlatformStalled"}},
        {"dashboard": {"labels": {"grafana_dashboard": 1}}},
    ],
)
def test_wrong_values_are_refused(helm: Helm, values: dict[str, Any]) -> None:
    with pytest.raises(HelmError, match="metrics"):
        metrics(helm, **values)


KINDS = ("servicemonitors", "podmonitors", "prometheusrules")
PROMETHEUS_OPERATOR = "github.com/prometheus-operator/prometheus-operator"


@pytest.fixture(scope="module")
def prometheus_operator(control_plane: ControlPlane) -> Iterator[ControlPlane]:
    """The API server with the definitions of the Prometheus Operator."""
    try:
        sources = module_folder(GO_FOLDER / "prometheus-operator", PROMETHEUS_OPERATOR)
    except BuildError as error:
        pytest.skip(f"the definitions are not available: {error}")
    folder = sources / "example/prometheus-operator-crd"
    files = [f"--filename={folder}/monitoring.coreos.com_{each}.yaml" for each in KINDS]
    control_plane.kubectl("apply", "--server-side", *files)
    names = [f"{each}.monitoring.coreos.com" for each in KINDS]
    control_plane.kubectl("wait", "--for=condition=Established", "crd", *names)
    wait_until(
        lambda: all(
            control_plane.kubectl("get", each, "-A", check=False).returncode == 0 for each in names
        ),
        "the definitions to be served",
        seconds=30,
    )
    yield control_plane
    control_plane.kubectl("delete", "crd", *names)


@pytest.mark.parametrize("authentication", [False, True])
def test_the_prometheus_operators_definitions_accept_the_objects(
    helm: Helm, prometheus_operator: ControlPlane, authentication: bool
) -> None:
    monitor = {
        "enabled": True,
        "interval": "15s",
        "scrapeTimeout": "10s",
        "relabelings": [{"action": "labeldrop", "regex": "pod"}],
        "metricRelabelings": [{"action": "drop", "sourceLabels": ["verb"], "regex": "watch"}],
    }
    token = {"authorization": {"credentials": {"name": "prometheus", "key": "token"}}}
    objects = metrics(
        helm,
        authentication=authentication,
        serviceMonitor=monitor,
        podMonitor={**monitor, **token},
        prometheusRule={"enabled": True, "alertLabels": {"team": "health"}},
    )
    ours = [each for each in objects if each["apiVersion"].startswith("monitoring.coreos.com/")]
    assert len(ours) == len(KINDS)
    for each in ours:
        each["metadata"]["namespace"] = "default"
        text = json.dumps(each)
        options = ("--dry-run=server", "--validate=strict", "--filename=-")
        prometheus_operator.kubectl("create", *options, stdin=text)
        wrong = text.replace('"spec": {', '"spec": {"unknown": 1, ', 1)
        refused = prometheus_operator.kubectl("create", *options, stdin=wrong, check=False)
        assert 'unknown field "spec.unknown"' in refused.stderr
