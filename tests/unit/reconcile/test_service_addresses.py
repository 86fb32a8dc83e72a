"""Addresses of Services: the live ones, else the last known ones."""

from __future__ import annotations

from typing import Any

from pryv_operator.api.status import PryvPlatformStatus, ServiceAddress
from pryv_operator.live.live_objects import LiveObjects
from pryv_operator.reconcile.service_addresses import service_addresses
from pryv_operator.values.addresses import Address

BEFORE = PryvPlatformStatus(
    services=[
        ServiceAddress(name="acme-reg", cluster_ip="10.0.0.9", load_balancer_ip="203.0.113.9")
    ]
)


def of(
    ingress: list[dict[str, Any]] | None = None,
    kind: str = "LoadBalancer",
    ip: str | None = "10.0.0.1",
) -> Address:
    spec = {"type": kind} | ({"clusterIP": ip} if ip else {})
    service = {
        "kind": "Service",
        "metadata": {"name": "acme-reg"},
        "spec": spec,
        "status": {"loadBalancer": {"ingress": ingress}},
    }
    return service_addresses(LiveObjects({("Service", "acme-reg"): service}), BEFORE)["acme-reg"]


def test_a_live_address() -> None:
    assert of([{"ip": "203.0.113.1"}]) == Address("10.0.0.1", "203.0.113.1")


def test_the_last_address_holds_while_the_status_is_empty() -> None:
    assert of(None) == of([]) == Address("10.0.0.1", "203.0.113.9")


def test_a_host_name_alone_replaces_the_last_address() -> None:
    assert of([{"hostname": "lb.cloud.example"}]) == Address(
        "10.0.0.1", None, "lb.cloud.example"
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
