"""``spec.roles.*.service``: how a role is published outside the cluster."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import ConfigDict, Field

from pryv_operator.api.schema import SET, cel
from pryv_operator.api.spec.base import IPv4, Model, StringMap


class ServiceOverrides(Model):
    """How a role is reached from outside the cluster."""

    type: Literal["ClusterIP", "NodePort", "LoadBalancer"] | None = Field(
        None,
        description="Type of the Service that publishes the role; ClusterIP when left out, "
        "which is reachable from inside the cluster only.",
    )
    annotations: StringMap | None = Field(
        None, description="Annotations of the Service, for the load balancer's controller."
    )
    load_balancer_class: Annotated[str, Field(min_length=1, max_length=253)] | None = Field(
        None, description="Class of the load balancer (type LoadBalancer)."
    )
    load_balancer_source_ranges: (
        Annotated[
            list[Annotated[str, Field(max_length=64)]],
            Field(max_length=64, json_schema_extra={"x-kubernetes-list-type": "set"}),
        ]
        | None
    ) = Field(
        None,
        description="Client networks (CIDR) that may reach the load balancer; everyone when left out.",
    )
    external_traffic_policy: Literal["Cluster", "Local"] | None = Field(
        None,
        description="Local keeps the clients' addresses; Cluster spreads evenly. For NodePort and LoadBalancer.",
    )
    external_ips: (
        Annotated[list[IPv4], Field(min_length=1, max_length=8, json_schema_extra=SET)] | None
    ) = Field(
        None,
        alias="externalIPs",
        description="Addresses of nodes that the Service answers at; the first one is the role's address unless address says another.",
    )
    mixed_protocols: bool | None = Field(
        None,
        description="Publish TCP and UDP ports in one Service; many load balancers refuse that, so false when left out.",
    )

    model_config = ConfigDict(
        json_schema_extra=cel(
            "(has(self.type) && self.type == 'LoadBalancer') || (!has(self.loadBalancerClass) && "
            "(!has(self.loadBalancerSourceRanges) || dyn(self.loadBalancerSourceRanges) == null))",
            "loadBalancerClass and loadBalancerSourceRanges need type: LoadBalancer",
            "!has(self.externalTrafficPolicy) || (has(self.type) && self.type != 'ClusterIP')",
            "externalTrafficPolicy needs type: LoadBalancer or NodePort",
            "!has(self.loadBalancerSourceRanges) || dyn(self.loadBalancerSourceRanges) == null || "
            "self.loadBalancerSourceRanges.all(r, isCIDR(r))",
            "loadBalancerSourceRanges are networks such as 198.51.100.0/24",
        )
    )


class ExternalSlave(Model):
    """A reg-slave outside of the cluster."""

    address: IPv4 | None = Field(
        None,
        description="The address clients reach the slave at: the platform's DNS then names it as reg2 and dns2, a second name server.",
    )
    load_balancer_source_ranges: Annotated[
        list[Annotated[str, Field(max_length=64)]],
        Field(min_length=1, max_length=16, json_schema_extra=SET),
    ] = Field(
        description="Networks (CIDR) that the slave's redis connects from, such as 198.51.100.7/32. Redis has no password: "
        "everybody in them can read and change all the register's data."
    )
    annotations: StringMap | None = Field(
        None,
        description="Annotations of the Service that publishes redis, such as those that make its load balancer a private one.",
    )
    load_balancer_class: Annotated[str, Field(min_length=1, max_length=253)] | None = Field(
        None, description="Class of the load balancer."
    )

    model_config = ConfigDict(
        json_schema_extra=cel(
            "self.loadBalancerSourceRanges.all(r, isCIDR(r))",
            "loadBalancerSourceRanges are networks such as 198.51.100.7/32",
            "self.loadBalancerSourceRanges.all(r, !isCIDR(r) || cidr(r).prefixLength() >= (cidr(r).ip().family() == 4 ? 8 : 32))",
            "loadBalancerSourceRanges must name the slave's own networks, /8 or smaller (IPv6: /32): redis has no password",
        )
    )
