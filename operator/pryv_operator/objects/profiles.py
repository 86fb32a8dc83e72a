"""What compose files do not say about a component: ports reached by others, state, users, probes, signals.

Facts are of the images of Pryv.io 1.9.2 and, where they differ, older ones; a service that is not listed gets the plain profile.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

Probe = Mapping[str, Any]

#: The user all of Pryv's own Node.js processes run as.
APP_USER: Final = 9999


def tcp(port: int) -> Probe:
    """Something listens."""
    return {"tcpSocket": {"port": port}}


def http(path: str, port: int) -> Probe:
    """Something answers with a status below 400."""
    return {"httpGet": {"path": path, "port": port}}


@dataclass(frozen=True)
class Profile:
    """How a component is run.

    ``ports`` are TCP ports that other components reach. ``stateful``: a StatefulSet of one. ``single``: two must never run at
    the same time. ``runit``: PID 1 exits on TERM without stopping its services. ``node``: Node.js, which trusts the authorities
    named in NODE_EXTRA_CA_CERTS. ``passive``: calls nobody. ``calls_cores``: calls
    every core by its name under DOMAIN. ``slow_start_seconds``: after how long a start is given up; stores recover and core
    migrates its data before they listen, and Node.js components wait for the register.
    """

    ports: tuple[int, ...] = ()
    stateful: bool = False
    single: bool = False
    runit: bool = False
    node: bool = False
    passive: bool = False
    calls_cores: bool = False
    proxy: bool = False
    ready: Probe | None = None
    alive: Probe | None = None
    fs_group: int | None = None
    capabilities: tuple[str, ...] = ()
    storage: Mapping[str, str] = field(default_factory=dict)
    slow_start_seconds: int = 3600
    grace_seconds: int = 45

    @property
    def tier(self) -> int:
        """When its turn comes in a rollout of its instance: 0 stores, 1 services, 2 reverse proxies."""
        if self.proxy:
            return 2
        return 0 if self.store else 1

    @property
    def store(self) -> bool:
        """Whether it is a database. Those of Pryv.io have no password: none is ever published."""
        return self.stateful and self.passive

    @property
    def migrates(self) -> bool:
        """Whether it may migrate its data when it starts, so that an older image cannot read them any more."""
        return self.stateful

    @property
    def scalable(self) -> bool:
        """Whether several pods may run side by side."""
        return not (self.stateful or self.single)


#: root starts them: it hands folders over (CHOWN, FOWNER, DAC_OVERRIDE) and becomes another user (SETUID, SETGID, KILL to signal it).
_DROPS_ROOT: Final = ("CHOWN", "DAC_OVERRIDE", "FOWNER", "KILL", "SETGID", "SETUID")
_SERVES_LOW_PORTS: Final = (*_DROPS_ROOT, "NET_BIND_SERVICE")


def _node(**different: Any) -> Profile:
    return Profile(**{"node": True, "fs_group": APP_USER, "capabilities": _DROPS_ROOT, **different})


_PLAIN: Final = Profile(capabilities=_SERVES_LOW_PORTS)

_PROFILES: Final[Mapping[str, Profile]] = {
    "reverse_proxy": Profile(
        proxy=True, ready=tcp(443), alive=tcp(443), capabilities=_SERVES_LOW_PORTS, slow_start_seconds=60, grace_seconds=30
    ),
    "core": _node(
        # 3000 to 3005 stand in every nginx upstream; NUM_PROCS of them listen. 4222: NATS.
        ports=(3000, 3001, 3002, 3003, 3004, 3005, 4222),
        stateful=True, runit=True, ready=tcp(3000), alive=tcp(3000), storage={"data": "20Gi"},
        slow_start_seconds=6 * 3600, grace_seconds=60,
    ),
    "mfa": _node(ports=(7000,), single=True, ready=tcp(7000), alive=tcp(7000)),
    "preview": _node(ports=(9000,), runit=True, ready=tcp(9000), alive=tcp(9000)),
    "hfs": _node(
        ports=(3000, 3001, 3002, 3003, 3004, 3005), runit=True, ready=http("/system/status", 3000), alive=tcp(3000)
    ),
    "webhooks": _node(single=True, runit=True),
    "mongodb": Profile(
        ports=(27017,), stateful=True, passive=True, runit=True, ready=tcp(27017), capabilities=_DROPS_ROOT,
        storage={"data": "20Gi", "backup": "20Gi"}, slow_start_seconds=24 * 3600, grace_seconds=120,
    ),
    "influxdb": Profile(
        ports=(8086,), stateful=True, passive=True, ready=http("/ping", 8086),
        storage={"data": "20Gi", "backup": "20Gi"}, slow_start_seconds=24 * 3600, grace_seconds=60,
    ),
    "redis": Profile(
        ports=(6379,), stateful=True, passive=True, runit=True, ready=tcp(6379), capabilities=_DROPS_ROOT,
        storage={"data": "5Gi"}, slow_start_seconds=24 * 3600, grace_seconds=60,
    ),
    "register": _node(calls_cores=True, ports=(9000,), ready=http("/service/info", 9000), alive=tcp(9000)),
    "dns": _node(calls_cores=True, ports=(9000,), ready=tcp(9000), alive=tcp(9000)),
    "mail": _node(ports=(9000,), runit=True, ready=http("/system/status", 9000), alive=tcp(9000)),
    "app_web_auth3": Profile(passive=True, ports=(80,), ready=http("/", 80), alive=tcp(80), capabilities=_SERVES_LOW_PORTS),
    "admin_panel": Profile(passive=True, ports=(80,), ready=http("/", 80), alive=tcp(80), capabilities=_SERVES_LOW_PORTS),
    "core_router": _node(ports=(1337,), ready=tcp(1337), alive=tcp(1337)),
    "core_audit": _node(ports=(5000,), single=True),
}  # fmt: skip


#: Names of Pryv's services.
KNOWN: Final = tuple(_PROFILES)


def profile(service: str) -> Profile:
    """The profile of a compose service."""
    return _PROFILES.get(service, _PLAIN)
