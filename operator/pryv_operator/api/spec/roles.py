"""``spec.roles``: the roles of the platform and the core instances."""

from __future__ import annotations

from typing import Annotated, Any, Final

from pydantic import ConfigDict, Field, model_validator

from pryv_operator.api import names
from pryv_operator.api.schema import cel, list_map, matches
from pryv_operator.api.spec.base import IPv4, Model, empty_for_null
from pryv_operator.api.spec.component_overrides import Components
from pryv_operator.api.spec.external_services import ExternalSlave, ServiceOverrides
from pryv_operator.api.spec.tls import RoleTls

_HOSTING: Final = "^[A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?$"
_INSTANCE: Final = r"^[a-z]([-a-z0-9]*[a-z0-9])?$"


class Role(Model):
    """A role with one instance."""

    address: IPv4 | None = Field(
        None,
        description="Address at which clients reach the role, if it is not the Service's own, such "
        "as that of a router or an elastic IP.",
    )
    service: ServiceOverrides | None = Field(
        None, description="How clients outside the cluster reach the role."
    )
    tls: RoleTls | None = Field(
        None, description="A certificate of the role; default: the platform's."
    )
    components: Components | None = Field(
        None, description="Overrides by component, as named in the role's compose file."
    )


class RegMasterRole(Role):
    """The register."""

    external_slave: ExternalSlave | None = Field(
        None,
        description="A reg-slave outside the cluster: publishes redis (TCP 6379) with a load "
        "balancer of its own, to the slave's networks only. For a slave in the cluster, set "
        "roles.reg-slave instead.",
    )


class CoreInstance(Model):
    """One core, which stores the data of its users."""

    name: Annotated[
        str,
        Field(
            min_length=1,
            max_length=30,
            pattern=_INSTANCE,
            json_schema_extra=matches(
                _INSTANCE,
                "must be a host name under the domain: lower-case letters, digits and '-', "
                "beginning with a letter, such as co1",
            ),
        ),
    ] = Field(
        description="Name of the core instance, and its host name under the domain (co1 → "
        "co1.DOMAIN). Permanent: the data belong to the name."
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
                    "must be the name of a hosting: letters, digits, '-', '_' and '.', "
                    "such as geneva",
                ),
            ),
        ]
        | None
    ) = Field(
        None,
        description="Hosting that the core belongs to; users choose one when they register; "
        "default: hosting1.",
    )
    address: IPv4 | None = Field(
        None,
        description="Address at which clients reach the core, if it is not the Service's own, such "
        "as that of a router or an elastic IP.",
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
                    "names of core instances must be unique; rename the duplicate",
                    "self.all(a, !(a.name in ["
                    + ", ".join(f"'{host}'" for host in names.RESERVED_HOSTS)
                    + "]))",
                    "a core instance cannot have a name that the platform itself uses ("
                    + ", ".join(names.RESERVED_HOSTS)
                    + "); rename it, such as co1",
                    "self.all(a, !a.name.startsWith('reg-') && !a.name.startsWith('sw-') && "
                    "!self.exists(b, a.name.startsWith(b.name + '-')))",
                    "a core instance's name cannot begin with reg-, sw- or another core instance's "
                    "name and '-': names of objects would collide; rename it",
                ),
            ),
        ]
        | None
    ) = Field(
        None,
        description="The core instances; default: one named co1. Removing one from the list "
        "retains its PersistentVolumeClaims.",
    )
    service: ServiceOverrides | None = Field(
        None, description="How clients outside the cluster reach each core."
    )
    tls: RoleTls | None = Field(
        None, description="A certificate of the role; default: the platform's."
    )
    components: Components | None = Field(
        None, description="Overrides by component, as named in the role's compose file."
    )


class Roles(Model):
    """The roles of the platform: each was a machine of a docker-compose installation."""

    reg_master: RegMasterRole | None = Field(
        None,
        alias="reg-master",
        description="The register: accounts, DNS, service information, e-mail.",
    )
    core: CoreRole | None = Field(None, description="The cores, which store the users' data.")
    static: Role | None = Field(
        None, description="The web pages for signing in and consent (sw.DOMAIN)."
    )
    reg_slave: Role | None = Field(
        None,
        alias="reg-slave",
        description="A second DNS with a copy of the register's data. Runs only if present; "
        "reg-slave: {} is enough.",
    )
    singlenode: Role | None = Field(
        None,
        description="All components in one role, as in single-node installations. Runs only if "
        "present; excludes the other roles.",
    )

    model_config = ConfigDict(
        json_schema_extra=cel(
            "!has(self.singlenode) || !(has(self.core) || has(self.static) || "
            "has(self.reg__dash__master) || has(self.reg__dash__slave))",
            "singlenode runs the whole platform; remove the other roles",
            "!has(self.reg__dash__slave) || !has(self.reg__dash__master) || "
            "!has(self.reg__dash__master.externalSlave)",
            "reg-slave (in the cluster) and reg-master.externalSlave (outside it) are mutually "
            "exclusive; remove one",
        )
    )

    @model_validator(mode="before")
    @classmethod
    def _declared_by_presence(cls, value: Any) -> Any:
        return empty_for_null(value)
