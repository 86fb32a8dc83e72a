"""One input made into another: bytes, JSON values, and tar archives whose checksums are right again."""

from __future__ import annotations

import contextlib
import gzip
import json
import re
import zlib
from random import Random
from typing import Any, Literal, TypeAlias

Shape: TypeAlias = Literal["text", "json", "archive"]

_NUMBERS = (
    b"0",
    b"1",
    b"-1",
    b"7",
    b"65535",
    b"65536",
    b"4294967295",
    b"18446744073709551616",
    b"1e400",
    b"-0.0",
    b"0x1f",
    b"9" * 400,
)
_SCALARS = (
    None,
    True,
    False,
    0,
    -1,
    2**31,
    2**63,
    2**64,
    1e308,
    -0.5,
    "",
    "x",
    "REPLACE_ME",
    "SECRET",
    "\ud800",
    "\0",
    "é" * 70,
    "a" * 5000,
)
_BLOCK = 512
_GZIP = b"\x1f\x8b"
#: Fields of a tar header: start, length.
_FIELDS = (
    (0, 100),
    (100, 8),
    (108, 8),
    (116, 8),
    (124, 12),
    (136, 12),
    (156, 1),
    (157, 100),
    (257, 8),
    (345, 155),
)
_SIZES = (0, 1, 511, 512, 513, 8 << 20, 1 << 30)
_TYPES = b"\x000123456789xXgLKSDMNV"
_UNPACKED = 1024 * 1024


class Mutator:
    """Makes inputs of a shape, no longer than ``size`` (bytes), with ``tokens`` of the language."""

    def __init__(self, random: Random, shape: Shape, tokens: tuple[bytes, ...], size: int) -> None:
        self._random = random
        self._shape = shape
        self._tokens = tokens or (b"",)
        self._size = size

    def mutated(self, data: bytes, other: bytes) -> bytes:
        """A variation of ``data``, sometimes with parts of ``other``."""
        if self._shape == "archive" and self._random.random() < 0.9:
            data = self._archive(data, other)
        elif self._shape == "json" and self._random.random() < 0.9:
            data = self._json(data, other)
        else:
            data = self._bytes(data, other)
        return data[: self._size]

    def stretched(self, data: bytes) -> bytes:
        """A part of ``data`` repeated up to the size limit: what takes more than linear time shows."""
        start, end = self._span(data, self._random.choice((1, 4, 16, 64, 512)))
        part = data[start:end] or b"a"
        if self._random.random() < 0.3:
            part = self._random.choice(self._tokens) or part
        longer = data[:start] + part * max(1, (self._size - len(data)) // len(part)) + data[end:]
        if self._shape == "archive" and self._random.random() < 0.7:
            longer = gzip.compress(longer, 1, mtime=0)
        return longer[: self._size]

    # --- bytes ---

    def _bytes(self, data: bytes, other: bytes) -> bytes:
        for _ in range(1 << self._random.randrange(4)):
            data = self._random.choice(_OPERATIONS)(self, data, other)
        return data

    def _span(self, data: bytes, longest: int = 64) -> tuple[int, int]:
        start = self._random.randint(0, len(data))
        return start, min(len(data), start + self._random.randint(1, longest))

    def _flip(self, data: bytes, other: bytes) -> bytes:
        if not data:
            return b"\0"
        at = self._random.randrange(len(data))
        return data[:at] + bytes([data[at] ^ 1 << self._random.randrange(8)]) + data[at + 1 :]

    def _replace(self, data: bytes, other: bytes) -> bytes:
        start, end = self._span(data, 3)
        return data[:start] + self._random.randbytes(self._random.randint(1, 3)) + data[end:]

    def _remove(self, data: bytes, other: bytes) -> bytes:
        start, end = self._span(data)
        return data[:start] + data[end:]

    def _repeat(self, data: bytes, other: bytes) -> bytes:
        start, end = self._span(data)
        times = self._random.choice((1, 1, 2, 5, 30))
        return data[:end] + data[start:end] * times + data[end:]

    def _move(self, data: bytes, other: bytes) -> bytes:
        start, end = self._span(data)
        at = self._random.randint(0, len(data))
        return data[:at] + data[start:end] + data[at:]

    def _splice(self, data: bytes, other: bytes) -> bytes:
        start, end = self._span(other, 512)
        at, until = self._span(data, 512)
        return data[:at] + other[start:end] + data[self._random.choice((at, until)) :]

    def _token(self, data: bytes, other: bytes) -> bytes:
        start, end = self._span(data, 12)
        return (
            data[:start]
            + self._random.choice(self._tokens)
            + data[self._random.choice((start, end)) :]
        )

    def _number(self, data: bytes, other: bytes) -> bytes:
        found = list(re.finditer(rb"-?\d+", data))
        if not found:
            return self._token(data, other)
        which = self._random.choice(found)
        return data[: which.start()] + self._random.choice(_NUMBERS) + data[which.end() :]

    def _lines(self, data: bytes, other: bytes) -> bytes:
        lines = data.split(b"\n")
        source = self._random.choice((lines, other.split(b"\n")))
        at = self._random.randrange(len(lines))
        line = self._random.choice(source)
        match self._random.randrange(4):
            case 0:
                lines[at] = line
            case 1:
                lines.insert(at, line)
            case 2:
                del lines[at]
            case _:
                lines[at] = self._random.choice((b"  ", b" ", b"- ", b"\t")) + lines[at]
        return b"\n".join(lines)

    # --- JSON ---

    def _json(self, data: bytes, other: bytes) -> bytes:
        try:
            value, source = json.loads(data), json.loads(other)
        except (ValueError, RecursionError):
            return self._bytes(data, other)
        for _ in range(1 << self._random.randrange(3)):
            value = self._value(value, source)
        with contextlib.suppress(RecursionError):
            return json.dumps(value).encode()
        return data

    def _value(self, value: Any, source: Any) -> Any:
        """The value with one place in it changed."""
        if isinstance(value, dict) and value and self._random.random() < 0.75:
            return self._map(value, source)
        if isinstance(value, list) and value and self._random.random() < 0.75:
            at = self._random.randrange(len(value))
            match self._random.randrange(6):
                case 0:
                    return value[:at] + value[at + 1 :]
                case 1:
                    return value + [value[at]] * self._random.choice((1, 1, 40))
                case _:
                    return [*value[:at], self._value(value[at], source), *value[at + 1 :]]
        match self._random.randrange(6):
            case 0:
                return self._part(source)
            case 1:
                return [value]
            case 2:
                return {self._random.choice(self._tokens).decode(): value}
            case 3 if isinstance(value, str):
                return self._bytes(
                    value.encode("utf-8", "replace"), self._random.choice(self._tokens)
                ).decode("utf-8", "replace")
            case _:
                return self._random.choice(
                    (*_SCALARS, self._random.choice(self._tokens).decode(), {}, [])
                )

    def _map(self, value: dict[str, Any], source: Any) -> dict[str, Any]:
        key = self._random.choice(list(value))
        match self._random.randrange(8):
            case 0:
                return {each: value[each] for each in value if each != key}
            case 1:
                return value | {self._random.choice(self._tokens).decode(): self._part(source)}
            case 2:
                return value | {self._random.choice(self._tokens).decode(): value[key]}
            case _:
                return value | {key: self._value(value[key], source)}

    def _part(self, value: Any) -> Any:
        """Something out of a value, at any depth."""
        while isinstance(value, (dict, list)) and value and self._random.random() < 0.7:
            value = self._random.choice(list(value.values()) if isinstance(value, dict) else value)
        return value

    # --- archives ---

    def _archive(self, data: bytes, other: bytes) -> bytes:
        is_packed = data.startswith(_GZIP)
        members = _members(_unpacked(data))
        for _ in range(1 << self._random.randrange(3)):
            members = self._members(members, other)
        tar = b"".join(_with_checksum(header) + content for header, content in members)
        if self._random.random() < 0.1:
            tar = self._bytes(tar, other)
        if self._random.random() < (0.9 if is_packed else 0.1):
            tar = gzip.compress(tar, 6, mtime=0)
            return self._bytes(tar, other) if self._random.random() < 0.05 else tar
        return tar

    def _members(
        self, members: list[tuple[bytes, bytes]], other: bytes
    ) -> list[tuple[bytes, bytes]]:
        if not members:
            return _members(_unpacked(other))
        at = self._random.randrange(len(members))
        header, content = members[at]
        match self._random.randrange(10):
            case 0:
                return members[:at] + members[at + 1 :]
            case 1:
                return (
                    members[:at]
                    + [members[at]] * self._random.choice((2, 2, 50))
                    + members[at + 1 :]
                )
            case 2:
                return [*members[:at], self._random.choice(members), *members[at:]]
            case 3:
                return (
                    members[:at]
                    + _members(_unpacked(other))[: self._random.randint(1, 4)]
                    + members[at:]
                )
            case 4 | 5 if content:
                content = self._content(content, other)
                header = header[:124] + b"%011o\0" % len(content) + header[136:]
                return [
                    *members[:at],
                    (header, content + bytes(-len(content) % _BLOCK)),
                    *members[at + 1 :],
                ]
            case _:
                return [*members[:at], (self._header(header), content), *members[at + 1 :]]

    def _content(self, content: bytes, other: bytes) -> bytes:
        if content.startswith(_GZIP):
            return self._archive(content, other)
        return self._bytes(content.rstrip(b"\0"), other)

    def _header(self, header: bytes) -> bytes:
        start, length = self._random.choice(_FIELDS)
        if start == 156:
            field = bytes([self._random.choice(_TYPES)])
        elif start in (124, 136):
            sizes = (
                b"%011o" % self._random.choice((0, 1, 511, 512, 513, 8 << 20, 1 << 30)),
                b"\x80" + bytes(7) + b"\1\0\0\0",
                b"\xff" * 12,
                b"-1",
            )
            field = self._random.choice(sizes)
        else:
            field = self._bytes(
                header[start : start + length].rstrip(b"\0"), self._random.choice(self._tokens)
            )
        return header[:start] + field[:length].ljust(length, b"\0") + header[start + length :]


_OPERATIONS = (
    Mutator._flip,
    Mutator._replace,
    Mutator._remove,
    Mutator._repeat,
    Mutator._move,
    Mutator._splice,
    Mutator._token,
    Mutator._token,
    Mutator._number,
    Mutator._lines,
)


def _unpacked(data: bytes) -> bytes:
    if data.startswith(_GZIP):
        with contextlib.suppress(zlib.error):
            return zlib.decompressobj(31).decompress(data, _UNPACKED)
    return data


def _members(tar: bytes) -> list[tuple[bytes, bytes]]:
    """Headers, each with the blocks that follow it."""
    members: list[tuple[bytes, bytes]] = []
    at = 0
    while at + _BLOCK <= len(tar) and len(members) < 2000:
        header = tar[at : at + _BLOCK]
        found = re.match(rb"[0-7]{1,11}", header[124:136])
        size = int(found[0], 8) if found else 0
        end = at + _BLOCK + (size + _BLOCK - 1) // _BLOCK * _BLOCK
        members.append((header, tar[at + _BLOCK : end]))
        at = end
    return members


def _with_checksum(header: bytes) -> bytes:
    if not any(header):
        return header
    checksum = sum(header[:148]) + sum(header[156:]) + 8 * 32
    return header[:148] + b"%06o\0 " % checksum + header[156:]
