"""``spec.roles.*.service`` and ``externalSlave``: how roles are published outside the cluster."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import ConfigDict, Field

from pryv_operator.api.schema import SET, cel
from pryv_operator.api.spec.base import IPv4, Model, StringMap


class ServiceOverrides(Model):
    """The external Service of a role: how clients outside the cluster reach it."""

    type: Literal["ClusterIP", "NodePort", "LoadBalancer"] | None = Field(
        None,
        description="Type of the external Service; default: ClusterIP, which is reachable from "
        "inside the cluster only.",
    )
    annotations: StringMap | None = Field(
        None, description="Annotations of the Service, such as those of a load balancer controller."
    )
    load_balancer_class: Annotated[str, Field(min_length=1, max_length=253)] | None = Field(
        None, description="Class of the load balancer. Requires type: LoadBalancer."
    )
    load_balancer_source_ranges: (
        Annotated[
            list[Annotated[str, Field(max_length=64)]],
            Field(max_length=64, json_schema_extra={"x-kubernetes-list-type": "set"}),
        ]
        | None
    ) = Field(
        None,
        description="Networks (CIDR) whose clients the load balancer accepts; default: all. "
        "Requires type: LoadBalancer.",
    )
    external_traffic_policy: Literal["Cluster", "Local"] | None = Field(
        None,
        description="Local preserves the addresses of clients; Cluster distributes connections "
        "evenly. Requires type: NodePort or LoadBalancer.",
    )
    external_ips: (
        Annotated[list[IPv4], Field(min_length=1, max_length=8, json_schema_extra=SET)] | None
    ) = Field(
        None,
        alias="externalIPs",
        description="Addresses of nodes at which the Service accepts connections. The first one is "
        "the role's address unless address is set. Refused unless the operator allows it.",
    )
    mixed_protocols: bool | None = Field(
        None,
        description="Publish TCP and UDP ports in one Service, which many load balancers reject; "
        "default: false.",
    )

    model_config = ConfigDict(
        json_schema_extra=cel(
            "(has(self.type) && self.type == 'LoadBalancer') || (!has(self.loadBalancerClass) && "
            "(!has(self.loadBalancerSourceRanges) || dyn(self.loadBalancerSourceRanges) == null))",
            "loadBalancerClass and loadBalancerSourceRanges require type: LoadBalancer",
            "!has(self.externalTrafficPolicy) || (has(self.type) && self.type != 'ClusterIP')",
            "externalTrafficPolicy requires type: LoadBalancer or NodePort",
            "!has(self.loadBalancerSourceRanges) || dyn(self.loadBalancerSourceRanges) == null || "
            "self.loadBalancerSourceRanges.all(r, isCIDR(r))",
            "loadBalancerSourceRanges must be networks in CIDR notation, such as 198.51.100.0/24",
        )
    )


class ExternalSlave(Model):
    """A reg-slave outside the cluster."""

    address: IPv4 | None = Field(
        None,
        description="Address at which clients reach the slave. If set, the platform's DNS "
        "publishes it as reg2 and dns2, a second name server.",
    )
    load_balancer_source_ranges: Annotated[
        list[Annotated[str, Field(max_length=64)]],
        Field(min_length=1, max_length=16, json_schema_extra=SET),
    ] = Field(
        description="Networks (CIDR) from which the slave's redis connects, such as "
        "198.51.100.7/32. Redis has no password: every client in these networks can read and "
        "change all data of the register."
    )
    annotations: StringMap | None = Field(
        None,
        description="Annotations of the Service that publishes redis, such as those that make its "
        "load balancer private.",
    )
    load_balancer_class: Annotated[str, Field(min_length=1, max_length=253)] | None = Field(
        None, description="Class of the load balancer."
    )

    model_config = ConfigDict(
        json_schema_extra=cel(
            "self.loadBalancerSourceRanges.all(r, isCIDR(r))",
            "loadBalancerSourceRanges must be networks in CIDR notation, such as 198.51.100.7/32",
            "self.loadBalancerSourceRanges.all(r, !isCIDR(r) || "
            "cidr(r).prefixLength() >= (cidr(r).ip().family() == 4 ? 8 : 32))",
            "loadBalancerSourceRanges must be the slave's own networks, /8 or smaller (IPv6: /32); "
            "redis has no password",
        )
    )
