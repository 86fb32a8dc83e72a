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

_DOMAIN: Final = rf"^({LABEL}[.])+[a-z]([-a-z0-9]{{0,61}}[a-z0-9])?$"
_REGISTRY: Final = (
    "^[a-z0-9]([-a-z0-9.]*[a-z0-9])?(:[0-9]{1,5})?(/[a-z0-9]([-._a-z0-9]*[a-z0-9])?)*$"
)
_VARIABLE: Final = r"^[A-Za-z_][A-Za-z0-9_]*([.][A-Za-z0-9_-]+)*$"


class PullSecret(Model):
    """A Secret of type kubernetes.io/dockerconfigjson in the platform's namespace."""

    name: ObjectName = Field(description="Name of the Secret.")


class PryvPlatformSpec(Model):
    """What a platform should be."""

    model_config = ConfigDict(
        json_schema_extra=cel(
            "!has(self.variables) || dyn(self.variables) == null || !has(self.variables.DOMAIN) || self.variables.DOMAIN == self.domain",
            "variables.DOMAIN is spec.domain: leave it out, or say the same",
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
                "domain is the platform's DNS name in lower case, such as pryv.example.com: "
                "two labels or more of 63 characters at most, no https://, no port, no dot at the end, not an address",
            ),
        ),
    ] = Field(
        description="The platform's DNS name, the DOMAIN variable: users' data is served at USERNAME.DOMAIN."
    )
    release: Literal["1.9.2"] | None = Field(
        None, description="The built-in Pryv.io release to run; the newest when left out."
    )
    templates: Templates | None = Field(
        None,
        description="Templates of one's own instead of a built-in release's. They take the place of release.",
    )
    variables: Annotated[
        dict[str, Any],
        Field(max_length=512, json_schema_extra=preserve_unknown()),
    ] = Field(
        default_factory=dict,
        description="Variables of the release by name, with any JSON value; the names of 2019 are understood too. "
        "Secrets are refused here: they belong into spec.secrets.",
    )
    secrets: Annotated[
        dict[str, SecretSource],
        Field(
            max_length=64,
            json_schema_extra=cel(
                f"self.all(k, size(k) <= 200 && k.matches('{_VARIABLE}'))",
                "secrets are named after a variable (REGISTER_ADMIN_KEY) or a path into one (EMAIL_SMTP_SETTINGS.auth.pass)",
            ),
        ),
    ] = Field(
        default_factory=dict,
        description="Secret values by variable, or by a dotted path into one. They stay in Secrets: "
        "what they end up in is a Secret too. Whatever is not named here is generated.",
    )
    tls: Tls | None = Field(
        None,
        description="The certificate of DOMAIN and *.DOMAIN. When left out the operator makes a private authority, "
        "which clients outside do not trust.",
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
                    "a registry, with or without a path in it, such as registry.example.com/pryv: no https://, no tag",
                ),
            ),
        ]
        | None
    ) = Field(
        None,
        description="Registry that all images of the release are taken from instead of their own, such as registry.example.com/pryv.",
    )
    image_pull_secrets: (
        Annotated[list[PullSecret], Field(max_length=8, json_schema_extra=list_map("name"))] | None
    ) = Field(None, description="Secrets with the login for the image registry, used by every pod.")
    network_policy: bool | None = Field(
        None,
        description="Whether stores and unpublished ports accept only those who need them; true when left out. "
        "Stores have no password: turn this off only where something else isolates them.",
    )
    deletion_policy: Literal["Retain", "Delete"] | None = Field(
        None,
        description="What happens to claims and generated secrets when this resource is deleted; Retain when left out: "
        "applying it again finds them.",
    )
    rollout: Rollout | None = Field(None, description="How changes are brought to what runs.")
    stopped: bool | None = Field(
        None,
        description="Run nothing and keep all data: every component is scaled to zero; false when left out.",
    )
    roles: Roles | None = Field(
        None,
        description="The roles of the platform. When left out: reg-master, core with one instance, and static.",
    )
