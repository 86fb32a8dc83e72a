"""The spec of a PryvPlatform: what users write."""

from __future__ import annotations

from typing import Annotated, Any, Final, Literal

from pydantic import ConfigDict, Field

from pryv_operator.api.schema import cel, list_map, matches, preserve_unknown
from pryv_operator.api.spec.base import LABEL, Model, ObjectName
from pryv_operator.api.spec.roles import Roles
from pryv_operator.api.spec.rollout import Rollout
from pryv_operator.api.spec.secrets import SecretSource
from pryv_operator.api.spec.templates import Templates
from pryv_operator.api.spec.tls import Tls

#: The built-in releases, newest first: the folders of ``templates/releases``.
Release = Literal["1.9.2"]

_DOMAIN: Final = rf"^({LABEL}[.])+[a-z]([-a-z0-9]{{0,61}}[a-z0-9])?$"
_REGISTRY: Final = (
    "^[a-z0-9]([-a-z0-9.]*[a-z0-9])?(:[0-9]{1,5})?(/[a-z0-9]([-._a-z0-9]*[a-z0-9])?)*$"
)
_VARIABLE: Final = r"^[A-Za-z_][A-Za-z0-9_]*([.][A-Za-z0-9_-]+)*$"


class PullSecret(Model):
    """A Secret of type kubernetes.io/dockerconfigjson in the platform's namespace."""

    name: ObjectName = Field(description="Name of the Secret.")


class PryvPlatformSpec(Model):
    """The desired state of a platform."""

    model_config = ConfigDict(
        json_schema_extra=cel(
            "!has(self.variables) || dyn(self.variables) == null || "
            "!has(self.variables.DOMAIN) || self.variables.DOMAIN == self.domain",
            "DOMAIN must equal spec.domain; remove it from spec.variables",
            at="variables",
        )
    )

    domain: Annotated[
        str,
        Field(
            min_length=3,
            max_length=200,
            pattern=_DOMAIN,
            json_schema_extra=matches(
                _DOMAIN,
                "must be a DNS name in lower case, such as pryv.example.com: at least two labels "
                "of at most 63 characters; no https://, no port, no final dot, no IP address",
            ),
        ),
    ] = Field(
        description="DNS name of the platform, and value of the variable DOMAIN. Each user's data "
        "are served at USERNAME.DOMAIN."
    )
    release: Release | None = Field(
        None,
        description="Built-in Pryv.io release to run; default: the one in status.release, "
        "which is the newest at the first install.",
    )
    templates: Templates | None = Field(
        None,
        description="Your own templates instead of a built-in release, or single files of them.",
    )
    variables: Annotated[
        dict[str, Any],
        Field(max_length=512, json_schema_extra=preserve_unknown()),
    ] = Field(
        default_factory=dict,
        description="Variables of the release by name, with any JSON value; names of 2019 are "
        "accepted too. Secrets are rejected: they belong in spec.secrets.",
    )
    secrets: Annotated[
        dict[str, SecretSource],
        Field(
            max_length=64,
            json_schema_extra=cel(
                f"self.all(k, size(k) <= 200 && k.matches('{_VARIABLE}'))",
                "keys must be a variable (REGISTER_ADMIN_KEY), or a path into one "
                "(EMAIL_SMTP_SETTINGS.auth.pass)",
            ),
        ),
    ] = Field(
        default_factory=dict,
        description="Sources of secret values, by variable or by a dotted path into one. Files "
        "that contain such a value are stored in Secrets. Secret variables that are omitted here "
        "are generated.",
    )
    tls: Tls | None = Field(
        None,
        description="The certificate of DOMAIN and *.DOMAIN; default: one of a private authority "
        "that the operator creates, which clients do not trust.",
    )
    image_registry: (
        Annotated[
            str,
            Field(
                min_length=1,
                max_length=253,
                pattern=_REGISTRY,
                json_schema_extra=matches(
                    _REGISTRY,
                    "must be a registry, optionally with a path, such as "
                    "registry.example.com/pryv; no https://, no tag",
                ),
            ),
        ]
        | None
    ) = Field(
        None,
        description="Registry to pull all images of the release from, instead of their own, such "
        "as registry.example.com/pryv.",
    )
    image_pull_secrets: (
        Annotated[list[PullSecret], Field(max_length=8, json_schema_extra=list_map("name"))] | None
    ) = Field(None, description="Secrets with credentials of image registries, for all pods.")
    network_policy: bool | None = Field(
        None,
        description="Create NetworkPolicies that admit only the clients they need to stores and "
        "internal ports; default: true. Stores have no password: disable this only where something "
        "else isolates them.",
    )
    deletion_policy: Literal["Retain", "Delete"] | None = Field(
        None,
        description="What happens to PersistentVolumeClaims and generated Secrets when this "
        "resource is deleted. Retain (default): they stay, and the resource uses them when it is "
        "created again with the annotation pryv.io/adopt.",
    )
    rollout: Rollout | None = Field(None, description="How changes reach the cluster.")
    stopped: bool | None = Field(
        None,
        description="Scale every component to zero and retain all data; default: false.",
    )
    roles: Roles | None = Field(
        None,
        description="Roles of the platform; default: reg-master, core (one instance) and static.",
    )
