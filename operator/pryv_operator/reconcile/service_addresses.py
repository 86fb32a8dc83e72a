"""Addresses of Services: the live ones, else the last known ones. Pure."""

from __future__ import annotations

from pryv_operator.api.kubernetes import Object
from pryv_operator.api.status import PryvPlatformStatus
from pryv_operator.live.live_objects import LiveObjects
from pryv_operator.values.addresses import Address


def service_addresses(
    live: LiveObjects, status: PryvPlatformStatus | None = None
) -> dict[str, Address]:
    """Service → its addresses; those that are missing now are taken from ``status``."""
    known = {
        each.name: Address(each.cluster_ip, each.load_balancer_ip)
        for each in (status.services if status else ())
    }
    for service in live.of_kind("Service"):
        name = service["metadata"]["name"]
        known[name] = _address(service, known.get(name, Address()))
    return known


def _address(service: Object, before: Address) -> Address:
    cluster_ip = service["spec"].get("clusterIP") or before.cluster_ip
    if service["spec"].get("type") != "LoadBalancer":
        return Address(cluster_ip=cluster_ip)
    entries: list[Object] = service.get("status", {}).get("loadBalancer", {}).get("ingress") or []
    if not entries:
        # The status is empty now and then: the last address holds until another one is known.
        return Address(cluster_ip=cluster_ip, load_balancer_ip=before.load_balancer_ip)
    entry = next((each for each in entries if each.get("ip")), entries[0])
    if entry.get("ip"):
        return Address(cluster_ip=cluster_ip, load_balancer_ip=entry["ip"])
    return Address(cluster_ip=cluster_ip, load_balancer_host=entry.get("hostname"))
