"""What the operator says about a platform: the status of a PryvPlatform."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from pryv_operator.api.schema import list_map
from pryv_operator.api.spec import Model


class Condition(Model):
    """A condition as metav1.Condition has it."""

    type: Annotated[str, Field(max_length=64)] = Field(description="What the condition is about.")
    status: Literal["True", "False", "Unknown"] = Field(description="Whether it holds.")
    observed_generation: int = Field(
        description="The generation of the resource it was judged from."
    )
    last_transition_time: Annotated[
        str, Field(max_length=32, json_schema_extra={"format": "date-time"})
    ] = Field(description="When its status last changed.")
    reason: Annotated[str, Field(max_length=128)] = Field(description="Why, as one CamelCase word.")
    message: Annotated[str, Field(max_length=32768)] = Field(
        description="Why, in plain words, and what to do."
    )


class InstanceStatus(Model):
    """A role instance."""

    name: Annotated[str, Field(max_length=63)] = Field(description="Name of the instance.")
    role: Annotated[str, Field(max_length=63)] = Field(description="Its role.")
    ready: int = Field(description="Components that run the wanted configuration and are ready.")
    desired: int = Field(description="Components wanted.")
    address: Annotated[str, Field(max_length=64)] | None = Field(
        None, description="The address the platform's DNS gives for it."
    )


class ServiceAddress(Model):
    """Addresses of a Service, remembered so that they are asked for again when it has to be made anew."""

    name: Annotated[str, Field(max_length=63)] = Field(description="Name of the Service.")
    cluster_ip: Annotated[str, Field(max_length=64)] | None = Field(
        None, alias="clusterIP", description="Its cluster IP."
    )
    load_balancer_ip: Annotated[str, Field(max_length=64)] | None = Field(
        None, alias="loadBalancerIP", description="The load balancer's last known IP."
    )


class Endpoint(Model):
    """A URL of the platform."""

    name: Annotated[str, Field(max_length=63)] = Field(description="What it is.")
    url: Annotated[str, Field(max_length=512)] = Field(description="Where it is.")


class StatusWarning(Model):
    """Something that works but should be known."""

    reason: Annotated[str, Field(max_length=128)] = Field(
        description="What, as one CamelCase word."
    )
    message: Annotated[str, Field(max_length=4096)] = Field(
        description="What, in plain words, and what to do."
    )


class PryvPlatformStatus(Model):
    """What was observed last."""

    observed_generation: int | None = Field(
        None, description="The generation of the resource this status speaks of."
    )
    release: Annotated[str, Field(max_length=64)] | None = Field(
        None, description="The release that is run."
    )
    revision: int | None = Field(
        None, description="Number of the revision that is wanted; see kubectl-pryv history."
    )
    roles_ready: Annotated[str, Field(max_length=16)] | None = Field(
        None, description="Ready roles of those wanted, such as 3/3."
    )
    conditions: Annotated[
        list[Condition], Field(max_length=16, json_schema_extra=list_map("type"))
    ] = Field(
        default_factory=list,
        description="Conditions: Ready, Reconciling, Stalled, ConfigRendered, RolloutComplete, Paused.",
    )
    instances: Annotated[
        list[InstanceStatus], Field(max_length=64, json_schema_extra=list_map("name"))
    ] = Field(default_factory=list, description="The role instances.")
    endpoints: Annotated[
        list[Endpoint], Field(max_length=64, json_schema_extra=list_map("name"))
    ] = Field(default_factory=list, description="Where the platform is reached.")
    warnings: Annotated[
        list[StatusWarning],
        Field(max_length=32, json_schema_extra={"x-kubernetes-list-type": "atomic"}),
    ] = Field(default_factory=list, description="What works but should be known.")
    services: Annotated[
        list[ServiceAddress], Field(max_length=1024, json_schema_extra=list_map("name"))
    ] = Field(
        default_factory=list,
        description="Addresses of the platform's Services, kept when a Service has to be made anew.",
    )
    trusted_authorities: Annotated[
        list[Annotated[str, Field(max_length=128)]],
        Field(max_length=8, json_schema_extra={"x-kubernetes-list-type": "set"}),
    ] = Field(
        default_factory=list,
        description="Private authorities (their Secrets) that every running component trusts.",
    )
