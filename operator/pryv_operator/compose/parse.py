"""Parses compose files as ``docker compose config`` reads them, as far as it matters to pods.

Other keys are listed in the result, none is dropped silently.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from pryv_operator.compose.error import ComposeError
from pryv_operator.compose.interpolation import interpolate
from pryv_operator.compose.model import ComposeFile, Mount, Service
from pryv_operator.compose.ports import read_expose, read_ports
from pryv_operator.compose.scalars import printed
from pryv_operator.compose.volumes import ROLE_ROOT, read_tmpfs, read_volumes
from pryv_operator.compose.yaml_loader import ENTRY_LIMIT, load_yaml

_NAME: Final = re.compile(r"[a-z][a-z0-9_.-]{0,62}")
#: A further name of a service; it becomes one of a line in a hosts file.
_HOST: Final = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,252}")
#: Names of environment variables that Kubernetes accepts: printable ASCII without "=".
_ENVIRONMENT_NAME: Final = re.compile(r"[\x20-\x3c\x3e-\x7e]+")
#: Services in the file, at most; a single node's has 15.
SERVICE_LIMIT: Final = 64

#: Extension of the built-in templates: the UDP port on the loopback for audit records.
_AUDIT_PORT: Final = "x-pryv-audit-port"

#: ``version`` and ``name`` are for people: the latter prefixes the names of containers.
_FILE_KEYS: Final = ("version", "name", "services", "networks", "volumes")
_NETWORK_KEYS: Final = ("driver", "name")
_VOLUME_KEYS: Final = ("name",)
_SERVICE_KEYS: Final = (
    "image",
    "container_name",
    "networks",
    "volumes",
    "tmpfs",
    "restart",
    "links",
    "ports",
    "expose",
    "environment",
    "entrypoint",
    "command",
    _AUDIT_PORT,
)
#: What pods do: every other value of ``restart`` is ignored.
_RESTART: Final = (None, "always", "unless-stopped")
#: Set by Kubernetes in every pod: the compose file's value (the machine's name) is ignored.
_HOSTNAME: Final = "HOSTNAME"
#: The network of a service that lists none.
_DEFAULT_NETWORK: Final = "default"


@dataclass(frozen=True)
class _Parsed:
    """A service, the paths of what is ignored, and variables that are unset (path, name)."""

    service: Service
    ignored: tuple[str, ...]
    unset: tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class _Networks:
    """The networks of a service, its names in them, and the paths of what is ignored."""

    names: tuple[str, ...]
    aliases: tuple[tuple[str, str], ...]
    ignored: tuple[str, ...]


def parse_compose(text: str) -> ComposeFile:
    """The services of a rendered ``pryv.yml``.

    Raises:
        ComposeError: it is not valid YAML, or a supported key has a form that is not valid.
    """
    document = load_yaml(text)
    services = document.get("services") if isinstance(document, dict) else None
    if not isinstance(services, dict) or not services:
        raise ComposeError("services: not found, or not a map; declare the role's services")
    if len(services) > SERVICE_LIMIT:
        raise ComposeError(f"services: more than {SERVICE_LIMIT} entries")
    volumes = _declared(document, "volumes")
    parsed = [_service(str(name), body, volumes) for name, body in services.items()]
    ignored = [
        *(str(key) for key in document if _unknown(key, _FILE_KEYS)),
        *_ignored_options("networks", _declared(document, "networks"), _NETWORK_KEYS),
        *_ignored_options("volumes", volumes, _VOLUME_KEYS),
        *(path for each in parsed for path in each.ignored),
    ]
    return ComposeFile(
        services=tuple(each.service for each in parsed),
        unknown_keys=tuple(ignored),
        unset_variables=tuple(unset for each in parsed for unset in each.unset),
    )


def _declared(document: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    """The networks or volumes that the file declares; their options may be null."""
    found = document.get(key) or {}
    if not isinstance(found, dict):
        raise ComposeError(f"{key}: not a map")
    return found


def _ignored_options(
    key: str, declared: Mapping[str, Any], known: tuple[str, ...]
) -> Iterable[str]:
    for name, options in declared.items():
        for option in options if isinstance(options, dict) else ():
            if _unknown(option, known):
                yield f"{key}.{name}.{option}"


def _unknown(key: str, known: tuple[str, ...]) -> bool:
    """Whether a key is neither read nor an extension (``x-``), which means nothing to compose."""
    return key not in known and not key.startswith("x-")


def _service(name: str, body: object, volumes: Mapping[str, Any]) -> _Parsed:
    if not _NAME.fullmatch(name):
        raise ComposeError(
            f"services: {name[:70]!r} is not a valid service name "
            "(up to 63 of a-z, 0-9, '_', '.' and '-', a letter first)"
        )
    if not isinstance(body, dict):
        raise ComposeError(f"services.{name}: not a map")
    where = f"services.{name}"
    fields, unset = _interpolated(where, body)
    networks = _networks(f"{where}.networks", fields.get("networks"))
    ports = read_ports(f"{where}.ports", _entries(f"{where}.ports", fields.get("ports")))
    exposed, unusable = read_expose(
        f"{where}.expose", _entries(f"{where}.expose", fields.get("expose"))
    )
    mounts = read_volumes(
        f"{where}.volumes", _entries(f"{where}.volumes", fields.get("volumes")), volumes
    )
    tmpfs = read_tmpfs(f"{where}.tmpfs", _texts(f"{where}.tmpfs", fields.get("tmpfs"), alone=True))
    environment = _environment(f"{where}.environment", fields.get("environment"))
    links = [link.partition(":") for link in _texts(f"{where}.links", fields.get("links"))]
    entrypoint, command = _process(where, fields)
    service = Service(
        name=name,
        image=_image(where, fields),
        networks=networks.names,
        ports=ports.ports,
        bound_ports=ports.bound,
        loopback_ports=ports.loopback,
        unfixed_ports=ports.unfixed,
        exposed_ports=exposed,
        mounts=_distinct((*tmpfs.mounts, *mounts.mounts)),
        environment=tuple((key, value) for key, value in environment.items() if value is not None),
        links=tuple(service for service, _, _ in links),
        link_aliases=tuple(
            (service, alias) for service, _, alias in links if _HOST.fullmatch(alias)
        ),
        aliases=networks.aliases,
        entrypoint=entrypoint,
        command=command,
        audit_port=_audit_port(name, fields.get(_AUDIT_PORT)),
    )
    without_value = [
        (f"{where}.environment", key) for key, value in environment.items() if value is None
    ]
    ignored = [
        *(f"{where}.{key}" for key in body if _unknown(key, _SERVICE_KEYS)),
        *([f"{where}.restart"] if body.get("restart") not in _RESTART else ()),
        *(
            f"{where}.links[{index}]"
            for index, (_, colon, alias) in enumerate(links)
            if colon and not _HOST.fullmatch(alias)
        ),
        *(*networks.ignored, *ports.ignored, *unusable, *mounts.ignored, *tmpfs.ignored),
    ]
    return _Parsed(service, tuple(ignored), (*unset, *without_value))


def _interpolated(
    where: str, body: Mapping[str, Any]
) -> tuple[dict[str, Any], tuple[tuple[str, str], ...]]:
    """The supported keys with their variables replaced, and those that are unset (path, name)."""
    fields: dict[str, Any] = {}
    unset: list[tuple[str, str]] = []
    for key in _SERVICE_KEYS:
        value = body.get(key)
        if key == "environment":
            value = _without_hostname(value)
        if value is None:
            fields[key] = None
            continue
        path = f"{where}.{key}"
        found = interpolate(path, value, ROLE_ROOT if key == "volumes" else {})
        if found.unset and (
            key in ("image", "ports") or (key == "volumes" and _leads_nowhere(value))
        ):
            raise ComposeError(
                f"{path}: ${found.unset[0]} is a variable of the machine, which pods do not have; "
                "write the value itself"
            )
        if key == "ports" and _loses_address(value):
            raise ComposeError(
                f"{path}: the address of an entry is a variable of the machine, which is empty in "
                "pods, so the port would be published to everyone; write the address itself"
            )
        fields[key] = found.value
        unset += [(path, name) for name in found.unset]
    return fields, tuple(unset)


def _leads_nowhere(volumes: object) -> bool:
    """Whether the source of a volume begins with a variable that is unset."""
    for entry in volumes if isinstance(volumes, list) else ():
        source = entry.get("source") if isinstance(entry, dict) else entry
        if isinstance(source, str) and source.startswith("$"):
            begin = interpolate("", source, ROLE_ROOT)
            if begin.unset and not begin.value.startswith(ROLE_ROOT["PRYV_CONF_ROOT"]):
                return True
    return False


def _loses_address(ports: object) -> bool:
    """Whether the address of a port has variables, and is empty: ``${ADDRESS:-}:80:80``."""
    for entry in ports if isinstance(ports, list) else ():
        address = entry.get("host_ip") if isinstance(entry, dict) else entry
        if isinstance(address, str) and "$" in address:
            value = interpolate("", address, {}).value
            if value == "" or (value.startswith(":") and value.count(":") == 2):
                return True
    return False


def _without_hostname(environment: Any) -> Any:
    """The environment without the variable that Kubernetes sets."""
    if isinstance(environment, dict):
        return {key: value for key, value in environment.items() if key != _HOSTNAME}
    if isinstance(environment, list):
        return [
            entry
            for entry in environment
            if not (isinstance(entry, str) and entry.partition("=")[0] == _HOSTNAME)
        ]
    return environment


def _image(where: str, fields: Mapping[str, Any]) -> str:
    image = fields.get("image")
    if not isinstance(image, str) or not image or re.search(r"\s", image):
        raise ComposeError(f"{where}.image: not found, or not an image name")
    return str(image)


def _process(
    where: str, fields: Mapping[str, Any]
) -> tuple[tuple[str, ...] | None, tuple[str, ...] | None]:
    """The entry point and its arguments; None where the image's own apply.

    An empty entry point leaves the arguments alone, which Kubernetes says with the entry point. It
    cannot say "no arguments" beside the image's entry point.
    """
    entrypoint, command = _words(where, fields, "entrypoint"), _words(where, fields, "command")
    if entrypoint == ():
        entrypoint, command = command, None
        if not entrypoint:
            raise ComposeError(
                f"{where}.entrypoint: empty, and a pod cannot remove the entry point of its image "
                "without a command; set command, or remove entrypoint"
            )
    if command == () and not entrypoint:
        raise ComposeError(
            f"{where}.command: an empty list, and a pod cannot remove the arguments of its "
            "image; set entrypoint, or remove command"
        )
    return entrypoint, command


def _words(where: str, fields: Mapping[str, Any], key: str) -> tuple[str, ...] | None:
    """The words of ``command`` or ``entrypoint``; None if it is not set.

    A string is split as a shell does, and no shell runs it. Source:
    https://github.com/compose-spec/compose-spec/blob/main/05-services.md (command, entrypoint).
    """
    where = f"{where}.{key}"
    value = fields.get(key)
    if value is None:
        return None
    if isinstance(value, list):
        return tuple(_texts(where, value))
    if not isinstance(value, str):
        raise ComposeError(f"{where}: neither a string nor a list of strings")
    try:
        return tuple(shlex.split(value))
    except ValueError:
        raise ComposeError(f"{where}: a quotation mark is not closed; close it") from None


def _entries(where: str, value: Any) -> list[Any]:
    entries = [] if value is None or value == "" else value
    if not isinstance(entries, list):
        raise ComposeError(f"{where}: not a list")
    if len(entries) > ENTRY_LIMIT:
        raise ComposeError(f"{where}: more than {ENTRY_LIMIT} entries")
    return entries


def _texts(where: str, value: Any, *, alone: bool = False) -> list[str]:
    """A list of texts; with ``alone``, a text may stand for a list of one."""
    entries = _entries(where, [value] if alone and isinstance(value, str) and value else value)
    if not all(isinstance(entry, str) for entry in entries):
        raise ComposeError(f"{where}: not a list of strings")
    return [str(entry) for entry in entries]


def _networks(where: str, value: Any) -> _Networks:
    if not isinstance(value, dict):
        names = [name for name in _texts(where, value) if name]
        return _Networks(tuple(dict.fromkeys(names)) or (_DEFAULT_NETWORK,), (), ())
    if len(value) > ENTRY_LIMIT:
        raise ComposeError(f"{where}: more than {ENTRY_LIMIT} entries")
    aliases: list[tuple[str, str]] = []
    ignored: list[str] = []
    for name, options in value.items():
        for option, content in options.items() if isinstance(options, dict) else ():
            if option == "aliases":
                aliases += [
                    (str(name), alias) for alias in _texts(f"{where}.{name}.aliases", content)
                ]
            elif _unknown(option, ()):
                ignored.append(f"{where}.{name}.{option}")
    names = [str(name) for name in value]
    return _Networks(tuple(names) or (_DEFAULT_NETWORK,), tuple(aliases), tuple(ignored))


def _distinct(mounts: Iterable[Mount]) -> tuple[Mount, ...]:
    """One mount for each target: the last one."""
    return tuple({mount.target: mount for mount in mounts}.values())


def _environment(where: str, body: object) -> dict[str, str | None]:
    """The variables by name; None for those that compose takes from the machine."""
    if body is None or body == "":
        return {}
    if isinstance(body, dict) and all(isinstance(value, str | None) for value in body.values()):
        found = {str(key): None if value is None else printed(value) for key, value in body.items()}
    elif isinstance(body, list) and all(isinstance(entry, str) for entry in body):
        pairs = (entry.partition("=") for entry in body)
        found = {key: value if has_value else None for key, has_value, value in pairs}
    else:
        raise ComposeError(f"{where}: neither a map of strings nor a list of NAME=VALUE")
    if not all(_ENVIRONMENT_NAME.fullmatch(name) for name in found):
        raise ComposeError(f"{where}: a name is empty, or not printable ASCII; rename the variable")
    return found


def _audit_port(service: str, value: object) -> int | None:
    if value in (None, ""):
        return None
    if not isinstance(value, str) or not re.fullmatch(r"[1-9]\d{3,4}", value, re.ASCII):
        raise ComposeError(f"services.{service}.{_AUDIT_PORT}: not a port from 1024 to 65535")
    port = int(value)
    if not 1024 <= port < 65536:
        raise ComposeError(f"services.{service}.{_AUDIT_PORT}: not a port from 1024 to 65535")
    return port
