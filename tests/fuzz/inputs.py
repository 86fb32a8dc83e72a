"""Generates inputs of a target from its corpus: changed bytes, changed JSON, composed archives."""

from __future__ import annotations

import contextlib
import gzip
import json
import re
import zlib
from random import Random
from typing import Any

from hypothesis import strategies as st

from tests.fuzz.target import Target

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
_ARCHIVE_PATH = ("conf", "data", "core", "pryv.yml", "platform.yml", "a.tgz", "..", ".", "", "a")
_BLOCK = 512
_GZIP = b"\x1f\x8b"
#: Fields of a tar header: start, length.
_HEADER_FIELDS = (
    (0, 100), (100, 8), (108, 8), (116, 8), (124, 12), (136, 12), (156, 1), (157, 100), (257, 8),
    (345, 155),
)  # fmt: skip
#: Declared sizes of members, as their field holds them.
_HEADER_SIZES = (
    *(b"%011o" % size for size in (0, 1, 511, 512, 513, 8 << 20, 1 << 30)),
    b"\x80" + bytes(7) + b"\1\0\0\0",
    b"\xff" * 12,
    b"-1",
)
#: Types of members: files, folders and extended headers are the most frequent ones.
_MEMBER_TYPES = b"000000555xxxgLK\x001234679SDMNVX"
_PAX_KEYS = ("path", "size", "linkpath", "GNU.sparse.major", "mtime")
_UNPACKED_LIMIT = 1024 * 1024


def generated(target: Target, corpus: tuple[bytes, ...]) -> st.SearchStrategy[bytes]:
    """Inputs of a target: variations of its corpus; for archives also composed ones."""
    seeds = tuple(sorted(corpus, key=len)) or (b"",)  # hypothesis prefers the first ones
    variations = st.builds(
        _variation,
        st.just(target),
        st.randoms(use_true_random=False),
        st.sampled_from(seeds),
        st.sampled_from(seeds),
        st.integers(1, 4),
        st.integers(0, 49),
    )
    if target.shape == "archive":
        known = [member for seed in seeds for member in members(unpacked(seed))]
        composed = _members(target, seeds)
        either = st.one_of(st.sampled_from(known), composed, composed) if known else composed
        return st.one_of(_archives(target, either), _archives(target, either), variations)
    return variations


def _variation(
    target: Target, random: Random, data: bytes, other: bytes, rounds: int, fate: int
) -> bytes:
    """``data`` changed in some rounds; one in fifty is stretched as well."""
    mutator = Mutator(random, target)
    for _ in range(rounds):
        data = mutator.mutated(data, other)
    return mutator.stretched(data) if fate == 49 else data


# --- archives ---


@st.composite
def _archives(
    draw: st.DrawFn, target: Target, member: st.SearchStrategy[tuple[bytes, bytes]]
) -> bytes:
    """Tar archives of these members, with correct checksums."""
    chosen = draw(st.lists(member, max_size=6))
    chosen *= draw(st.sampled_from((1, 1, 1, 1, 1, 1, 1, 50)))
    tar = b"".join(with_checksum(header) + content for header, content in chosen)
    tar += bytes(_BLOCK * draw(st.integers(0, 2)))
    if draw(st.booleans()):
        tar = gzip.compress(tar, 6, mtime=0)
    return tar[: target.size]


@st.composite
def _members(draw: st.DrawFn, target: Target, seeds: tuple[bytes, ...]) -> tuple[bytes, bytes]:
    """The header of a member, and its content in whole blocks."""
    tokens = target.tokens or (b"",)
    kind = bytes([draw(st.sampled_from(_MEMBER_TYPES))])
    paths = st.lists(st.sampled_from(_ARCHIVE_PATH), max_size=6).map("/".join)
    name = draw(st.one_of(paths.map(str.encode), st.sampled_from(tokens), st.binary(max_size=6)))
    records = st.lists(st.one_of(_pax_records(paths), st.sampled_from(tokens)), max_size=4)
    texts = st.one_of(st.sampled_from(seeds), st.binary(max_size=20))
    content = draw(records.map(b"".join) if kind in (b"x", b"g") else texts)
    content *= draw(st.sampled_from((1, 1, 1, 1, 1, 1, 400)))
    header = name[:100].ljust(124, b"\0") + b"%011o\0" % len(content)
    header = header.ljust(156, b"\0") + kind
    header = header.ljust(257, b"\0") + b"ustar\x0000"
    header = header.ljust(_BLOCK, b"\0")
    if draw(st.integers(0, 4)) == 4:
        start, length = draw(st.sampled_from(_HEADER_FIELDS))
        values = st.one_of(
            st.sampled_from(_HEADER_SIZES), st.sampled_from(tokens), st.binary(max_size=length)
        )
        value = draw(values)[:length].ljust(length, b"\0")
        header = header[:start] + value + header[start + length :]
    return header, content + bytes(-len(content) % _BLOCK)


def _pax_records(paths: st.SearchStrategy[str]) -> st.SearchStrategy[bytes]:
    """Records of an extended header (POSIX pax): length, key and value."""
    values = st.one_of(paths, st.sampled_from(("0", "1", "-1", "9" * 30, "a", "é", "")))
    return st.builds(_pax_record, st.sampled_from(_PAX_KEYS), values, st.integers(-1, 1))


def _pax_record(key: str, value: str, error: int) -> bytes:
    text = f" {key}={value}\n".encode()
    length = len(text) + len(str(len(text)))
    length += len(str(length)) - len(str(len(text)))
    return str(length + error * (len(value) % 7 == 6)).encode() + text


def unpacked(data: bytes) -> bytes:
    """The start of an archive without its compression."""
    if data.startswith(_GZIP):
        with contextlib.suppress(zlib.error):
            return zlib.decompressobj(31).decompress(data, _UNPACKED_LIMIT)
    return data


def members(tar: bytes) -> list[tuple[bytes, bytes]]:
    """The headers of a tar archive, each with the blocks that follow it."""
    found: list[tuple[bytes, bytes]] = []
    at = 0
    while at + _BLOCK <= len(tar) and len(found) < 200:
        header = tar[at : at + _BLOCK]
        declared = re.match(rb"[0-7]{1,11}", header[124:136])
        size = int(declared[0], 8) if declared else 0
        end = at + _BLOCK + (size + _BLOCK - 1) // _BLOCK * _BLOCK
        found.append((header, tar[at + _BLOCK : end]))
        at = end
    return found


def with_checksum(header: bytes) -> bytes:
    """A header whose checksum is correct; an empty one (the end of the archive) as it is."""
    if not any(header):
        return header
    checksum = sum(header[:148]) + sum(header[156:]) + 8 * 32
    return header[:148] + b"%06o\0 " % checksum + header[156:]


# --- variations ---


class Mutator:
    """Changes inputs of a target; its choices come from ``random``."""

    def __init__(self, random: Random, target: Target) -> None:
        self._random = random
        self._is_json = target.shape == "json"
        self._tokens = target.tokens or (b"",)
        self._size = target.size

    def mutated(self, data: bytes, other: bytes) -> bytes:
        """A variation of ``data``, sometimes with parts of ``other``."""
        if self._is_json and self._random.random() < 0.9:
            data = self._json(data, other)
        else:
            data = self._bytes(data, other)
        return data[: self._size]

    def stretched(self, data: bytes) -> bytes:
        """A part of ``data`` repeated up to the size limit: reveals more than linear time."""
        start, end = self._span(data, self._random.choice((1, 4, 16, 64, 512)))
        part = data[start:end] or b"a"
        if self._random.random() < 0.3:
            part = self._random.choice(self._tokens) or part
        longer = data[:start] + part * max(1, (self._size - len(data)) // len(part)) + data[end:]
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
        """A part of a value, at any depth."""
        while isinstance(value, (dict, list)) and value and self._random.random() < 0.7:
            value = self._random.choice(list(value.values()) if isinstance(value, dict) else value)
        return value


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
