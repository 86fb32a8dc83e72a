"""Variables that the operator computes from the cluster."""

from __future__ import annotations

from typing import Any

import pytest

from pryv_operator.api.instances import instances
from pryv_operator.values.addresses import Address
from pryv_operator.values.computed import ComputedVariables, compute_variables
from tests.unit.builders import DOMAIN, platform

KNOWN = {
    "acme-reg": Address("10.0.0.1"),
    "acme-reg-udp": Address("10.0.0.2"),
    "acme-co1": Address("10.0.0.3"),
    "acme-co2": Address("10.0.0.4"),
    "acme-sw": Address("10.0.0.5"),
    "acme-reg-slave": Address("10.0.0.6"),
    "acme-reg-slave-udp": Address("10.0.0.7"),
    "acme-reg-redis": Address("10.0.0.8"),
}


def compute(
    roles: dict[str, Any] | None = None, known: dict[str, Address] | None = None, **configured: Any
) -> ComputedVariables:
    acme = platform(roles=roles or {})
    return compute_variables(
        acme,
        instances(acme.spec),
        KNOWN if known is None else known,
        cluster_dns="10.96.0.10",
        configured=configured,
    )


def load_balanced(**service: Any) -> dict[str, Any]:
    return {"reg-master": {"service": {"type": "LoadBalancer", **service}}}


def reasons(problems: Any) -> list[str]:
    return [each.reason for each in problems]


def test_a_domain_is_enough() -> None:
    found = compute()
    assert found.problems == found.waiting == ()
    assert found.variables["DOMAIN"] == DOMAIN
    assert found.variables["REG_MASTER_IP_ADDRESS"] == "10.0.0.1"
    assert found.variables["STATIC_WEB_IP_ADDRESS"] == "10.0.0.5"
    assert found.variables["CLUSTER_DNS_IP_ADDRESS"] == "10.96.0.10"
    assert found.variables["HOSTINGS_AND_CORES"] == {"hosting1": {"co1": {"ip": "10.0.0.3"}}}
    assert found.variables["REG_SLAVE_ENABLED"] is False
    assert found.addresses == {"reg": "10.0.0.1", "co1": "10.0.0.3", "sw": "10.0.0.5"}


def test_instances_behind_cluster_ips_are_warned_about() -> None:
    (warning,) = compute().warnings
    assert warning.reason == "NotReachableFromOutside"
    assert "co1, reg, sw" in warning.message


def test_the_name_server_answers_at_the_dns_service() -> None:
    found = compute().variables
    assert found["NAME_SERVER_ENTRIES"] == [{"name": "dns1.DOMAIN", "ip": "10.0.0.2"}]
    assert found["REG_MASTER_DNS_IP_ADDRESS"] == "10.0.0.2"


def test_a_second_name_server_needs_a_slave() -> None:
    found = compute({"reg-slave": {}}).variables
    assert [each["name"] for each in found["NAME_SERVER_ENTRIES"]] == ["dns1.DOMAIN", "dns2.DOMAIN"]
    assert found["REG_SLAVE_ENABLED"] is True
    assert (found["REG_SLAVE_IP_ADDRESS"], found["REG_SLAVE_DNS_IP_ADDRESS"]) == (
        "10.0.0.6",
        "10.0.0.7",
    )
    assert found["REG_MASTER_VPN_IP_ADDRESS"] == "10.0.0.8", (
        "where the slave's redis finds the master's"
    )


def external_slave(**fields: Any) -> dict[str, Any]:
    return {
        "reg-master": {"externalSlave": {"loadBalancerSourceRanges": ["198.51.100.7/32"], **fields}}
    }


def test_an_external_slave_is_a_name_server_once_its_address_is_configured() -> None:
    found = compute(external_slave()).variables
    assert found["REG_SLAVE_ENABLED"] is False
    assert [each["name"] for each in found["NAME_SERVER_ENTRIES"]] == ["dns1.DOMAIN"]
    for found in (
        compute(external_slave(address="198.51.100.7")),
        compute(external_slave(), REG_SLAVE_IP_ADDRESS="198.51.100.7"),
    ):
        assert found.variables["REG_SLAVE_ENABLED"] is True
        assert found.variables["REG_SLAVE_IP_ADDRESS"] == "198.51.100.7"
        assert found.variables["NAME_SERVER_ENTRIES"][1] == {
            "name": "dns2.DOMAIN",
            "ip": "198.51.100.7",
        }
        assert found.problems == found.waiting == ()


def test_an_external_slave_reaches_redis_at_its_load_balancer() -> None:
    published = KNOWN | {
        "acme-reg-redis-slave": Address("10.0.0.9", load_balancer_ip="203.0.113.5")
    }
    assert (
        compute(external_slave(), published).variables["REG_MASTER_VPN_IP_ADDRESS"] == "203.0.113.5"
    )
    assert compute(external_slave()).variables["REG_MASTER_VPN_IP_ADDRESS"] == "10.0.0.8", (
        "it is not waited for"
    )


def test_hostings_and_their_cores_by_name() -> None:
    cores = [
        {"name": "co2", "hosting": "zurich", "address": "203.0.113.21"},
        {"name": "co1", "hosting": "geneva"},
    ]
    found = compute({"core": {"instances": cores}}).variables
    assert found["HOSTINGS_AND_CORES"] == {
        "geneva": {"co1": {"ip": "10.0.0.3"}},
        "zurich": {"co2": {"ip": "203.0.113.21"}},
    }
    assert list(found["HOSTINGS_AND_CORES"]) == ["geneva", "zurich"]
    assert found["HOSTINGS_PROVIDERS"].keys() == {"geneva", "zurich"}
    assert (found["CORE_2_IP_ADDRESS"], found["CORE_HOSTING_2"]) == ("203.0.113.21", "zurich")
    assert (found["CORE_1_IP_ADDRESS"], found["CORE_HOSTING_1"]) == ("10.0.0.3", "geneva")


def test_the_number_of_a_core_is_that_of_its_name() -> None:
    found = compute({"core": {"instances": [{"name": "co7", "address": "203.0.113.7"}]}}).variables
    assert found["CORE_7_IP_ADDRESS"] == "203.0.113.7"
    assert "CORE_1_IP_ADDRESS" not in found


def test_a_configured_address_wins() -> None:
    found = compute(
        {"reg-master": {"address": "203.0.113.10"}, "static": {"address": "203.0.113.11"}}
    )
    assert (
        found.variables["REG_MASTER_IP_ADDRESS"]
        == found.variables["REG_MASTER_DNS_IP_ADDRESS"]
        == "203.0.113.10"
    )
    assert found.warnings[0].message.startswith("spec.roles: co1 can be reached")


def test_the_address_of_the_load_balancer() -> None:
    known = KNOWN | {
        "acme-reg": Address("10.0.0.1", "203.0.113.1"),
        "acme-reg-udp": Address("10.0.0.2", "203.0.113.2"),
    }
    found = compute(load_balanced(), known)
    assert found.waiting == found.problems == ()
    assert (
        found.variables["REG_MASTER_IP_ADDRESS"],
        found.variables["REG_MASTER_DNS_IP_ADDRESS"],
    ) == ("203.0.113.1", "203.0.113.2")


def test_one_service_for_both_protocols_has_one_address() -> None:
    known = {**KNOWN, "acme-reg": Address("10.0.0.1", "203.0.113.1")}
    del known["acme-reg-udp"]
    found = compute(load_balanced(mixedProtocols=True), known)
    assert found.waiting == ()
    assert found.variables["REG_MASTER_DNS_IP_ADDRESS"] == "203.0.113.1"


def test_a_load_balancer_is_waited_for() -> None:
    assert set(reasons(compute(load_balanced()).waiting)) == {"WaitingForLoadBalancer"}


def test_a_configured_address_is_not_waited_for() -> None:
    found = compute(load_balanced(), REG_MASTER_IP_ADDRESS="203.0.113.1")
    assert found.waiting == ()
    assert found.variables["REG_MASTER_DNS_IP_ADDRESS"] == "203.0.113.1", (
        "the name server is there, too"
    )


def test_configured_cores_are_not_waited_for() -> None:
    cores = {"core": {"service": {"type": "LoadBalancer"}}}
    assert reasons(compute(cores).waiting) == ["WaitingForLoadBalancer"]
    assert (
        compute(cores, HOSTINGS_AND_CORES={"geneva": {"co1": {"ip": "203.0.113.1"}}}).waiting == ()
    )


@pytest.mark.parametrize(
    ("roles", "known", "field"),
    [
        (
            load_balanced(),
            KNOWN
            | {
                name: Address("10.0.0.1", None, "lb.cloud.example")
                for name in ("acme-reg", "acme-reg-udp")
            },
            "spec.roles.reg-master.address",
        ),
        ({"static": {"service": {"type": "NodePort"}}}, KNOWN, "spec.roles.static.address"),
        (
            {"core": {"service": {"type": "NodePort"}}},
            KNOWN,
            "spec.roles.core.instances[co1].address",
        ),
    ],
)
def test_an_address_has_to_be_configured(
    roles: dict[str, Any], known: dict[str, Address], field: str
) -> None:
    found = compute(roles, known)
    assert set(reasons(found.problems)) == {"AddressRequired"}
    assert all(field in each.message for each in found.problems)


def test_while_services_have_no_address_there_are_placeholders() -> None:
    found = compute(known={})
    assert found.problems == ()
    assert found.addresses == {}
    assert found.variables["REG_MASTER_IP_ADDRESS"].startswith("192.0.2.")
