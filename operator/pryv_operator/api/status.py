"""What the operator reports: the status of a PryvPlatform."""

from __future__ import annotations

from typing import Annotated, Final, Literal

from pydantic import Field

from pryv_operator.api.schema import ATOMIC, SET, list_map
from pryv_operator.api.spec import Model

#: Revisions that the status records. A platform retains 102 at most.
MAX_REVISION_RECORDS: Final = 256


class Condition(Model):
    """A condition with the fields of metav1.Condition."""

    type: Annotated[str, Field(max_length=64)] = Field(description="Type of the condition.")
    status: Literal["True", "False", "Unknown"] = Field(description="Whether the condition holds.")
    observed_generation: int = Field(
        description="Generation of the resource that the condition is about."
    )
    last_transition_time: Annotated[
        str, Field(max_length=32, json_schema_extra={"format": "date-time"})
    ] = Field(description="Time of the last change of the condition's status.")
    reason: Annotated[str, Field(max_length=128)] = Field(
        description="Reason for the condition's status, in CamelCase; docs/troubleshooting.md has "
        "cause, check and remedy of each."
    )
    message: Annotated[str, Field(max_length=32768)] = Field(
        description="Details for people: what is the case, and what to do."
    )


class InstanceStatus(Model):
    """A role instance."""

    name: Annotated[str, Field(max_length=63)] = Field(description="Name of the instance.")
    role: Annotated[str, Field(max_length=63)] = Field(description="Role of the instance.")
    ready: int = Field(
        description="Number of components that run the desired configuration and are ready."
    )
    desired: int = Field(description="Number of desired components.")
    address: Annotated[str, Field(max_length=64)] | None = Field(
        None, description="Address that the platform's DNS publishes for the instance."
    )


class ServiceAddress(Model):
    """Addresses of a Service, recorded to request the same ones if it has to be recreated."""

    name: Annotated[str, Field(max_length=63)] = Field(description="Name of the Service.")
    cluster_ip: Annotated[str, Field(max_length=64)] | None = Field(
        None, alias="clusterIP", description="Cluster IP of the Service."
    )
    load_balancer_ip: Annotated[str, Field(max_length=64)] | None = Field(
        None, alias="loadBalancerIP", description="Last known IP of the load balancer."
    )


class Endpoint(Model):
    """A URL of the platform."""

    name: Annotated[str, Field(max_length=63)] = Field(description="Name of the endpoint.")
    url: Annotated[str, Field(max_length=512)] = Field(description="URL of the endpoint.")


class StatusWarning(Model):
    """Something to know about a platform that works."""

    reason: Annotated[str, Field(max_length=128)] = Field(
        description="Reason of the warning, in CamelCase; docs/troubleshooting.md has cause, check "
        "and remedy of each."
    )
    message: Annotated[str, Field(max_length=4096)] = Field(
        description="Details for people: what is the case, and what to do."
    )


class ReplacedFileStatus(Model):
    """A file of the templates that spec.templates.files replaces."""

    role: Annotated[str, Field(max_length=63)] = Field(description="Role of the file.")
    path: Annotated[str, Field(max_length=200)] = Field(description="Path in the role's folder.")
    original: Annotated[str, Field(max_length=64)] | None = Field(
        None, description="Keyed hash of the file that was replaced."
    )
    replacement: Annotated[str, Field(max_length=64)] = Field(
        description="Keyed hash of the file that replaces it."
    )


class SecretRecord(Model):
    """A Secret that the operator has created, or is about to create."""

    name: Annotated[str, Field(max_length=253)] = Field(description="Name of the Secret.")
    uid: Annotated[str, Field(max_length=128)] | None = Field(
        None, description="uid of the Secret; missing while its creation is not confirmed."
    )
    digests: Annotated[
        list[Annotated[str, Field(max_length=64)]],
        Field(max_length=8, json_schema_extra=ATOMIC),
    ] = Field(
        default_factory=list,
        description="SHA-256 of the Secret's random data, recorded before it is created; empty "
        "for a Secret that was taken over, whose value may be guessable.",
    )


class Ownership(Model):
    """What the operator has created, as proof against objects with copied labels."""

    adopted: Annotated[str, Field(max_length=256)] = Field(
        "", description="Value of the annotation pryv.io/adopt that was last acted on."
    )
    secrets: Annotated[
        list[SecretRecord], Field(max_length=1024, json_schema_extra=list_map("name"))
    ] = Field(
        default_factory=list,
        description="Generated values, the hash key and private certificates. No other Secret "
        "with such a name is used.",
    )


class RevisionRecord(Model):
    """A revision that the operator has created."""

    number: int = Field(description="Number of the revision.")
    uid: Annotated[str, Field(max_length=128)] = Field(description="uid of the ControllerRevision.")


class PryvPlatformStatus(Model):
    """The observed state of a platform."""

    observed_generation: int | None = Field(
        None, description="Generation of the resource that the status is about."
    )
    release: Annotated[str, Field(max_length=64)] | None = Field(
        None, description="Release that the platform runs."
    )
    revision: int | None = Field(
        None, description="Number of the desired revision; see kubectl pryv history."
    )
    revisions: (
        Annotated[
            list[RevisionRecord],
            Field(max_length=MAX_REVISION_RECORDS, json_schema_extra=ATOMIC),
        ]
        | None
    ) = Field(
        None,
        description="The revision history as the operator has created it. No other revision is "
        "rolled back to automatically, whatever it says. A status without it is of an earlier "
        "version of the operator, whose history is then taken over once.",
    )
    roles_ready: Annotated[str, Field(max_length=16)] | None = Field(
        None, description="Number of ready roles out of the desired ones, such as 3/3."
    )
    conditions: Annotated[
        list[Condition], Field(max_length=16, json_schema_extra=list_map("type"))
    ] = Field(
        default_factory=list,
        description="Conditions: Ready, Reconciling, Stalled, ConfigRendered, RolloutComplete, "
        "Paused; CutOver, of an imported platform until its users are moved to it; "
        "ReleaseAvailable, while a newer built-in release can be chosen.",
    )
    instances: Annotated[
        list[InstanceStatus], Field(max_length=64, json_schema_extra=list_map("name"))
    ] = Field(default_factory=list, description="The role instances.")
    endpoints: Annotated[
        list[Endpoint], Field(max_length=64, json_schema_extra=list_map("name"))
    ] = Field(default_factory=list, description="URLs at which clients reach the platform.")
    warnings: Annotated[list[StatusWarning], Field(max_length=32, json_schema_extra=ATOMIC)] = (
        Field(
            default_factory=list, description="What to know about the platform although it works."
        )
    )
    services: Annotated[
        list[ServiceAddress], Field(max_length=1024, json_schema_extra=list_map("name"))
    ] = Field(
        default_factory=list,
        description="Addresses of the platform's Services, recorded for Services that have to be "
        "recreated.",
    )
    replaced_files: Annotated[
        list[ReplacedFileStatus], Field(max_length=1024, json_schema_extra=ATOMIC)
    ] = Field(
        default_factory=list,
        description="Files of the templates that are replaced, recorded to notice when their "
        "originals change.",
    )
    trusted_authorities: Annotated[
        list[Annotated[str, Field(max_length=128)]],
        Field(max_length=8, json_schema_extra=SET),
    ] = Field(
        default_factory=list,
        description="Secrets of the private authorities that every running component trusts.",
    )
    ownership: Ownership | None = Field(
        None,
        description="What the operator has created. A status without it is of an earlier version "
        "of the operator, whose Secrets are then taken over once.",
    )
