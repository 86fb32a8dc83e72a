"""Addresses of Services: the live ones, else the last known ones."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pryv_operator.api.status import PryvPlatformStatus, ServiceAddress
from pryv_operator.live.live_objects import LiveObjects
from pryv_operator.reconcile.service_addresses import recorded_addresses, service_addresses
from pryv_operator.values.addresses import Address
from tests.examples import examples

BEFORE = recorded_addresses(
    PryvPlatformStatus(
        services=[
            ServiceAddress(name="acme-reg", cluster_ip="10.0.0.9", load_balancer_ip="203.0.113.9")
        ]
    )
)
IPV4 = st.sampled_from([f"203.0.113.{number}" for number in range(5, 12)])
IPV6 = st.sampled_from([f"2001:db8::{number}" for number in range(1, 4)])


def of(
    ingress: list[dict[str, Any]] | None = None,
    kind: str = "LoadBalancer",
    ip: str | None = "10.0.0.1",
    before: dict[str, Address] = BEFORE,
    ips: list[str] | None = None,
) -> Address:
    spec: dict[str, Any] = {"type": kind} | ({"clusterIP": ip} if ip else {})
    if ips:
        spec |= {"clusterIP": ips[0], "clusterIPs": ips}
    service = {
        "kind": "Service",
        "metadata": {"name": "acme-reg"},
        "spec": spec,
        "status": {"loadBalancer": {"ingress": ingress}},
    }
    return service_addresses(LiveObjects({("Service", "acme-reg"): service}), before)["acme-reg"]


def test_a_live_address() -> None:
    assert of([{"ip": "203.0.113.1"}]) == Address("10.0.0.1", "203.0.113.1")


def test_the_last_address_holds_while_the_status_is_empty() -> None:
    assert of(None) == of([]) == Address("10.0.0.1", "203.0.113.9")


def test_a_host_name_alone_replaces_the_last_address() -> None:
    assert of([{"hostname": "lb.cloud.example"}]) == Address(
        "10.0.0.1", load_balancer_host="lb.cloud.example"
    ), "the former address is not valid any more"
    assert of([{"hostname": "lb.cloud.example", "ip": "203.0.113.1"}]) == Address(
        "10.0.0.1", "203.0.113.1"
    )


def test_a_former_load_balancer_has_no_external_address() -> None:
    assert of(kind="ClusterIP") == Address("10.0.0.1")


def test_addresses_of_a_missing_service_are_remembered() -> None:
    assert service_addresses(LiveObjects({}), BEFORE) == {
        "acme-reg": Address("10.0.0.9", "203.0.113.9")
    }
    assert of(ip=None).cluster_ip == "10.0.0.9"


def entries(ips: list[str]) -> list[dict[str, Any]]:
    return [{"ip": ip} for ip in ips]


@settings(max_examples=examples(200))
@given(
    st.lists(st.one_of(IPV4, IPV6), min_size=1, max_size=6, unique=True),
    st.one_of(st.none(), IPV4, IPV6),
    st.randoms(use_true_random=False),
)
def test_one_of_several_addresses_is_used_and_kept(
    ips: list[str], current: str | None, random: Any
) -> None:
    before = {"acme-reg": Address("10.0.0.1", current)}
    found = of(entries(ips), before=before)
    listed = [ip for ip in ips if "." in ip]
    if not listed:
        assert found == Address("10.0.0.1", load_balancer_ipv6=ips[0])
        return
    assert found == Address("10.0.0.1", current if current in listed else listed[0])
    # In another order, with others, or without its neighbours, it is the same.
    used, shuffled = found.load_balancer_ip, [*ips, "203.0.113.200"]
    random.shuffle(shuffled)
    for later in (shuffled, [used], []):
        assert of(entries(later), before={"acme-reg": found}) == found


@pytest.mark.parametrize(
    ("ips", "before", "used"),
    [
        (["10.0.0.1"], None, "10.0.0.1"),
        (["10.0.0.1", "fd00::1"], None, "10.0.0.1"),
        (["fd00::1", "10.0.0.1"], None, "10.0.0.1"),
        (["fd00::1", "10.0.0.1"], "fd00::1", "10.0.0.1"),
        (["fd00::1", "10.0.0.1"], "10.0.0.1", "10.0.0.1"),
        (["fd00::1"], None, "fd00::1"),
        (["fd00::1"], "10.0.0.1", "fd00::1"),
        (["None"], None, "None"),
    ],
)
def test_the_ipv4_address_of_a_dual_stack_service(
    ips: list[str], before: str | None, used: str
) -> None:
    found = of(kind="ClusterIP", ips=ips, before={"acme-reg": Address(before)})
    assert found == Address(used)


def test_ipv6_beside_a_host_name() -> None:
    assert of([{"hostname": "lb.example"}, {"ip": "2001:db8::1"}]) == Address(
        "10.0.0.1", load_balancer_ipv6="2001:db8::1", load_balancer_host="lb.example"
    )
