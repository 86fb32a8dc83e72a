"""Variables that nobody has to write."""

from __future__ import annotations

from typing import Any, ClassVar

import pytest

from pryv_operator.api.instances import instances
from pryv_operator.values.addresses import Address, placeholder_addresses
from pryv_operator.values.computed import Computed, Given, compute, placed, with_providers
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


def of(
    roles: dict[str, Any] | None = None, known: dict[str, Address] | None = None, **given: Any
) -> Computed:
    spec = platform(roles=roles or {}).spec
    known = KNOWN if known is None else known
    return compute("acme", DOMAIN, instances(spec), known, cluster_dns="10.96.0.10", given=given)


def balanced(**service: Any) -> dict[str, Any]:
    return {"reg-master": {"service": {"type": "LoadBalancer", **service}}}


def reasons(problems: Any) -> list[str]:
    return [each.reason for each in problems]


def test_a_domain_is_enough() -> None:
    found = of()
    assert found.problems == found.waiting == ()
    assert found.variables["DOMAIN"] == DOMAIN
    assert found.variables["REG_MASTER_IP_ADDRESS"] == "10.0.0.1"
    assert found.variables["STATIC_WEB_IP_ADDRESS"] == "10.0.0.5"
    assert found.variables["CLUSTER_DNS_IP_ADDRESS"] == "10.96.0.10"
    assert found.variables["HOSTINGS_AND_CORES"] == {"hosting1": {"co1": {"ip": "10.0.0.3"}}}
    assert found.variables["REG_SLAVE_ENABLED"] is False
    assert found.addresses == {"reg": "10.0.0.1", "co1": "10.0.0.3", "sw": "10.0.0.5"}


def test_inside_only_is_said() -> None:
    (warning,) = of().warnings
    assert warning.reason == "NotReachableFromOutside"
    assert "co1, reg, sw" in warning.message


def test_the_name_server_answers_at_the_dns_service() -> None:
    found = of().variables
    assert found["NAME_SERVER_ENTRIES"] == [{"name": "dns1.DOMAIN", "ip": "10.0.0.2"}]
    assert found["REG_MASTER_DNS_IP_ADDRESS"] == "10.0.0.2"


def test_a_second_one_only_with_a_slave() -> None:
    found = of({"reg-slave": {}}).variables
    assert [each["name"] for each in found["NAME_SERVER_ENTRIES"]] == ["dns1.DOMAIN", "dns2.DOMAIN"]
    assert found["REG_SLAVE_ENABLED"] is True
    assert (found["REG_SLAVE_IP_ADDRESS"], found["REG_SLAVE_DNS_IP_ADDRESS"]) == (
        "10.0.0.6",
        "10.0.0.7",
    )
    assert found["REG_MASTER_VPN_IP_ADDRESS"] == "10.0.0.8", (
        "where the slave's redis finds the master's"
    )


def outside(**fields: Any) -> dict[str, Any]:
    return {
        "reg-master": {"externalSlave": {"loadBalancerSourceRanges": ["198.51.100.7/32"], **fields}}
    }


def test_a_slave_outside_of_the_cluster_is_a_name_server_once_its_address_is_said() -> None:
    found = of(outside()).variables
    assert found["REG_SLAVE_ENABLED"] is False
    assert [each["name"] for each in found["NAME_SERVER_ENTRIES"]] == ["dns1.DOMAIN"]
    for said in (
        of(outside(address="198.51.100.7")),
        of(outside(), REG_SLAVE_IP_ADDRESS="198.51.100.7"),
    ):
        assert said.variables["REG_SLAVE_ENABLED"] is True
        assert said.variables["REG_SLAVE_IP_ADDRESS"] == "198.51.100.7"
        assert said.variables["NAME_SERVER_ENTRIES"][1] == {
            "name": "dns2.DOMAIN",
            "ip": "198.51.100.7",
        }
        assert said.problems == said.waiting == ()


def test_a_slave_outside_of_the_cluster_reaches_redis_at_its_load_balancer() -> None:
    published = KNOWN | {
        "acme-reg-redis-slave": Address("10.0.0.9", load_balancer_ip="203.0.113.5")
    }
    assert of(outside(), published).variables["REG_MASTER_VPN_IP_ADDRESS"] == "203.0.113.5"
    assert of(outside()).variables["REG_MASTER_VPN_IP_ADDRESS"] == "10.0.0.8", "nobody waits for it"


def test_hostings_and_their_cores_by_name() -> None:
    cores = [
        {"name": "co2", "hosting": "zurich", "address": "203.0.113.21"},
        {"name": "co1", "hosting": "geneva"},
    ]
    found = of({"core": {"instances": cores}}).variables
    assert found["HOSTINGS_AND_CORES"] == {
        "geneva": {"co1": {"ip": "10.0.0.3"}},
        "zurich": {"co2": {"ip": "203.0.113.21"}},
    }
    assert list(found["HOSTINGS_AND_CORES"]) == ["geneva", "zurich"]
    assert found["HOSTINGS_PROVIDERS"].keys() == {"geneva", "zurich"}
    assert (found["CORE_2_IP_ADDRESS"], found["CORE_HOSTING_2"]) == ("203.0.113.21", "zurich")
    assert (found["CORE_1_IP_ADDRESS"], found["CORE_HOSTING_1"]) == ("10.0.0.3", "geneva")


def test_the_number_of_a_core_is_that_of_its_name() -> None:
    found = of({"core": {"instances": [{"name": "co7", "address": "203.0.113.7"}]}}).variables
    assert found["CORE_7_IP_ADDRESS"] == "203.0.113.7"
    assert "CORE_1_IP_ADDRESS" not in found


class TestProviders:
    """HOSTINGS_PROVIDERS."""

    FACTS: ClassVar = {
        "HOSTINGS_AND_CORES": {"geneva": {}, "zurich": {}},
        "HOSTINGS_PROVIDERS": {"geneva": {"name": "geneva"}, "zurich": {"name": "zurich"}},
    }
    SAID: ClassVar = {"HOSTINGS_PROVIDERS": {"geneva": {"name": "Genève"}}, "A": 1}

    def test_what_the_user_says_and_an_entry_for_each_of_the_others(self) -> None:
        found = with_providers(self.SAID, self.FACTS, received=False)
        assert found.variables == {
            "A": 1,
            "HOSTINGS_PROVIDERS": {"geneva": {"name": "Genève"}, "zurich": {"name": "zurich"}},
        }
        assert found.warnings == ()

    def test_received_templates_get_what_the_user_says(self) -> None:
        found = with_providers(self.SAID, self.FACTS, received=True)
        assert found.variables == self.SAID
        assert [each.reason for each in found.warnings] == ["UnknownHosting"]
        assert "nothing of zurich:" in found.warnings[0].message

    def test_hostings_in_use_are_those_that_are_said(self) -> None:
        assert (
            with_providers(
                self.SAID | {"HOSTINGS_AND_CORES": {"geneva": {}}}, self.FACTS, received=True
            ).warnings
            == ()
        )

    @pytest.mark.parametrize("received", [True, False])
    @pytest.mark.parametrize("given", [{}, {"A": 1}, {"HOSTINGS_PROVIDERS": "nonsense"}])
    def test_anything_else_stays(self, given: dict[str, Any], received: bool) -> None:
        assert with_providers(given, self.FACTS, received=received) == Given(given)


def test_an_address_that_is_said_wins() -> None:
    found = of({"reg-master": {"address": "203.0.113.10"}, "static": {"address": "203.0.113.11"}})
    assert (
        found.variables["REG_MASTER_IP_ADDRESS"]
        == found.variables["REG_MASTER_DNS_IP_ADDRESS"]
        == "203.0.113.10"
    )
    assert "co1:" in found.warnings[0].message


def test_the_load_balancers_address() -> None:
    known = KNOWN | {
        "acme-reg": Address("10.0.0.1", "203.0.113.1"),
        "acme-reg-udp": Address("10.0.0.2", "203.0.113.2"),
    }
    found = of(balanced(), known)
    assert found.waiting == found.problems == ()
    assert (
        found.variables["REG_MASTER_IP_ADDRESS"],
        found.variables["REG_MASTER_DNS_IP_ADDRESS"],
    ) == ("203.0.113.1", "203.0.113.2")


def test_one_service_for_both_protocols_has_one_address() -> None:
    known = {**KNOWN, "acme-reg": Address("10.0.0.1", "203.0.113.1")}
    del known["acme-reg-udp"]
    found = of(balanced(mixedProtocols=True), known)
    assert found.waiting == ()
    assert found.variables["REG_MASTER_DNS_IP_ADDRESS"] == "203.0.113.1"


def test_a_load_balancer_is_waited_for() -> None:
    assert set(reasons(of(balanced()).waiting)) == {"WaitingForLoadBalancer"}


def test_but_not_where_its_address_is_given() -> None:
    found = of(balanced(), REG_MASTER_IP_ADDRESS="203.0.113.1")
    assert found.waiting == ()
    assert found.variables["REG_MASTER_DNS_IP_ADDRESS"] == "203.0.113.1", (
        "the name server is there, too"
    )


def test_nor_where_the_cores_are_given() -> None:
    cores = {"core": {"service": {"type": "LoadBalancer"}}}
    assert reasons(of(cores).waiting) == ["WaitingForLoadBalancer"]
    assert of(cores, HOSTINGS_AND_CORES={"geneva": {"co1": {"ip": "203.0.113.1"}}}).waiting == ()


@pytest.mark.parametrize(
    ("roles", "known", "field"),
    [
        (
            balanced(),
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
def test_an_address_has_to_be_said(
    roles: dict[str, Any], known: dict[str, Address], field: str
) -> None:
    found = of(roles, known)
    assert set(reasons(found.problems)) == {"AddressRequired"}
    assert all(field in each.message for each in found.problems)


def test_while_services_have_no_address_there_are_placeholders() -> None:
    found = of(known={})
    assert found.problems == ()
    assert found.addresses == {}
    assert found.variables["REG_MASTER_IP_ADDRESS"].startswith("192.0.2.")


CORES = {
    "core": {
        "instances": [
            {"name": "co1", "hosting": "geneva"},
            {"name": "co2", "address": "203.0.113.2"},
        ]
    }
}


def test_the_names_2019_had_for_cores_are_fields_of_the_instances() -> None:
    given = {
        "CORE_1_IP_ADDRESS": "198.51.100.1",
        "CORE_HOSTING_2": "zurich",
        "CORE_3_IP_ADDRESS": "198.51.100.3",
        "PLATFORM_NAME": "A",
    }
    found = placed(instances(platform(roles=CORES).spec), given, ())
    cores = {
        each.name: (each.address, each.hosting) for each in found.instances if each.role == "core"
    }
    assert cores == {"co1": ("198.51.100.1", "geneva"), "co2": ("203.0.113.2", "zurich")}
    assert found.given == {"CORE_3_IP_ADDRESS": "198.51.100.3", "PLATFORM_NAME": "A"}, (
        "there is no third core: that is warned of"
    )
    assert found.problems == ()


def test_templates_that_know_those_names_get_them_as_they_are() -> None:
    given = {"CORE_1_IP_ADDRESS": "198.51.100.1"}
    layout = instances(platform(roles=CORES).spec)
    found = placed(layout, given, {"CORE_1_IP_ADDRESS"})
    assert (found.instances, found.given) == (layout, given)


@pytest.mark.parametrize(
    "given", [{"CORE_HOSTING_1": "zurich"}, {"CORE_2_IP_ADDRESS": "203.0.113.9"}]
)
def test_two_answers_to_one_question_are_refused(given: dict[str, str]) -> None:
    (problem,) = placed(instances(platform(roles=CORES).spec), given, ()).problems
    assert problem.reason == "DuplicateVariable"
    assert next(iter(given)) in problem.message


def test_placeholders_are_distinct_however_many_services_there_are() -> None:
    found = placeholder_addresses([f"s{number:04}" for number in range(3000)])
    ips = [address.cluster_ip for address in found.values()]
    assert len(set(ips)) == len(found) == 3000
    assert (ips[0], ips[249], ips[250], ips[-1]) == (
        "192.0.2.1",
        "192.0.2.250",
        "198.51.100.1",
        "198.18.8.194",
    )
    assert "192.0.2.254" not in ips, "that one stands for an address that is awaited"


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        ({"CORE_1_IP_ADDRESS": "300.1; evil\n"}, "InvalidVariable"),
        ({"CORE_1_IP_ADDRESS": 7}, "InvalidVariable"),
        ({"CORE_HOSTING_1": "two words"}, "InvalidVariable"),
        ({"CORE_1_IP_ADDRESS": "CORE_1_IP_ADDRESS"}, "MissingVariables"),
        ({"CORE_1_IP_ADDRESS": "REPLACE_ME"}, "MissingVariables"),
        ({"CORE_HOSTING_1": ""}, "MissingVariables"),
    ],
)
def test_what_cannot_be_a_field_is_refused_by_the_name_that_was_written(
    given: dict[str, Any], reason: str
) -> None:
    found = placed(instances(platform().spec), given, ())
    (problem,) = found.problems
    assert problem.reason == reason
    assert next(iter(given)) in problem.message
    assert "evil" not in problem.message
    assert found.instances == instances(platform().spec)
