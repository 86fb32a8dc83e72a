"""``spec.roles.*.components``: overrides per component."""

from __future__ import annotations

from typing import Annotated, Any, Final

from pydantic import BeforeValidator, ConfigDict, Field

from pryv_operator.api.schema import cel, list_map, matches, preserve_unknown
from pryv_operator.api.spec.base import Model, ObjectName, Quantity, StringMap, empty_for_null

_IMAGE: Final = (
    "^([a-zA-Z0-9][-a-zA-Z0-9.]*(:[0-9]+)?/)?[a-z0-9]+([-._]+[a-z0-9]+)*(/[a-z0-9]+([-._]+[a-z0-9]+)*)*"
    "(:[A-Za-z0-9_][-A-Za-z0-9_.]{0,127})?(@sha256:[a-f0-9]{64})?$"
)
_ENV_NAME: Final = "^[A-Za-z_][A-Za-z0-9_]*$"


class Storage(Model):
    """Where a component keeps its data."""

    size: Quantity | None = Field(
        None,
        description="Size of the claim. It can grow later where the storage class allows it, and never shrink.",
    )
    storage_class_name: Annotated[str, Field(max_length=253)] | None = Field(
        None,
        description="Storage class of the claim; the cluster's default when left out. Fixed once the claim exists.",
    )
    existing_claim: Annotated[ObjectName, Field(max_length=63)] | None = Field(
        None,
        description="A claim you made yourself, used instead of one of the operator's. The operator never changes or deletes it.",
    )

    model_config = ConfigDict(
        json_schema_extra=cel(
            "!has(self.existingClaim) || (!has(self.size) && !has(self.storageClassName))",
            "existingClaim is taken as it is: leave size and storageClassName out beside it",
        )
    )


class EnvVar(Model):
    """An environment variable of a component's container."""

    name: Annotated[
        str,
        Field(
            min_length=1,
            max_length=128,
            pattern=_ENV_NAME,
            json_schema_extra=matches(
                _ENV_NAME,
                "an environment variable's name: letters, digits and '_', not beginning with a digit",
            ),
        ),
    ] = Field(description="Name of the variable.")
    value: Annotated[str, Field(max_length=4096)] = Field(
        description="Its value. No secrets here: they belong into spec.secrets."
    )


class Resources(Model):
    """Compute resources of a container, as in a pod."""

    requests: Annotated[dict[str, Quantity], Field(max_length=16)] | None = Field(
        None, description="What is set aside for the container."
    )
    limits: Annotated[dict[str, Quantity], Field(max_length=16)] | None = Field(
        None, description="What the container may use at most."
    )


class ComponentOverrides(Model):
    """Overrides for one component (a service of the role's compose file)."""

    image: (
        Annotated[
            str,
            Field(
                min_length=1,
                max_length=512,
                pattern=_IMAGE,
                json_schema_extra=matches(
                    _IMAGE,
                    "an image such as registry.example.com/pryv/core:1.9.2, or one with a digest: …/core@sha256:…",
                ),
            ),
        ]
        | None
    ) = Field(
        None, description="Image to run instead of the release's. imageRegistry does not change it."
    )
    replicas: Annotated[int, Field(ge=0, le=32)] | None = Field(
        None,
        description="Number of pods; 1 when left out. Only for components without state: add core instances to scale core.",
    )
    env: (
        Annotated[list[EnvVar], Field(max_length=64, json_schema_extra=list_map("name"))] | None
    ) = Field(
        None,
        description="Environment variables added to the container's, or replacing those of the same name.",
    )
    resources: Resources | None = Field(None, description="Compute resources of the container.")
    storage: Storage | None = Field(
        None, description="Where the component keeps its data. Only for components with state."
    )
    node_selector: StringMap | None = Field(
        None, description="Labels a node must have to run the component's pods."
    )
    tolerations: (
        Annotated[
            list[dict[str, Any]],
            Field(max_length=32, json_schema_extra=preserve_unknown(items=True)),
        ]
        | None
    ) = Field(None, description="Taints the pods tolerate, as in a pod's spec.")
    affinity: Annotated[dict[str, Any], Field(json_schema_extra=preserve_unknown())] | None = Field(
        None,
        description="Affinity, as in a pod's spec. What the component itself needs (a shared claim) is added to it.",
    )
    topology_spread_constraints: (
        Annotated[
            list[dict[str, Any]],
            Field(max_length=16, json_schema_extra=preserve_unknown(items=True)),
        ]
        | None
    ) = Field(None, description="How pods spread over nodes and zones, as in a pod's spec.")
    priority_class_name: ObjectName | None = Field(None, description="Priority class of the pods.")
    annotations: StringMap | None = Field(None, description="Annotations added to the pods.")
    labels: StringMap | None = Field(
        None,
        description="Labels added to the pods; those of the operator (pryv.io/…) cannot be changed.",
    )


Components = Annotated[
    dict[str, ComponentOverrides],
    Field(
        max_length=24,
        json_schema_extra=cel(
            "self.all(c, size(c) <= 63 && c.matches('^[a-z]([-_a-z0-9]*[a-z0-9])?$'))",
            "components are named as in the role's compose file, such as core, mongodb or reverse_proxy",
        ),
    ),
    BeforeValidator(empty_for_null),
]
