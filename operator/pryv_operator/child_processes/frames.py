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


class _Pieces:
    """Encoded data as a file that is read piece by piece.

    ``pickle.loads`` keeps the interpreter's lock until it has the whole object, for longer than the
    event loop may wait. A method that is written in Python lets other threads run: it is called for
    each 64 KiB (a frame of the pickle protocol), and for each larger text.
    """

    def __init__(self, data: bytes) -> None:
        self._data = memoryview(data)
        self._at = 0

    def read(self, size: int) -> bytes:
        piece = self._data[self._at : self._at + size]
        self._at += len(piece)
        return bytes(piece)

    def readline(self) -> bytes:
        raise NotImplementedError("only the oldest protocols have lines")


def decode(data: bytes) -> Any:
    """The object, without its length. Only for what the operator itself has encoded."""
    return pickle.Unpickler(_Pieces(data)).load()  # noqa: S301


def read(stream: BinaryIO) -> bytes | None:
    """The next object, still encoded; None at the end of the stream."""
    prefix = stream.read(LENGTH_SIZE)
    if len(prefix) < LENGTH_SIZE:
        return None
    return stream.read(length(prefix))
