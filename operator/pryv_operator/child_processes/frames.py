"""How the two processes talk: pickled objects, each after its length."""

from __future__ import annotations

import copyreg
import pickle
import struct
from types import MappingProxyType
from typing import Any, BinaryIO, Final

#: The length before each object: 8 bytes, big-endian.
_LENGTH: Final = struct.Struct(">Q")
LENGTH_SIZE: Final = _LENGTH.size


def _proxy(content: dict[Any, Any]) -> MappingProxyType[Any, Any]:
    return MappingProxyType(content)


def _reduce_proxy(proxy: MappingProxyType[Any, Any]) -> tuple[Any, tuple[dict[Any, Any]]]:
    return _proxy, (dict(proxy),)


# Read-only maps are the defaults of several models, and pickle does not know them.
copyreg.pickle(MappingProxyType, _reduce_proxy)


def encode(value: object) -> bytes:
    """An object with its length in front."""
    data = pickle.dumps(value, pickle.HIGHEST_PROTOCOL)
    return _LENGTH.pack(len(data)) + data


def length(prefix: bytes) -> int:
    """The length of the object after a prefix of ``LENGTH_SIZE`` bytes."""
    (found,) = _LENGTH.unpack(prefix)
    return int(found)


def decode(data: bytes) -> Any:
    """The object, without its length. Only for what the operator itself has encoded."""
    return pickle.loads(data)  # noqa: S301


def read(stream: BinaryIO) -> bytes | None:
    """The next object, still encoded; None at the end of the stream."""
    prefix = stream.read(LENGTH_SIZE)
    if len(prefix) < LENGTH_SIZE:
        return None
    return stream.read(length(prefix))
