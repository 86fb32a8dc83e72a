"""``spec.roles.*.components``: overrides per component."""

from __future__ import annotations

from typing import Annotated, Any, Final

from pydantic import BeforeValidator, ConfigDict, Field

from pryv_operator.api.schema import cel, list_map, matches, preserve_unknown
from pryv_operator.api.spec.base import Model, ObjectName, Quantity, StringMap, empty_for_null

#: Source: https://github.com/distribution/reference (grammar of image references).
_IMAGE: Final = (
    "^([a-zA-Z0-9][-a-zA-Z0-9.]*(:[0-9]+)?/)?"
    "[a-z0-9]+([-._]+[a-z0-9]+)*(/[a-z0-9]+([-._]+[a-z0-9]+)*)*"
    "(:[A-Za-z0-9_][-A-Za-z0-9_.]{0,127})?(@sha256:[a-f0-9]{64})?$"
)
_ENV_NAME: Final = "^[A-Za-z_][A-Za-z0-9_]*$"


class Storage(Model):
    """The PersistentVolumeClaim of a component."""

    size: Quantity | None = Field(
        None,
        description="Size of the PersistentVolumeClaim. It can grow if the storage class allows "
        "expansion, and never shrink.",
    )
    storage_class_name: Annotated[str, Field(max_length=253)] | None = Field(
        None,
        description="Storage class of the PersistentVolumeClaim; default: the cluster's default "
        "class. Immutable once the PersistentVolumeClaim exists.",
    )
    existing_claim: Annotated[ObjectName, Field(max_length=63)] | None = Field(
        None,
        description="Name of an existing PersistentVolumeClaim to use instead of one of the "
        "operator. The operator never changes or deletes it.",
    )

    model_config = ConfigDict(
        json_schema_extra=cel(
            "!has(self.existingClaim) || (!has(self.size) && !has(self.storageClassName))",
            "existingClaim is used unchanged; remove size and storageClassName",
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
                "must be the name of an environment variable: letters, digits and '_', "
                "not beginning with a digit",
            ),
        ),
    ] = Field(description="Name of the environment variable.")
    value: Annotated[str, Field(max_length=4096)] = Field(
        description="Value in plain text. Secrets belong in spec.secrets."
    )


class Resources(Model):
    """Compute resources of a container, as in a pod's spec."""

    requests: Annotated[dict[str, Quantity], Field(max_length=16)] | None = Field(
        None, description="Minimum amounts that are reserved for the container."
    )
    limits: Annotated[dict[str, Quantity], Field(max_length=16)] | None = Field(
        None, description="Maximum amounts that the container may use."
    )


class ComponentOverrides(Model):
    """Overrides for one component: a service of the role's compose file."""

    image: (
        Annotated[
            str,
            Field(
                min_length=1,
                max_length=512,
                pattern=_IMAGE,
                json_schema_extra=matches(
                    _IMAGE,
                    "must be an image such as registry.example.com/pryv/core:1.9.2, "
                    "or one with a digest: …/core@sha256:…",
                ),
            ),
        ]
        | None
    ) = Field(
        None,
        description="Image to run instead of the release's. spec.imageRegistry does not apply.",
    )
    replicas: Annotated[int, Field(ge=0, le=32)] | None = Field(
        None,
        description="Number of pods; default: 1. For stateless components only; to scale core, add "
        "core instances. A node drain evicts one at a time of several that mount no "
        "PersistentVolumeClaim.",
    )
    env: (
        Annotated[list[EnvVar], Field(max_length=64, json_schema_extra=list_map("name"))] | None
    ) = Field(
        None,
        description="Environment variables to add to the container, or to replace those of the "
        "same name.",
    )
    resources: Resources | None = Field(None, description="Compute resources of the container.")
    storage: Storage | None = Field(
        None,
        description="The component's PersistentVolumeClaim. For stateful components only.",
    )
    node_selector: StringMap | None = Field(
        None, description="Labels that a node must have to run the pods."
    )
    tolerations: (
        Annotated[
            list[dict[str, Any]],
            Field(max_length=32, json_schema_extra=preserve_unknown(items=True)),
        ]
        | None
    ) = Field(
        None,
        description="Taints that the pods tolerate, as in a pod's spec. "
        "Those of control-plane nodes are refused unless the operator allows it.",
    )
    affinity: Annotated[dict[str, Any], Field(json_schema_extra=preserve_unknown())] | None = Field(
        None,
        description="Affinity of the pods, as in a pod's spec. The operator adds terms where "
        "components share a PersistentVolumeClaim.",
    )
    topology_spread_constraints: (
        Annotated[
            list[dict[str, Any]],
            Field(max_length=16, json_schema_extra=preserve_unknown(items=True)),
        ]
        | None
    ) = Field(None, description="How pods spread over nodes and zones, as in a pod's spec.")
    priority_class_name: ObjectName | None = Field(None, description="Priority class of the pods.")
    annotations: StringMap | None = Field(None, description="Annotations to add to the pods.")
    labels: StringMap | None = Field(
        None,
        description="Labels to add to the pods. They cannot replace those of the operator.",
    )


Components = Annotated[
    dict[str, ComponentOverrides],
    Field(
        max_length=24,
        json_schema_extra=cel(
            "self.all(c, size(c) <= 63 && c.matches('^[a-z]([-_a-z0-9]*[a-z0-9])?$'))",
            "keys must be names of services in the role's compose file, "
            "such as core, mongodb or reverse_proxy",
        ),
    ),
    BeforeValidator(empty_for_null),
]
