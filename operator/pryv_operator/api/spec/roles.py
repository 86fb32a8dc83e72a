"""``spec.roles``: the roles of the platform and their instances."""

from __future__ import annotations

from typing import Annotated, Any, Final

from pydantic import ConfigDict, Field, model_validator

from pryv_operator.api import names
from pryv_operator.api.schema import cel, list_map, matches
from pryv_operator.api.spec.base import IPv4, Model, empty_for_null
from pryv_operator.api.spec.components import Components
from pryv_operator.api.spec.services import ExternalSlave, ServiceOverrides
from pryv_operator.api.spec.tls import RoleTls

_HOSTING: Final = "^[A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?$"
_INSTANCE: Final = r"^[a-z]([-a-z0-9]*[a-z0-9])?$"


class Role(Model):
    """A role of the platform that has one instance."""

    address: IPv4 | None = Field(
        None,
        description="The address clients reach this role at, when it is not the Service's own (a router, an elastic IP).",
    )
    service: ServiceOverrides | None = Field(
        None, description="How the role is reached from outside the cluster."
    )
    tls: RoleTls | None = Field(
        None, description="A certificate of the role's own, where it is not the platform's."
    )
    components: Components | None = Field(
        None, description="Overrides per component, by its name in the role's compose file."
    )


class RegMasterRole(Role):
    """The register."""

    external_slave: ExternalSlave | None = Field(
        None,
        description="A reg-slave outside of the cluster: publishes redis (TCP 6379) by a load balancer of its own, to the slave's networks "
        "only. For a slave in the cluster say roles.reg-slave instead.",
    )


class CoreInstance(Model):
    """One core: the data of its users lives here."""

    name: Annotated[
        str,
        Field(
            min_length=1,
            max_length=30,
            pattern=_INSTANCE,
            json_schema_extra=matches(
                _INSTANCE,
                "a host name under the domain: lower-case letters, digits and '-', beginning with a letter, such as co1",
            ),
        ),
    ] = Field(
        description="Name of the core, and its host name under the domain (co1 → co1.DOMAIN). For ever: it names the data."
    )
    hosting: (
        Annotated[
            str,
            Field(
                min_length=1,
                max_length=63,
                pattern=_HOSTING,
                json_schema_extra=matches(
                    _HOSTING,
                    "the name of a hosting: letters, digits, '-', '_' and '.', such as geneva",
                ),
            ),
        ]
        | None
    ) = Field(
        None,
        description="Hosting the core belongs to, as users choose it when they register; hosting1 when left out.",
    )
    address: IPv4 | None = Field(
        None,
        description="The address clients reach this core at, when it is not the Service's own (a router, an elastic IP).",
    )


class CoreRole(Model):
    """The cores of the platform."""

    instances: (
        Annotated[
            list[CoreInstance],
            Field(
                min_length=1,
                max_length=32,
                json_schema_extra=list_map("name")
                | cel(
                    "self.all(a, self.exists_one(b, b.name == a.name))",
                    "every core instance needs a name of its own: rename one of those that share it",
                    "self.all(a, !(a.name in ["
                    + ", ".join(f"'{host}'" for host in names.RESERVED_HOSTS)
                    + "]))",
                    "a core instance cannot have a name that the platform uses for itself ("
                    + ", ".join(names.RESERVED_HOSTS)
                    + "): co1, co2, … are usual",
                    "self.all(a, !a.name.startsWith('reg-') && !a.name.startsWith('sw-') && "
                    "!self.exists(b, a.name.startsWith(b.name + '-')))",
                    "a core instance's name cannot be reg-…, sw-… or that of another core followed by '-': "
                    "its objects could not be told apart from the other's",
                ),
            ),
        ]
        | None
    ) = Field(
        None,
        description="The cores; one named co1 when left out. Taking one out of the list keeps its claims.",
    )
    service: ServiceOverrides | None = Field(
        None, description="How each core is reached from outside the cluster."
    )
    tls: RoleTls | None = Field(
        None, description="A certificate of the role's own, where it is not the platform's."
    )
    components: Components | None = Field(
        None, description="Overrides per component, by its name in the role's compose file."
    )


class Roles(Model):
    """The roles (machines, once) of the platform."""

    reg_master: RegMasterRole | None = Field(
        None,
        alias="reg-master",
        description="The register: accounts, DNS, service information, e-mail.",
    )
    core: CoreRole | None = Field(None, description="The cores, which hold the users' data.")
    static: Role | None = Field(
        None, description="The web pages for signing in and consent (sw.DOMAIN)."
    )
    reg_slave: Role | None = Field(
        None,
        alias="reg-slave",
        description="A second DNS with a copy of the register's data. Present means wanted: reg-slave: {}.",
    )
    singlenode: Role | None = Field(
        None,
        description="Everything in one role, as single-node installations have it. Present means wanted; it excludes the other roles.",
    )

    model_config = ConfigDict(
        json_schema_extra=cel(
            "!has(self.singlenode) || !(has(self.core) || has(self.static) || has(self.reg__dash__master) || has(self.reg__dash__slave))",
            "roles.singlenode is a whole platform in one role: leave the other roles out beside it",
            "!has(self.reg__dash__slave) || !has(self.reg__dash__master) || !has(self.reg__dash__master.externalSlave)",
            "there is one reg-slave: either in the cluster (roles.reg-slave) or outside of it (roles.reg-master.externalSlave)",
        )
    )

    @model_validator(mode="before")
    @classmethod
    def _present_means_wanted(cls, value: Any) -> Any:
        return empty_for_null(value)
