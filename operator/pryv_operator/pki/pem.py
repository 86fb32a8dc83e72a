"""Reads PEM files as OpenSSL, and so nginx, reads them. Pure.

Parsers for Python read more than OpenSSL does: blocks that are indented, joined on one line, or cut
off. nginx refuses such a file, or does not serve the block. The rules are those of
``PEM_read_bio_ex`` in OpenSSL's ``crypto/pem/pem_lib.c``; ``tests/readers/test_certificates.py``
compares them with nginx.
"""

from __future__ import annotations

import base64
import codecs
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

#: Characters of a PEM file. Twenty certificates with the text of ``openssl x509 -text`` fit.
MAX_CHARACTERS: Final = 128 * 1024

#: Messages quote the label, so it must not be able to hold a block that is joined to its lines.
_BEGIN: Final = re.compile(r"-----BEGIN ([A-Z0-9 .#]{1,40})-----")
_END: Final = "-----END "
#: What OpenSSL removes at the end of a line.
_BLANK: Final = "".join(map(chr, range(33)))
#: Outside of blocks: what was meant as the begin or end of a block, or as its content.
_MARKER: Final = re.compile(r"--\s*(?:BEGIN|END)\b", re.IGNORECASE)
_CONTENT: Final = re.compile(r"\s*[A-Za-z0-9+/]{48,}={0,2}\s*")
#: Python's decoders accept more padding than OpenSSL.
_BASE64: Final = re.compile(r"(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?")
#: Length of all lines but the last in a block that starts with an empty line.
_LINE_LENGTH: Final = 64
_COPY: Final = "copy the block again"
_ON_OWN_LINES: Final = "write every BEGIN and END on a line of its own, without indentation"


class PemError(ValueError):
    """A PEM file that cannot be used. The message says where and why, and quotes no content."""


@dataclass(frozen=True)
class Block:
    """A block of a PEM file; ``place`` is how messages name it."""

    label: str
    content: bytes = field(repr=False)
    place: str


def pem_text(content: bytes) -> str:
    """The text of a PEM file in ASCII, UTF-8 or UTF-16, without byte order marks.

    OpenSSL before 3.2 ignores a block after a byte order mark. Other bytes can only be comments,
    and are replaced.
    """
    utf16 = content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
    return content.decode("utf-16" if utf16 else "utf-8", "replace").replace("\ufeff", "")


def read_blocks(text: str) -> Iterator[Block]:
    """The blocks of a PEM file, in order. Text outside of them is ignored, as OpenSSL ignores it.

    Raises:
        PemError: the text is too long, OpenSSL cannot read a block, or it ignores what was meant as
            one.
    """
    if len(text) > MAX_CHARACTERS:
        raise PemError(
            f"the file has more than {MAX_CHARACTERS} characters; remove what is not needed"
        )
    if "\0" in text:
        raise PemError("the file holds NUL characters, as UTF-16 does; save it as UTF-8")
    seen: Counter[str] = Counter()
    lines = enumerate(text.split("\n"), start=1)
    for number, line in lines:
        begin = _BEGIN.fullmatch(line.rstrip(_BLANK))
        if begin:
            label = begin[1]
            seen[label] += 1
            place = f"the {ordinal(seen[label])} {label} block (line {number})"
            yield Block(label, _decoded(_body(lines, label, place), place), place)
        elif _MARKER.search(line):
            raise PemError(f"line {number}: nginx cannot read this BEGIN or END; {_ON_OWN_LINES}")
        elif _CONTENT.fullmatch(line):
            raise PemError(f"line {number}: content outside of a block; {_ON_OWN_LINES}")


def _body(lines: Iterator[tuple[int, str]], label: str, place: str) -> list[str]:
    """The lines up to the end of a block."""
    body: list[str] = []
    for line in (each.rstrip(_BLANK) for _, each in lines):
        if line == f"{_END}{label}-----":
            return body
        if line.startswith(_END):
            break
        body.append(line)
    raise PemError(
        f"{place} has no END on a line of its own: it is cut off, or joined to the next; {_COPY}"
    )


def _decoded(body: list[str], place: str) -> bytes:
    if body[:1] == [""]:
        # The empty line ends an empty header: OpenSSL reads on as it reads encrypted blocks.
        body = body[1:]
        if any(len(line) != _LINE_LENGTH for line in body[:-1]):
            raise PemError(f"{place} has an empty line after BEGIN; remove it")
    if any(":" in line for line in body):
        raise PemError(
            f"{place} has header lines, as an encrypted block has; remove the passphrase"
        )
    if not all(body):
        raise PemError(f"{place} has an empty line in its content; remove it")
    text = re.sub(r"[ \t]", "", "".join(body))
    if not text:
        raise PemError(f"{place} is empty; {_COPY}")
    if not _BASE64.fullmatch(text):
        raise PemError(f"{place} is not valid base64; {_COPY}")
    return base64.b64decode(text)


def ordinal(number: int) -> str:
    """A number as messages count: 1st, 2nd, 3rd, 4th."""
    teen = number % 100 in (11, 12, 13)
    return f"{number}{'th' if teen else {1: 'st', 2: 'nd', 3: 'rd'}.get(number % 10, 'th')}"
