"""Addresses of Services: the live ones, else the last known ones. Pure."""

from __future__ import annotations

from collections.abc import Mapping

from pryv_operator.api.kubernetes import Object
from pryv_operator.api.status import PryvPlatformStatus
from pryv_operator.live.live_objects import LiveObjects
from pryv_operator.values.addresses import Address, choose_ipv4, is_ipv6


def recorded_addresses(status: PryvPlatformStatus) -> dict[str, Address]:
    """Service → the addresses that were used last, as the status records them."""
    return {each.name: Address(each.cluster_ip, each.load_balancer_ip) for each in status.services}


def service_addresses(live: LiveObjects, before: Mapping[str, Address]) -> dict[str, Address]:
    """Service → its addresses.

    ``before`` are those that were used last. Of several addresses, the one in use is kept as long
    as the Service has it; what is missing now is taken from there.
    """
    known = dict(before)
    for service in live.of_kind("Service"):
        name = service["metadata"]["name"]
        known[name] = _address(service, before.get(name, Address()))
    return known


def _address(service: Object, before: Address) -> Address:
    cluster_ip = _cluster_ip(service["spec"], before.cluster_ip)
    if service["spec"].get("type") != "LoadBalancer":
        return Address(cluster_ip=cluster_ip)
    entries: list[Object] = service.get("status", {}).get("loadBalancer", {}).get("ingress") or []
    if not entries:
        # The status is empty now and then: the last address holds until another one is known.
        return Address(cluster_ip=cluster_ip, load_balancer_ip=before.load_balancer_ip)
    ips = [each["ip"] for each in entries if each.get("ip")]
    hosts = (each["hostname"] for each in entries if each.get("hostname"))
    ip = choose_ipv4(ips, before.load_balancer_ip)
    if ip:
        return Address(cluster_ip=cluster_ip, load_balancer_ip=ip)
    return Address(
        cluster_ip=cluster_ip,
        load_balancer_ipv6=next(filter(is_ipv6, ips), None),
        load_balancer_host=next(hosts, None),
    )


def _cluster_ip(spec: Object, before: str | None) -> str | None:
    """The IPv4 address of a dual-stack Service; its only one otherwise."""
    primary = spec.get("clusterIP")
    listed = spec.get("clusterIPs") or ([primary] if primary else [])
    return choose_ipv4(listed, before) or primary or before
