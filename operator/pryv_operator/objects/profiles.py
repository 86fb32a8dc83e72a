"""What compose files do not declare about a component: ports, state, users, probes, signals.

The facts are of the images of Pryv.io 1.9.2 and, where they differ, of older ones. A service with
another name is known by its image. Others get a plain profile.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import Any, Final, TypeAlias

#: The handler of a probe, as in a container's ``readinessProbe``.
Probe: TypeAlias = Mapping[str, Any]

#: The user that Pryv's own Node.js processes run as.
APP_USER: Final = 9999


def tcp(port: int) -> Probe:
    """A probe that succeeds when the port accepts connections."""
    return {"tcpSocket": {"port": port}}


def http(path: str, port: int) -> Probe:
    """A probe that succeeds on a status of 200 to 399."""
    return {"httpGet": {"path": path, "port": port}}


@dataclass(frozen=True)
class BootAnswer:
    """What components read from another one once, when they start, and keep while they run."""

    #: How its URL ends in the configuration of those that read it.
    path: str
    #: The file of the answering component that it is made from: JSON.
    file: str
    #: The keys of the file that it is made from. All of them are public.
    keys: tuple[tuple[str, ...], ...]


#: The service information: served by register, whose image always starts with ``--config
#: /app/conf/register.json`` (service-register, ``build/register/runit/register``).
#: Since 1.3.60 it is ``service``, and since 1.6.5 also ``version`` from ``reporting``
#: (``src/business/service-info.js``). The other keys are those of 1.3.45 to 1.3.58
#: (``source/routes/service.js``); before, there was no such route.
#: Who reads it: the ``urlFromKey: 'serviceInfoUrl'`` of service-core 1.6.21 to 1.9.2 in
#: ``components/{api-server,hfs-server,metadata,webhooks}/src/application.js`` and
#: ``components/previews-server/src/server.js``. ``@pryv/boiler`` 1.2.4 gets it once
#: (``initASync`` in ``src/config.js``), and no code gets it again. Before: core and hfs
#: (``components/utils/src/config/ServiceInfo.js`` in 1.4.34 to 1.5.24), later core's
#: ``components/api-server/config/components/serviceInfo.js``.
#: service-mfa 1.1.9 and service-mail 1.9.0 have only their own configuration, and so have register
#: and dns: they connect to cores and redis for data.
SERVICE_INFO: Final = BootAnswer(
    path="/service/info",
    file="register.json",
    keys=(
        ("service",),
        ("reporting", "templateVersion"),
        ("dns", "domain"),
        ("eventTypes", "sourceURL"),
        ("http", "register", "url"),
        ("http", "static", "url"),
        ("serial",),
    ),
)


@dataclass(frozen=True)
class Profile:
    """How a component runs."""

    #: TCP ports that other components connect to.
    ports: tuple[int, ...] = ()
    #: It keeps state: a StatefulSet with one replica.
    stateful: bool = False
    #: Two pods must never run at the same time.
    single: bool = False
    #: PID 1 is runit, which exits on TERM without stopping its services.
    runit: bool = False
    #: It runs on Node.js, which trusts the authorities in the file of ``NODE_EXTRA_CA_CERTS``.
    nodejs: bool = False
    #: It connects to no other component.
    passive: bool = False
    #: Host and port of what it connects to at its start, and does not start without.
    connects: tuple[tuple[str, int], ...] = ()
    #: It connects to every core by its name under DOMAIN.
    calls_cores: bool = False
    #: It is a reverse proxy: it serves the certificate.
    proxy: bool = False
    #: The service that it reaches through a sidecar, which waits for it instead of being refused.
    relays: str = ""
    #: What others read from it when they start.
    answers: BootAnswer | None = None
    #: What it reads from another component when it starts.
    reads: BootAnswer | None = None
    readiness: Probe | None = None
    #: Seconds from one readiness probe to the next.
    probe_seconds: int = 5
    liveness: Probe | None = None
    fs_group: int | None = None
    #: Capabilities of the container; all others are dropped.
    capabilities: tuple[str, ...] = ()
    #: Purpose of a PVC → its default size.
    storage: Mapping[str, str] = field(default_factory=dict)
    #: Where the image keeps its state: a PVC is mounted there, whatever the compose file says.
    state_path: str = ""
    #: How long a start may take. Stores recover and core migrates data before they listen;
    #: Node.js components wait for the register.
    slow_start_seconds: int = 3600
    grace_seconds: int = 45
    #: What to look at when it does not become ready.
    hint: str = ""

    @property
    def tier(self) -> int:
        """Position in the rollout of an instance.

        0 stores, 1 what others read from when they start, 2 other services, 3 reverse proxies.
        """
        if self.proxy:
            return 3
        if self.store:
            return 0
        return 1 if self.answers else 2

    @property
    def store(self) -> bool:
        """Whether it is a database. Pryv.io's have no password, so none is ever published."""
        return self.stateful and self.passive

    @property
    def migrates(self) -> bool:
        """Whether it may migrate its data at start, so that an older image cannot read it."""
        return self.stateful

    @property
    def scalable(self) -> bool:
        """Whether several pods may run side by side."""
        return not (self.stateful or self.single)


#: For containers that root starts: it changes the owner of folders (CHOWN, FOWNER, DAC_OVERRIDE)
#: and becomes another user (SETUID, SETGID; KILL to signal its processes).
_DROPS_ROOT: Final = ("CHOWN", "DAC_OVERRIDE", "FOWNER", "KILL", "SETGID", "SETUID")
_SERVES_LOW_PORTS: Final = (*_DROPS_ROOT, "NET_BIND_SERVICE")

_MONGODB: Final = ("mongodb", 27017)
#: register and dns connect to it with redis 3.1.2 of npm, which waits 1.7 times as long after each
#: attempt that fails, and never gives up waiting (``retry_max_delay`` is unset in
#: ``src/storage/database.js`` of service-register).
_REDIS: Final = "redis"
_CORE_STORES: Final = (_MONGODB, ("influxdb", 8086))
#: The messages between the processes of core, preview, hfs and webhooks; core runs the server.
_NATS: Final = ("core", 4222)
#: It serves the service information, by the reverse proxy.
_REGISTER: Final = ("reg.DOMAIN", 443)


def _nodejs(**different: Any) -> Profile:
    return Profile(
        **{"nodejs": True, "fs_group": APP_USER, "capabilities": _DROPS_ROOT, **different}
    )


#: Of services that are not known.
PLAIN: Final = Profile(capabilities=_SERVES_LOW_PORTS)

_PROFILES: Final[Mapping[str, Profile]] = {
    "reverse_proxy": Profile(
        proxy=True,
        readiness=tcp(443),
        liveness=tcp(443),
        capabilities=_SERVES_LOW_PORTS,
        slow_start_seconds=60,
        grace_seconds=30,
    ),
    "core": _nodejs(
        reads=SERVICE_INFO,
        # Every nginx upstream names 3000 to 3005; NUM_PROCS of them listen. 4222: NATS.
        ports=(3000, 3001, 3002, 3003, 3004, 3005, 4222),
        connects=(*_CORE_STORES, _REGISTER),
        stateful=True,
        runit=True,
        readiness=tcp(3000),
        liveness=tcp(3000),
        state_path="/app/data",
        storage={"data": "20Gi"},
        slow_start_seconds=6 * 3600,
        grace_seconds=60,
    ),
    "mfa": _nodejs(ports=(7000,), single=True, readiness=tcp(7000), liveness=tcp(7000)),
    "preview": _nodejs(
        reads=SERVICE_INFO,
        ports=(9000,),
        connects=(_MONGODB, _NATS, _REGISTER),
        runit=True,
        readiness=tcp(9000),
        liveness=tcp(9000),
    ),
    "hfs": _nodejs(
        reads=SERVICE_INFO,
        ports=(3000, 3001, 3002, 3003, 3004, 3005),
        connects=(*_CORE_STORES, _NATS, _REGISTER),
        runit=True,
        readiness=http("/system/status", 3000),
        liveness=tcp(3000),
        # Under runit the process is started again in its container.
        hint="hfs exits when it cannot fetch EVENT_TYPES_URL: allow egress to that host, or set "
        "the variable to a copy that pods can reach",
    ),
    "webhooks": _nodejs(
        reads=SERVICE_INFO, single=True, runit=True, connects=(_MONGODB, _NATS, _REGISTER)
    ),
    "mongodb": Profile(
        ports=(27017,),
        stateful=True,
        passive=True,
        runit=True,
        readiness=tcp(27017),
        capabilities=_DROPS_ROOT,
        state_path="/app/data",
        storage={"data": "20Gi", "backup": "20Gi"},
        slow_start_seconds=24 * 3600,
        grace_seconds=120,
    ),
    "influxdb": Profile(
        ports=(8086,),
        stateful=True,
        passive=True,
        readiness=http("/ping", 8086),
        state_path="/var/lib/influxdb",
        storage={"data": "20Gi", "backup": "20Gi"},
        slow_start_seconds=24 * 3600,
        grace_seconds=60,
    ),
    "redis": Profile(
        ports=(6379,),
        stateful=True,
        passive=True,
        runit=True,
        readiness=tcp(6379),
        # Requests wait for it, in the sidecars of its clients.
        probe_seconds=1,
        capabilities=_DROPS_ROOT,
        state_path="/app/data",
        storage={"data": "5Gi"},
        slow_start_seconds=24 * 3600,
        grace_seconds=60,
    ),
    "register": _nodejs(
        answers=SERVICE_INFO,
        calls_cores=True,
        relays=_REDIS,
        ports=(9000,),
        # It asks redis for the user that register always has (``src/storage/database.js``), so the
        # pod is not Ready while user names are unanswered.
        readiness=http("/wactiv/check_username", 9000),
        liveness=tcp(9000),
    ),
    # Without redis it still serves the names of its configuration.
    "dns": _nodejs(
        calls_cores=True,
        relays=_REDIS,
        ports=(9000,),
        readiness=tcp(9000),
        liveness=tcp(9000),
    ),
    "mail": _nodejs(
        ports=(9000,), runit=True, readiness=http("/system/status", 9000), liveness=tcp(9000)
    ),
    "app_web_auth3": Profile(
        passive=True,
        ports=(80,),
        readiness=http("/", 80),
        liveness=tcp(80),
        capabilities=_SERVES_LOW_PORTS,
    ),
    "admin_panel": Profile(
        passive=True,
        ports=(80,),
        readiness=http("/", 80),
        liveness=tcp(80),
        capabilities=_SERVES_LOW_PORTS,
    ),
    "core_router": _nodejs(ports=(1337,), readiness=tcp(1337), liveness=tcp(1337)),
    # It serves the records that syslog wrote into files (``dataFolder`` of its audit.json).
    "core_audit": _nodejs(ports=(5000,), single=True, state_path="/app/data"),
}

#: Names of the services of Pryv.io's releases.
KNOWN: Final = tuple(_PROFILES)


#: Last part of the repository of Pryv's images → the service that runs it in the releases.
_IMAGES: Final[Mapping[str, str]] = {
    "nginx": "reverse_proxy",
    "core": "core",
    "mfa": "mfa",
    "service-mfa": "mfa",
    "preview": "preview",
    "hfs": "hfs",
    "webhooks": "webhooks",
    "mongodb": "mongodb",
    "redis": "redis",
    "register": "register",
    "dns": "dns",
    "mail": "mail",
    "app-web-auth3": "app_web_auth3",
    "app-web-admin": "admin_panel",
    "router": "core_router",
    "audit": "core_audit",
}
#: Those that are Pryv's in every registry: their names are not common, or data are at risk.
_UNMISTAKABLE: Final = ("core", "mongodb", "service-mfa", "app-web-auth3", "app-web-admin")

#: Public images of stores → how they differ from Pryv's. They run without runit.
#: Sources: ``VOLUME`` in github.com/docker-library/{mongo,redis} and
#: github.com/influxdata/influxdata-docker (influxdb 1.x).
_PUBLIC_STORES: Final[Mapping[str, Profile]] = {
    "mongo": replace(_PROFILES["mongodb"], runit=False, state_path="/data/db"),
    "redis": replace(_PROFILES["redis"], runit=False, state_path="/data"),
    "influxdb": replace(_PROFILES["influxdb"], capabilities=_DROPS_ROOT),
}
_INFLUXDB_2: Final = replace(_PUBLIC_STORES["influxdb"], state_path="/var/lib/influxdb2")

#: A reference of an image: registry and folders, name, and tag.
_REFERENCE: Final = re.compile(
    r"(?P<folders>(?:[^/@]*/)*)(?P<name>[^/:@]+)(?::(?P<tag>[^/@]*))?(?:@.*)?"
)


@lru_cache(maxsize=512)
def profile_of(service: str, image: str = "") -> Profile:
    """The profile of a compose service: by its name, else by the name of its image."""
    return _PROFILES.get(service) or _of_image(image)


def _of_image(reference: str) -> Profile:
    """The profile of an image of Pryv's, or of a public store.

    Other images may have names such as ``mail``: Pryv's are in a folder or registry of Pryv's, or
    have its name before theirs (``pryv-mail``).
    """
    match = _REFERENCE.fullmatch(reference.lower())
    if not match:
        return PLAIN
    name = re.sub("^pryv(io)?[-_]", "", match["name"])
    is_pryvs = name != match["name"] or re.search(r"(^|[/.-])pryv", match["folders"])
    if name in _IMAGES and (is_pryvs or name in _UNMISTAKABLE):
        return _PROFILES[_IMAGES[name]]
    if name == "influxdb" and not re.match(r"1\b", match["tag"] or ""):
        return _INFLUXDB_2
    return _PUBLIC_STORES.get(name, PLAIN)
