"""Events of a watch, as far as a reflector needs them.

An event is 1 to 6 kB of JSON, most of it about who has set which field, and a fleet of a thousand
platforms begins with 100,000 of them. What is not declared here is skipped while it is parsed: an
eighth of the time, and no memory.
"""

from __future__ import annotations

import json
from typing import Any, Final

import msgspec

from pryv_operator.api.kubernetes import Object

#: The annotation of the bookmark after the last object of a list that is a stream.
END_OF_LIST: Final = "k8s.io/initial-events-end"


class _Annotations(msgspec.Struct, frozen=True):
    end_of_list: str = msgspec.field(default="", name=END_OF_LIST)


class Metadata(msgspec.Struct, frozen=True, rename="camel"):
    """Of an object; empty where the API server sends nothing."""

    namespace: str = ""
    name: str = ""
    resource_version: str = ""
    generation: int = 0
    labels: dict[str, str] | None = None
    annotations: _Annotations | None = None


class _WithMetadata(msgspec.Struct, frozen=True):
    metadata: Metadata = Metadata()


class Row(msgspec.Struct, frozen=True):
    """A row of a Table: what ``kubectl get`` shows of an object, and its metadata."""

    cells: list[Any]
    object: _WithMetadata


class Column(msgspec.Struct, frozen=True):
    """A column of a Table."""

    name: str


class _Received(msgspec.Struct, frozen=True, rename="camel"):
    metadata: Metadata = Metadata()
    rows: list[Row] | None = None
    column_definitions: list[Column] | None = None


class WatchEvent(msgspec.Struct, frozen=True):
    """An event. Its object is one, or a Table with one row."""

    type: str
    object: _Received

    @property
    def metadata(self) -> Metadata:
        """Of the object."""
        return self.row.object.metadata if self.row else self.object.metadata

    @property
    def row(self) -> Row | None:
        """The row, if the object is a Table."""
        return self.object.rows[0] if self.object.rows else None

    @property
    def columns(self) -> list[Column] | None:
        """Those of the Table. Only the first event of a watch names them."""
        return self.object.column_definitions

    @property
    def is_end_of_list(self) -> bool:
        """Whether it ends the list that a watch with ``sendInitialEvents`` begins with."""
        annotations = self.metadata.annotations
        return (
            self.type == "BOOKMARK"
            and annotations is not None
            and (annotations.end_of_list == "true")
        )


class ErrorEvent(msgspec.Struct, frozen=True):
    """The API server ends a watch. ``status``: a Status of meta.k8s.io/v1."""

    status: Object


_DECODER: Final = msgspec.json.Decoder(WatchEvent)


def read_event(line: bytes) -> WatchEvent | ErrorEvent:
    """An event from its line.

    Raises:
        ValueError: it is not valid JSON, or no event.
        RecursionError: it is nested too deeply.
    """
    try:
        event = _DECODER.decode(line)
    except msgspec.DecodeError as error:
        raise ValueError(str(error)) from None
    return ErrorEvent(json.loads(line)["object"]) if event.type == "ERROR" else event


def read_metadata(metadata: Object) -> Metadata:
    """Metadata that were parsed before."""
    return msgspec.convert(metadata, Metadata)
