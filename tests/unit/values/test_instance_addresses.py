"""The address at which clients reach an instance."""

from __future__ import annotations

from typing import Any

import pytest

from pryv_operator.api.findings import Waiting
from pryv_operator.api.instances import Instance, instances
from pryv_operator.api.spec import PryvPlatformSpec
from pryv_operator.values.addresses import UNKNOWN_ADDRESS, Address
from pryv_operator.values.instance_addresses import AddressBook, InstanceAddress

LOAD_BALANCER = {"service": {"type": "LoadBalancer"}}


def register(role: dict[str, Any]) -> Instance:
    spec = PryvPlatformSpec.model_validate(
        {"domain": "pryv.acme.test", "roles": {"reg-master": role, "core": {}, "static": {}}}
    )
    return next(each for each in instances(spec) if each.role == "reg-master")


def found(role: dict[str, Any], address: Address) -> InstanceAddress:
    book = AddressBook("acme", {"acme-reg": address, "acme-reg-udp": address})
    return book.instance(register(role))


@pytest.mark.parametrize(
    ("role", "address"),
    [
        (LOAD_BALANCER, Address("10.0.0.1", load_balancer_ipv6="2001:db8::1")),
        ({}, Address("2001:db8::1")),
    ],
    ids=["load balancer", "cluster IP"],
)
def test_ipv6_alone_requires_an_address(role: dict[str, Any], address: Address) -> None:
    result = found(role, address)
    assert result.ip == UNKNOWN_ADDRESS
    assert not result.reported
    assert result.finding is not None
    assert result.finding.reason == "AddressRequired"
    assert "2001:db8::1" in result.finding.message
    assert result.finding.message.startswith("spec.roles.reg-master.address: required")
    configured = found({**role, "address": "198.51.100.4"}, address)
    assert (configured.ip, configured.finding) == ("198.51.100.4", None)


def test_ipv4_is_used() -> None:
    assert found(LOAD_BALANCER, Address("2001:db8::1", "203.0.113.1")).ip == "203.0.113.1"
    assert found({}, Address("10.0.0.1")).ip == "10.0.0.1"


def test_a_missing_address_is_awaited() -> None:
    assert isinstance(found(LOAD_BALANCER, Address("10.0.0.1")).finding, Waiting)
    assert found({}, Address()).finding is None
