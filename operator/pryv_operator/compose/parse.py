"""Reads the subset of compose that Pryv.io's releases use; whatever else is there is named, never dropped in silence."""

from __future__ import annotations

import re
from collections.abc import Hashable, Mapping
from typing import Any, Final

import yaml

from pryv_operator.compose.model import ComposeFile, Mount, Port, Protocol, Service

#: The role's folder, in the spellings of all releases; what is mounted from there is rendered, state or logs.
_ROLE_FOLDER: Final = re.compile(r"^(\$\{PRYV_CONF_ROOT\}/pryv/|\$PRYV_CONF_ROOT/pryv/|\./)")
_PORT: Final = re.compile(
    r"(?:(?P<address>[^:/]+):)?(?P<host>\d{1,5}):(?P<container>\d{1,5})(?:/(?P<protocol>tcp|udp))?",
    re.ASCII,
)
_NAME: Final = re.compile(r"[a-z][a-z0-9_.-]{0,62}")
_VARIABLE: Final = re.compile(r"\$(?:\$|\{?(?P<name>[A-Za-z_][A-Za-z0-9_]*)\}?)")

_MAX_DEPTH: Final = 20
#: Bytes of the file, and its services; a single node's has some 6 KiB and 15.
SIZE_LIMIT: Final = 64 * 1024
SERVICE_LIMIT: Final = 64
#: Entries of a service's list.
ENTRY_LIMIT: Final = 128

#: The machine's name: a pod has one of its own in HOSTNAME already.
_HOSTNAME: Final = "HOSTNAME"
#: Networks of a service that names none.
_DEFAULT_NETWORK: Final = "default"


class ComposeError(ValueError):
    """A compose file that cannot be understood. The message names the service and the key, never a value."""


class _Loader(yaml.CBaseLoader if hasattr(yaml, "CBaseLoader") else yaml.BaseLoader):  # type: ignore[misc]
    """Every scalar is a string (``80:80`` is no number in base 60), and a key stands once."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        seen: set[str] = set()
        for key, _ in node.value:
            if isinstance(key, yaml.ScalarNode):
                if key.value in seen:
                    raise ComposeError(
                        f"line {key.start_mark.line + 1}: the key {key.value!r} stands twice"
                    )
                seen.add(key.value)
        mapping: dict[Hashable, Any] = super().construct_mapping(node, deep=deep)
        return mapping


def parse(text: str) -> ComposeFile:
    """The services of a rendered ``pryv.yml``.

    Raises:
        ComposeError: it is no YAML, or a key that matters has a form that no release uses.
    """
    if len(text) > SIZE_LIMIT:
        raise ComposeError(f"it is larger than {SIZE_LIMIT // 1024} KiB")
    try:
        _refuse_deep(text)
        document = yaml.load(text, Loader=_Loader)  # noqa: S506 - a BaseLoader makes only strings, lists and maps
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f" (line {mark.line + 1}, column {mark.column + 1})" if mark else ""
        raise ComposeError(f"it is no valid YAML{where}") from None
    except UnicodeEncodeError:
        raise ComposeError(
            "it is no valid YAML: it holds a character that is not allowed there"
        ) from None
    if (
        not isinstance(document, dict)
        or not isinstance(document.get("services"), dict)
        or not document["services"]
    ):
        raise ComposeError("it has no map of services")
    if len(document["services"]) > SERVICE_LIMIT:
        raise ComposeError(f"it has more than {SERVICE_LIMIT} services")
    unknown = [
        f"the key {key!r}" for key in document if key not in ("version", "services", "networks")
    ]
    services = tuple(_service(name, body, unknown) for name, body in document["services"].items())
    return ComposeFile(services, tuple(unknown))


def _refuse_deep(text: str) -> None:
    """The fast loader builds nested values on the machine's stack, and a text that is deep enough ends the process."""
    depth = 0
    for event in yaml.parse(text, Loader=_Loader):
        depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(
            event, yaml.CollectionEndEvent
        )
        if depth > _MAX_DEPTH:
            raise ComposeError(f"it is nested deeper than {_MAX_DEPTH} levels")


def _service(name: str, body: object, unknown: list[str]) -> Service:
    if not _NAME.fullmatch(name):
        raise ComposeError(f"{name[:70]!r} is no name for a service")
    if not isinstance(body, dict):
        raise ComposeError(f"service {name} is no map")
    image = body.get("image")
    if not isinstance(image, str) or not image or re.search(r"\s", image):
        raise ComposeError(f"service {name} has no image")
    known = (
        "image",
        "container_name",
        "networks",
        "volumes",
        "restart",
        "links",
        "ports",
        "environment",
        "command",
    )
    unknown.extend(f"the key {key!r} of service {name}" for key in body if key not in known)
    command = body.get("command")
    if command is not None and not isinstance(command, str):
        raise ComposeError(f"service {name}: command is one string in every release")
    return Service(
        name=name,
        image=image,
        networks=tuple(dict.fromkeys(_strings(name, body, "networks"))) or (_DEFAULT_NETWORK,),
        ports=tuple(_port(name, text) for text in _strings(name, body, "ports")),
        mounts=tuple(_mount(name, text) for text in _strings(name, body, "volumes")),
        environment=_environment(name, body.get("environment")),
        links=tuple(link.partition(":")[0] for link in _strings(name, body, "links")),
        command=_interpolate(name, "command", command) if command else None,
    )


def _strings(service: str, body: Mapping[str, Any], key: str) -> list[str]:
    values = body.get(key) or []
    if not isinstance(values, list) or not all(isinstance(value, str) for value in values):
        raise ComposeError(f"service {service}: {key} is no list of strings")
    if len(values) > ENTRY_LIMIT:
        raise ComposeError(f"service {service}: {key} has more than {ENTRY_LIMIT} entries")
    return values


def _port(service: str, text: str) -> Port:
    match = _PORT.fullmatch(text)
    if not match or not all(0 < int(match[side]) < 65536 for side in ("host", "container")):
        raise ComposeError(
            f"service {service}: a port is written [ADDRESS:]HOST:CONTAINER[/udp], with numbers from 1 to 65535"
        )
    protocol: Protocol = "udp" if match["protocol"] == "udp" else "tcp"
    return Port(int(match["host"]), int(match["container"]), protocol)


def _mount(service: str, text: str) -> Mount:
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
            f"service {service}: a volume is written SOURCE:TARGET[:ro], below the role's folder"
        )
    if relative == text and not source.startswith("/"):
        raise ComposeError(
            f"service {service}: the volume {source!r} is neither below the role's folder nor a path of the machine"
        )
    return Mount(source.rstrip("/"), target.rstrip("/") or "/", options == "ro")


def _environment(service: str, body: object) -> tuple[tuple[str, str], ...]:
    if body in (None, ""):
        return ()
    if isinstance(body, dict) and all(isinstance(value, str) for value in body.values()):
        pairs = [(str(key), value) for key, value in body.items()]
    elif isinstance(body, list) and all(isinstance(entry, str) for entry in body):
        # A name alone asks for the machine's variable of that name.
        pairs = [
            (key, value if given else f"${key}")
            for key, given, value in (entry.partition("=") for entry in body)
        ]
    else:
        raise ComposeError(
            f"service {service}: environment is neither a map nor a list of NAME=VALUE"
        )
    return tuple(
        (key, _interpolate(service, "environment", value))
        for key, value in pairs
        if key != _HOSTNAME
    )


def _interpolate(service: str, key: str, value: str) -> str:
    """``$$`` is a dollar; no other variable of the machine exists in a pod."""

    def replace(match: re.Match[str]) -> str:
        if match["name"]:
            raise ComposeError(
                f"service {service}: {key} uses ${match['name']}, a variable of the machine that a pod does not have"
            )
        return "$"

    return _VARIABLE.sub(replace, value)
