"""Results in the formats of kubectl: a table, JSON, YAML or names."""

from __future__ import annotations

import dataclasses
import json
import os
from collections.abc import Mapping, Sequence
from datetime import datetime
from enum import Enum
from typing import Any, Final, Protocol

import typer
import yaml

from pryv_operator.cli.shared_options import Format

GREEN: Final = "\033[32m"
YELLOW: Final = "\033[33m"
RED: Final = "\033[31m"
CYAN: Final = "\033[36m"
BOLD: Final = "\033[1m"
DIM: Final = "\033[2m"
_RESET: Final = "\033[0m"


class View(Protocol):
    """What a command shows: a dataclass, whose fields are what JSON and YAML hold.

    One with a method ``document`` holds what that returns instead.
    """

    def table(self, *, wide: bool) -> str:
        """The view for people, as lines."""

    def names(self) -> Sequence[str]:
        """What it shows, as kubectl names it: ``RESOURCE.GROUP/NAME``."""


def write(view: View, style: Format) -> None:
    """Write a view to standard output."""
    show(formatted(view, style))


def show(text: str) -> None:
    """Write a text to standard output; its colours only to a terminal, and not with NO_COLOR."""
    typer.echo(text, nl=False, color=False if os.environ.get("NO_COLOR") else None)


def paint(text: str, *codes: str) -> str:
    """A text in colour."""
    return "".join(codes) + text + _RESET if codes else text


def formatted(view: View, style: Format) -> str:
    """A view as a text in a format."""
    match style:
        case Format.JSON:
            return json.dumps(plain(view), indent=2, ensure_ascii=False) + "\n"
        case Format.YAML:
            text: str = yaml.safe_dump(plain(view), sort_keys=False, allow_unicode=True)
            return text
        case Format.NAME:
            return "".join(f"{name}\n" for name in view.names())
        case Format.WIDE | Format.TABLE:
            return view.table(wide=style is Format.WIDE)


def plain(value: Any) -> Any:
    """A value as JSON has it: fields in camelCase; without those that are None."""
    if callable(document := getattr(value, "document", None)):
        return document()
    if dataclasses.is_dataclass(value):
        fields = ((each.name, getattr(value, each.name)) for each in dataclasses.fields(value))
        return {camel_case(name): plain(field) for name, field in fields if field is not None}
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, datetime):
        return f"{value:%Y-%m-%dT%H:%M:%SZ}"
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, list | tuple | set | frozenset):
        return [plain(item) for item in value]
    return value


def camel_case(name: str) -> str:
    """A field's name as Kubernetes writes it."""
    first, *rest = name.split("_")
    return first + "".join(word.capitalize() for word in rest)


def columns(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Rows below a header, in columns, as kubectl writes them."""
    lines = [tuple(header), *(tuple(row) for row in rows)]
    widths = [max(len(line[column]) for line in lines) for column in range(len(header))]
    return "".join(f"{padded(line, widths)}\n" for line in lines)


def padded(cells: Sequence[str], widths: Sequence[int]) -> str:
    """A line of cells in columns of these widths."""
    line = (text.ljust(width) for text, width in zip(cells, widths, strict=False))
    return "  ".join(line).rstrip()


def age(since: datetime, now: datetime) -> str:
    """How long ago a time was, as kubectl writes it: ``5s``, ``3m``, ``7h``, ``12d``."""
    seconds = max(0, int((now - since).total_seconds()))
    for unit, length in (("d", 86400), ("h", 3600), ("m", 60)):
        if seconds >= 2 * length:
            return f"{seconds // length}{unit}"
    return f"{seconds}s"


def parse_time(text: str) -> datetime:
    """A time as Kubernetes writes it."""
    return datetime.fromisoformat(text)
