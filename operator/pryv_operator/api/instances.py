"""Role instances of a platform: each was a machine of a docker-compose installation."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Final

from pryv_operator.api import names
from pryv_operator.api.spec import (
    ComponentOverrides,
    CoreInstance,
    CoreRole,
    ExternalSlave,
    PryvPlatformSpec,
    RegMasterRole,
    Role,
    Roles,
    ServiceOverrides,
)


@dataclass(frozen=True)
class Instance:
    """One instance of a role.

    ``host`` is its host name under DOMAIN; ``components`` are the overrides as users wrote them.
    """

    role: str
    name: str
    host: str
    hosting: str | None = None
    address: str | None = None
    service: ServiceOverrides = field(default_factory=ServiceOverrides)
    #: Secret with the role's certificate; None: the platform's certificate.
    tls_secret: str | None = None
    components: Mapping[str, ComponentOverrides] = field(default_factory=dict)
    #: A reg-slave outside the cluster that replicates this instance's redis.
    external_slave: ExternalSlave | None = None

    @cached_property
    def key(self) -> tuple[str, str]:
        """What no other instance of the platform has."""
        return self.role, self.name

    def overrides_of(self, service: str) -> ComponentOverrides:
        """The overrides for a compose service; ``reverse-proxy`` and ``reverse_proxy`` are one."""
        return self._overrides_by_slug.get(names.slug(service), _NO_OVERRIDES)

    @cached_property
    def _overrides_by_slug(self) -> Mapping[str, ComponentOverrides]:
        """Of two spellings of one component, the first one in alphabetical order counts."""
        ordered = sorted(self.components.items(), key=lambda each: each[0], reverse=True)
        return {names.slug(name): overrides for name, overrides in ordered}


_NO_OVERRIDES: Final = ComponentOverrides()
DEFAULT_CORE = "co1"
DEFAULT_HOSTING = "hosting1"
_HOSTS = {
    names.REG_MASTER: "reg",
    names.REG_SLAVE: "reg2",
    names.STATIC: "sw",
    names.SINGLE_NODE: "reg",
}


def instances(spec: PryvPlatformSpec) -> tuple[Instance, ...]:
    """The instances of all desired roles, by role in rollout order, then by name."""
    roles = spec.roles or Roles()
    if roles.singlenode:
        return (_single(names.SINGLE_NODE, roles.singlenode),)
    core = roles.core or CoreRole()
    cores = [
        Instance(
            role=names.CORE,
            name=each.name,
            host=each.name,
            hosting=each.hosting or DEFAULT_HOSTING,
            address=each.address,
            service=core.service or ServiceOverrides(),
            tls_secret=core.tls.secret_name if core.tls else None,
            components=core.components or {},
        )
        for each in sorted(
            core.instances or [CoreInstance(name=DEFAULT_CORE)], key=lambda instance: instance.name
        )
    ]
    found = {  # in the order of names.ROLES
        names.REG_MASTER: [_single(names.REG_MASTER, roles.reg_master or Role())],
        names.CORE: cores,
        names.STATIC: [_single(names.STATIC, roles.static or Role())],
        names.REG_SLAVE: [_single(names.REG_SLAVE, roles.reg_slave)] if roles.reg_slave else [],
    }
    return tuple(instance for each in found.values() for instance in each)


def _single(role: str, spec: Role) -> Instance:
    return Instance(
        role=role,
        name=names.SINGLE_INSTANCE[role],
        host=_HOSTS[role],
        address=spec.address,
        service=spec.service or ServiceOverrides(),
        tls_secret=spec.tls.secret_name if spec.tls else None,
        components=spec.components or {},
        external_slave=spec.external_slave if isinstance(spec, RegMasterRole) else None,
    )
