"""Network policies: only components that need a store may reach it."""

from __future__ import annotations

from typing import Any

import pytest

from pryv_operator.api import names
from pryv_operator.api.instances import Instance
from pryv_operator.api.spec import ExternalSlave
from pryv_operator.compose.model import Port
from pryv_operator.objects.configuration import Configuration
from pryv_operator.objects.model import Component
from pryv_operator.objects.network_policies import network_policy
from pryv_operator.objects.pods import pod_template
from tests.unit.builders import component, instance, platform, service

CORE = (
    service("reverse_proxy", networks=["frontend"], ports=[Port(443, 443, "tcp")]),
    service("core", networks=["frontend", "backend"]),
    service("mongodb", networks=["backend"]),
)
REGISTER = (service("register"), service("redis"))


def components(
    at: Instance, services: tuple[Any, ...] = CORE, platform_name: str = "acme"
) -> dict[str, Component]:
    return {
        each.name: component(
            each,
            at=at,
            beside=[other for other in services if other != each],
            platform=platform(platform_name),
        )
        for each in services
    }


def admits(target: Component, caller: Component, port: int, everybody: list[Component]) -> bool:
    """Whether the policy of one pod lets another one in, as Kubernetes reads it."""
    policy = network_policy(target, everybody)["spec"]
    assert policy["policyTypes"] == ["Ingress"]
    assert matches({"matchLabels": target.selector}, target)
    assert policy["podSelector"] == {"matchLabels": target.selector}
    return any(
        ("ports" not in rule or any(each["port"] == port for each in rule["ports"]))
        and (
            "from" not in rule or any(matches(each["podSelector"], caller) for each in rule["from"])
        )
        for rule in policy.get("ingress", ())
    )


def matches(selector: dict[str, Any], pod: Component) -> bool:
    labels = pod_template(pod, Configuration(), frozenset())["metadata"]["labels"]
    wanted = all(labels.get(key) == value for key, value in selector.get("matchLabels", {}).items())
    return wanted and all(
        labels.get(each["key"]) in each["values"] for each in selector.get("matchExpressions", ())
    )


CO1, CO2, OTHER = (
    components(instance()),
    components(instance(name="co2")),
    components(instance(), platform_name="other"),
)
REG, SLAVE = (
    components(instance(names.REG_MASTER, "reg"), REGISTER),
    components(instance(names.REG_SLAVE, "reg-slave"), REGISTER),
)
EVERYBODY = [component for group in (CO1, CO2, OTHER, REG, SLAVE) for component in group.values()]


@pytest.mark.parametrize(
    ("target", "caller", "port", "admitted"),
    {
        "core reaches its store": (CO1["mongodb"], CO1["core"], 27017, True),
        "the proxy does not: no common network": (
            CO1["mongodb"],
            CO1["reverse_proxy"],
            27017,
            False,
        ),
        "another core does not": (CO1["mongodb"], CO2["core"], 27017, False),
        "another platform does not": (CO1["mongodb"], OTHER["core"], 27017, False),
        "the proxy reaches core": (CO1["core"], CO1["reverse_proxy"], 3000, True),
        "anybody reaches what is published": (CO1["reverse_proxy"], REG["register"], 443, True),
        "and nothing else of it": (CO1["reverse_proxy"], REG["register"], 8080, False),
        "the slave's redis reads the master's": (REG["redis"], SLAVE["redis"], 6379, True),
        "by that port only": (REG["redis"], SLAVE["redis"], 22, False),
        "nobody else of the slave does": (REG["redis"], SLAVE["register"], 6379, False),
        "and not the other way round": (SLAVE["redis"], REG["redis"], 6379, False),
        "a core does not read the register's": (REG["redis"], CO1["core"], 6379, False),
    }.values(),
)
def test_which_connections_are_admitted(
    target: Component, caller: Component, port: int, admitted: bool
) -> None:
    assert admits(target, caller, port, EVERYBODY) is admitted


def test_without_a_slave_redis_of_the_register_admits_its_peers_only() -> None:
    rules = network_policy(REG["redis"], [*REG.values(), *CO1.values()])["spec"]["ingress"]
    assert len(rules) == 1


OUTSIDE = ExternalSlave(load_balancer_source_ranges=["198.51.100.7/32", "192.0.2.0/28"])


def test_an_external_slave_reaches_redis_from_its_networks_only() -> None:
    published = components(instance(names.REG_MASTER, "reg", external_slave=OUTSIDE), REGISTER)
    rules = network_policy(published["redis"], list(published.values()))["spec"]["ingress"]
    assert rules[1:] == [
        {
            "from": [
                {"ipBlock": {"cidr": "192.0.2.0/28"}},
                {"ipBlock": {"cidr": "198.51.100.7/32"}},
            ],
            "ports": [{"protocol": "TCP", "port": 6379}],
        }
    ]
    assert network_policy(published["register"], list(published.values()))["spec"][
        "ingress"
    ] == rules_of("register")


def rules_of(name: str) -> list[Any]:
    found: list[Any] = network_policy(REG[name], list(REG.values()))["spec"]["ingress"]
    return found


def test_a_service_alone_on_its_network_admits_no_one() -> None:
    alone = component(service("redis", networks=["nowhere"]), beside=CORE)
    assert network_policy(alone, [alone])["spec"]["ingress"] == []
