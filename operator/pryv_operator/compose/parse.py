"""Parses the subset of compose that Pryv.io's releases use.

Other keys are listed in the result, none is dropped silently.
"""

from __future__ import annotations

import ipaddress
import re
import shlex
from collections.abc import Hashable, Mapping
from typing import Any, Final

import yaml

from pryv_operator.compose.model import ComposeFile, Mount, Port, Protocol, Service

#: The role's folder, in the spellings of all releases.
#: What is mounted from it is rendered, state or logs.
_ROLE_FOLDER: Final = re.compile(r"^(\$\{PRYV_CONF_ROOT\}/pryv/|\$PRYV_CONF_ROOT/pryv/|\./)")
_PORT: Final = re.compile(
    r"(?:(?P<address>[^][:/]+|\[[0-9A-Fa-f:.]+\]):)?(?P<host>\d{1,5}):(?P<container>\d{1,5})(?:/(?P<protocol>tcp|udp))?",
    re.ASCII,
)
_NAME: Final = re.compile(r"[a-z][a-z0-9_.-]{0,62}")
_VARIABLE: Final = re.compile(r"\$(?:\$|\{?(?P<name>[A-Za-z_][A-Za-z0-9_]*)\}?)")

#: Levels of lists and maps in the file, at most.
_DEPTH_LIMIT: Final = 20
#: Characters of the file and services in it, at most; a single node's has some 6 KiB and 15.
SIZE_LIMIT: Final = 64 * 1024
SERVICE_LIMIT: Final = 64
#: Entries of a list, at most.
ENTRY_LIMIT: Final = 128

#: Extension of the built-in templates: the UDP port on the loopback for audit records.
_AUDIT_PORT: Final = "x-pryv-audit-port"

_FILE_KEYS: Final = ("version", "services", "networks")
_SERVICE_KEYS: Final = (
    "image",
    "container_name",
    "networks",
    "volumes",
    "restart",
    "links",
    "ports",
    "environment",
    "entrypoint",
    "command",
    _AUDIT_PORT,
)
#: Set by Kubernetes in every pod: the compose file's value (the machine's name) is ignored.
_HOSTNAME: Final = "HOSTNAME"
#: Addresses by which compose publishes a port on every address of the host.
_EVERY_ADDRESS: Final = ("", "0.0.0.0", "::")  # noqa: S104
#: The network of a service that lists none.
_DEFAULT_NETWORK: Final = "default"


class ComposeError(ValueError):
    """A compose file that cannot be used; the message begins with the path of the key."""


class _Loader(yaml.CBaseLoader):
    """Every scalar is a string (``80:80`` is no number in base 60); duplicate keys are errors."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        seen: set[str] = set()
        for key, _ in node.value:
            if isinstance(key, yaml.ScalarNode):
                if key.value in seen:
                    raise ComposeError(
                        f"line {key.start_mark.line + 1}: duplicate key {key.value!r}; "
                        "remove one of the two"
                    )
                seen.add(key.value)
        self._merge(node, set())
        mapping: dict[Hashable, Any] = super().construct_mapping(node, deep=deep)
        return mapping

    def _merge(self, node: yaml.MappingNode, above: set[int]) -> None:
        """Replace ``<<`` by the entries that the map does not have itself.

        Of several maps the first one wins. Source: https://yaml.org/type/merge.html
        """
        if id(node) in above:
            raise ComposeError("a merge key (<<) leads to its own map; remove it")
        merged: list[tuple[yaml.Node, yaml.Node]] = []
        own = []
        for key, value in node.value:
            if not (isinstance(key, yaml.ScalarNode) and key.value == "<<" and not key.style):
                own.append((key, value))
                continue
            sources = value.value if isinstance(value, yaml.SequenceNode) else [value]
            for source in sources:
                if not isinstance(source, yaml.MappingNode) or len(sources) > ENTRY_LIMIT:
                    line = key.start_mark.line + 1
                    raise ComposeError(f"line {line}: the merge key (<<) takes some maps only")
                self._merge(source, above | {id(node)})
                merged += source.value
        names = {key.value for key, _ in own if isinstance(key, yaml.ScalarNode)}
        for key, value in merged:
            # A key that is not a string is an error of the map that it comes from.
            if isinstance(key, yaml.ScalarNode) and key.value not in names:
                names.add(key.value)
                own.append((key, value))
        node.value = own


def parse_compose(text: str) -> ComposeFile:
    """The services of a rendered ``pryv.yml``.

    Raises:
        ComposeError: it is not valid YAML, or a supported key has a form that no release uses.
    """
    document = _load(text)
    if len(document["services"]) > SERVICE_LIMIT:
        raise ComposeError(f"services: more than {SERVICE_LIMIT} entries")
    unknown = [str(key) for key in document if _unknown(key, _FILE_KEYS)]
    services = []
    for name, body in document["services"].items():
        services.append(_service(name, body))
        unknown += [f"services.{name}.{key}" for key in body if _unknown(key, _SERVICE_KEYS)]
    return ComposeFile(tuple(services), tuple(unknown))


def _unknown(key: str, known: tuple[str, ...]) -> bool:
    """Whether a key is neither read nor an extension (``x-``), which means nothing to compose."""
    return key not in known and not key.startswith("x-")


def _load(text: str) -> dict[str, Any]:
    if len(text) > SIZE_LIMIT:
        raise ComposeError(f"larger than {SIZE_LIMIT // 1024} KiB")
    try:
        _check_depth(text)
        document = yaml.load(text, Loader=_Loader)  # noqa: S506 - only strings, lists and maps
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f"line {mark.line + 1}, column {mark.column + 1}: " if mark else ""
        raise ComposeError(f"{where}not valid YAML") from None
    except UnicodeEncodeError:
        raise ComposeError("not valid YAML: a character is not allowed there") from None
    services = document.get("services") if isinstance(document, dict) else None
    if not isinstance(services, dict) or not services:
        raise ComposeError("services: not found, or not a map; declare the role's services")
    return document  # type: ignore[no-any-return]


def _check_depth(text: str) -> None:
    """Refuse deep nesting: the C loader recurses on the machine's stack and would crash."""
    depth = 0
    for event in yaml.parse(text, Loader=_Loader):
        depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(
            event, yaml.CollectionEndEvent
        )
        if depth > _DEPTH_LIMIT:
            raise ComposeError(f"nested deeper than {_DEPTH_LIMIT} levels")


def _service(name: str, body: object) -> Service:
    if not _NAME.fullmatch(name):
        raise ComposeError(
            f"services: {name[:70]!r} is not a valid service name "
            "(up to 63 of a-z, 0-9, '_', '.' and '-', a letter first)"
        )
    if not isinstance(body, dict):
        raise ComposeError(f"services.{name}: not a map")
    image = body.get("image")
    if not isinstance(image, str) or not image or re.search(r"\s", image):
        raise ComposeError(f"services.{name}.image: not found, or not an image name")
    entrypoint, command = _words(name, body, "entrypoint"), _words(name, body, "command")
    if command == () and not entrypoint:
        raise ComposeError(
            f"services.{name}.command: an empty list, and a pod cannot remove the arguments of its "
            "image; set entrypoint, or remove command"
        )
    ports = [_port(name, text) for text in _strings(name, body, "ports")]
    return Service(
        name=name,
        image=image,
        networks=tuple(dict.fromkeys(_strings(name, body, "networks"))) or (_DEFAULT_NETWORK,),
        ports=tuple(port for address, port in ports if not _is_loopback(address)),
        bound_ports=tuple(
            (address, port)
            for address, port in ports
            if address not in _EVERY_ADDRESS and not _is_loopback(address)
        ),
        loopback_ports=tuple(port for address, port in ports if _is_loopback(address)),
        mounts=tuple(_mount(name, text) for text in _strings(name, body, "volumes")),
        environment=_environment(name, body.get("environment")),
        links=tuple(link.partition(":")[0] for link in _strings(name, body, "links")),
        entrypoint=entrypoint or None,
        command=command,
        audit_port=_audit_port(name, body.get(_AUDIT_PORT)),
    )


def _words(service: str, body: Mapping[str, Any], key: str) -> tuple[str, ...] | None:
    """The words of ``command`` or ``entrypoint``; None if it is not set.

    A string is split as a shell does, and no shell runs it. Source:
    https://github.com/compose-spec/compose-spec/blob/main/05-services.md (command, entrypoint).
    """
    where = f"services.{service}.{key}"
    value = body.get(key)
    if value in (None, ""):
        return None
    if isinstance(value, list):
        return tuple(_interpolated(where, word) for word in _strings(service, body, key))
    if not isinstance(value, str):
        raise ComposeError(f"{where}: neither a string nor a list of strings")
    try:
        return tuple(shlex.split(_interpolated(where, value)))
    except ValueError:
        raise ComposeError(f"{where}: a quotation mark is not closed; close it") from None


def _strings(service: str, body: Mapping[str, Any], key: str) -> list[str]:
    values = body.get(key) or []
    if not isinstance(values, list) or not all(isinstance(value, str) for value in values):
        raise ComposeError(f"services.{service}.{key}: not a list of strings")
    if len(values) > ENTRY_LIMIT:
        raise ComposeError(f"services.{service}.{key}: more than {ENTRY_LIMIT} entries")
    return values


def _is_loopback(address: str) -> bool:
    """Whether only processes of the host reach a port at the address."""
    try:
        ip = ipaddress.ip_address(address)
    except ValueError:
        return address.lower() == "localhost"
    mapped = ip.ipv4_mapped if isinstance(ip, ipaddress.IPv6Address) else None
    return (mapped or ip).is_loopback


def _port(service: str, text: str) -> tuple[str, Port]:
    """The address of the host (empty for all), and the port."""
    match = _PORT.fullmatch(text)
    if not match or not all(0 < int(match[side]) < 65536 for side in ("host", "container")):
        raise ComposeError(
            f"services.{service}.ports: an entry is not of the form "
            "[ADDRESS:]HOST:CONTAINER[/udp] with ports from 1 to 65535"
        )
    protocol: Protocol = "udp" if match["protocol"] == "udp" else "tcp"
    port = Port(int(match["host"]), int(match["container"]), protocol)
    return (match["address"] or "").strip("[]"), port


def _audit_port(service: str, value: object) -> int | None:
    if value in (None, ""):
        return None
    if not isinstance(value, str) or not re.fullmatch(r"[1-9]\d{3,4}", value, re.ASCII):
        raise ComposeError(f"services.{service}.{_AUDIT_PORT}: not a port from 1024 to 65535")
    port = int(value)
    if not 1024 <= port < 65536:
        raise ComposeError(f"services.{service}.{_AUDIT_PORT}: not a port from 1024 to 65535")
    return port


def _mount(service: str, text: str) -> Mount:
    where = f"services.{service}.volumes"
    relative = _ROLE_FOLDER.sub("", text)
    source, _, rest = relative.partition(":")
    target, _, options = rest.partition(":")
    if (
        not source
        or not target.startswith("/")
        or options not in ("", "ro", "rw")
        or ".." in source.split("/")
    ):
        raise ComposeError(
            f"{where}: an entry is not of the form SOURCE:TARGET[:ro] "
            "with the source in the role's folder"
        )
    if relative == text and not source.startswith("/") and source.partition("/")[0] != "~":
        raise ComposeError(
            f"{where}: {source!r} is neither in the role's folder nor a host path; "
            "named volumes are not supported"
        )
    return Mount(source.rstrip("/"), target.rstrip("/") or "/", options == "ro")


def _environment(service: str, body: object) -> tuple[tuple[str, str], ...]:
    where = f"services.{service}.environment"
    if body in (None, ""):
        return ()
    if isinstance(body, dict) and all(isinstance(value, str) for value in body.values()):
        pairs = [(str(key), value) for key, value in body.items()]
    elif isinstance(body, list) and all(isinstance(entry, str) for entry in body):
        # A name alone asks for the machine's variable of that name.
        pairs = [
            (key, value if has_value else f"${key}")
            for key, has_value, value in (entry.partition("=") for entry in body)
        ]
    else:
        raise ComposeError(f"{where}: neither a map of strings nor a list of NAME=VALUE")
    return tuple((key, _interpolated(where, value)) for key, value in pairs if key != _HOSTNAME)


def _interpolated(where: str, value: str) -> str:
    """The value with ``$$`` as a dollar; the machine's variables do not exist in a pod."""

    def replace(match: re.Match[str]) -> str:
        if match["name"]:
            raise ComposeError(
                f"{where}: ${match['name']} is a variable of the machine, which pods do not have; "
                "write the value itself"
            )
        return "$"

    return _VARIABLE.sub(replace, value)
