"""Internal and external Services: their ports, and the pods that they select."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from pryv_operator.api import names
from pryv_operator.api.kubernetes import Object
from pryv_operator.api.spec import ExternalSlave, ServiceOverrides
from pryv_operator.compose.model import Port
from pryv_operator.desired.state import compute_desired
from pryv_operator.objects.configuration import Configuration
from pryv_operator.objects.model import Component
from pryv_operator.objects.pods import pod_template
from pryv_operator.objects.services import (
    LiveLoadBalancer,
    external_services,
    external_slave_service,
    internal_service,
    preserve_class,
)
from tests.unit.builders import component, inputs, instance, platform, service

PROXY = service("reverse_proxy", ports=[Port(80, 80, "tcp"), Port(443, 443, "tcp")])
DNS = service("dns", ports=[Port(53, 5353, "udp")])


def register(**published: Any) -> tuple[list[Component], tuple[Object, ...]]:
    """The published components of reg-master and its external Services."""
    at = instance(names.REG_MASTER, "reg", service=ServiceOverrides.model_validate(published))
    components = [component(each, at=at, beside=[PROXY, DNS]) for each in (PROXY, DNS)]
    return components, external_services(platform(), at, components)


def template(of: Component) -> Object:
    return pod_template(of, Configuration(), frozenset())


def selects(found: Object, pod: Object) -> bool:
    labels = pod["metadata"]["labels"]
    return all(labels.get(key) == value for key, value in found["spec"]["selector"].items())


def test_the_internal_service_has_every_port_that_others_name() -> None:
    found = internal_service(component("core", upstream_ports=(3000, 3009)))
    assert found is not None
    assert found["metadata"]["name"] == "acme-co1-core"
    assert found["spec"]["type"] == "ClusterIP"
    assert [port["port"] for port in found["spec"]["ports"]] == [
        3000,
        3001,
        3002,
        3003,
        3004,
        3005,
        3009,
        4222,
    ]


def test_webhooks_has_no_internal_service() -> None:
    assert internal_service(component("webhooks")) is None


def test_an_internal_service_selects_the_component_of_its_instance() -> None:
    found = internal_service(component("core"))
    assert found is not None
    assert selects(found, template(component("core")))
    assert not selects(found, template(component("hfs")))
    assert not selects(found, template(component("core", at=instance(name="co2"))))


def test_udp_ports_have_their_own_service() -> None:
    _, (tcp, udp) = register()
    assert (tcp["metadata"]["name"], udp["metadata"]["name"]) == ("acme-reg", "acme-reg-udp")
    assert [(each["port"], each["protocol"]) for each in tcp["spec"]["ports"]] == [
        (80, "TCP"),
        (443, "TCP"),
    ]
    assert [(each["port"], each["protocol"]) for each in udp["spec"]["ports"]] == [(53, "UDP")]


def test_mixed_protocols_share_a_service() -> None:
    _, (both,) = register(type="LoadBalancer", mixedProtocols=True)
    assert {(each["port"], each["protocol"]) for each in both["spec"]["ports"]} == {
        (80, "TCP"),
        (443, "TCP"),
        (53, "UDP"),
    }
    assert len({each["name"] for each in both["spec"]["ports"]}) == 3


def test_a_published_port_reaches_only_its_component() -> None:
    """By number, port 443 would reach both nginx and dns."""
    for published in ({}, {"mixedProtocols": True}):
        components, services = register(**published)
        ports = {
            each["name"]: (of.service.name, each["containerPort"])
            for of in components
            for each in template(of)["spec"]["containers"][0]["ports"]
        }
        targets = {
            each["port"]: ports[each["targetPort"]]
            for found in services
            for each in found["spec"]["ports"]
        }
        assert targets == {
            80: ("reverse_proxy", 80),
            443: ("reverse_proxy", 443),
            53: ("dns", 5353),
        }


def test_an_external_service_selects_only_pods_with_published_ports() -> None:
    components, (tcp, udp) = register()
    assert all(selects(found, template(of)) for found in (tcp, udp) for of in components)
    redis = component("redis", at=components[0].instance)
    assert not selects(tcp, template(redis))


def test_a_load_balancer_has_the_overrides_of_the_spec() -> None:
    _, services = register(
        type="LoadBalancer",
        annotations={"a": "b"},
        loadBalancerClass="acme.health/lb",
        loadBalancerSourceRanges=["198.51.100.0/24"],
        externalTrafficPolicy="Local",
    )
    for found in services:
        assert found["metadata"]["annotations"] == {"a": "b"}
        assert found["spec"]["type"] == "LoadBalancer"
        assert found["spec"]["loadBalancerClass"] == "acme.health/lb"
        assert found["spec"]["loadBalancerSourceRanges"] == ["198.51.100.0/24"]
        assert found["spec"]["externalTrafficPolicy"] == "Local"


def test_without_published_ports_there_is_no_external_service() -> None:
    assert external_services(platform(), instance(), [component("core")]) == ()


def test_redis_is_published_only_to_an_external_slave() -> None:
    slave = ExternalSlave(
        load_balancer_source_ranges=["198.51.100.7/32"],
        annotations={"a": "b"},
        load_balancer_class="acme.health/lb",
    )
    at = instance(names.REG_MASTER, "reg", external_slave=slave)
    found = external_slave_service(component("redis", at=at))
    assert found is not None
    assert found["metadata"]["name"] == "acme-reg-redis-slave"
    assert found["metadata"]["annotations"] == {"a": "b"}
    assert found["spec"]["type"] == "LoadBalancer"
    assert found["spec"]["loadBalancerSourceRanges"] == ["198.51.100.7/32"]
    assert found["spec"]["externalTrafficPolicy"] == "Local"
    assert found["spec"]["loadBalancerClass"] == "acme.health/lb"
    assert [
        (each["port"], each["targetPort"], each["protocol"]) for each in found["spec"]["ports"]
    ] == [(6379, 6379, "TCP")]
    assert selects(found, template(component("redis", at=at)))
    assert not selects(found, template(component("register", at=at)))
    assert external_slave_service(component("register", at=at)) is None
    assert external_slave_service(component("redis", at=instance(names.REG_MASTER, "reg"))) is None


@pytest.mark.parametrize(
    ("desired", "live", "result", "warned"),
    [
        ("new", None, "new", False),
        ("a", LiveLoadBalancer("a", owns_class=True), "a", False),
        ("b", LiveLoadBalancer("a", owns_class=True), "a", True),
        ("b", LiveLoadBalancer(None), None, True),
        (None, LiveLoadBalancer(None), None, False),
        (None, LiveLoadBalancer("a", owns_class=True), "a", True),
        # A mutating webhook has set it.
        (None, LiveLoadBalancer("a"), None, False),
        ("b", LiveLoadBalancer("a"), "a", True),
    ],
)
def test_the_class_of_a_load_balancer_is_preserved(
    desired: str | None, live: LiveLoadBalancer | None, result: str | None, warned: bool
) -> None:
    _, (found, _) = register(type="LoadBalancer", loadBalancerClass=desired)
    preserved, warnings = preserve_class(found, live)
    assert preserved["spec"].get("loadBalancerClass") == result
    assert [each.reason for each in warnings] == ["LoadBalancerClassUnchanged"] * warned
    for each in warnings:
        assert each.message.startswith("spec.roles.reg-master.service.loadBalancerClass: ")
        assert "delete the Service" in each.message


def test_a_service_that_becomes_a_load_balancer_gets_its_class() -> None:
    """Only a live Service of that type has a class that is immutable."""
    _, (found, _) = register()
    assert preserve_class(found, LiveLoadBalancer("a", owns_class=True)) == (found, ())


def test_every_load_balancer_of_a_platform_keeps_its_class() -> None:
    balanced = {"service": {"type": "LoadBalancer", "loadBalancerClass": "new"}}
    slave = {
        "loadBalancerSourceRanges": ["198.51.100.7/32"],
        "loadBalancerClass": "new",
    }
    of = inputs(
        platform(
            roles={
                "reg-master": balanced | {"address": "203.0.113.1", "externalSlave": slave},
                "core": balanced | {"instances": [{"name": "co1", "address": "203.0.113.2"}]},
                "static": balanced | {"address": "203.0.113.3"},
            }
        )
    )
    services = ["acme-reg", "acme-reg-udp", "acme-co1", "acme-sw", "acme-reg-redis-slave"]
    live = {name: LiveLoadBalancer("old", owns_class=True) for name in services}
    found = compute_desired(replace(of, load_balancers=live))
    classes = {
        each["metadata"]["name"]: each["spec"]["loadBalancerClass"]
        for each in found.services
        if "loadBalancerClass" in each["spec"]
    }
    assert classes == dict.fromkeys(services, "old")
    fields = [
        each.message.partition(":")[0]
        for each in found.warnings
        if each.reason == "LoadBalancerClassUnchanged"
    ]
    assert sorted(fields) == [
        "spec.roles.core.service.loadBalancerClass",
        "spec.roles.reg-master.externalSlave.loadBalancerClass",
        "spec.roles.reg-master.service.loadBalancerClass",
        "spec.roles.reg-master.service.loadBalancerClass",
        "spec.roles.static.service.loadBalancerClass",
    ]
