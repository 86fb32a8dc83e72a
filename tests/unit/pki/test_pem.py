"""PEM files are read as OpenSSL reads them: never more, and never something else."""

from __future__ import annotations

import ssl

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pryv_operator.pki.certificate_chain import read_chain
from pryv_operator.pki.pem import MAX_CHARACTERS, PemError, ordinal, pem_text, read_blocks
from tests.examples import examples
from tests.unit.pki.chains import issue_chain, joined

CHAIN = issue_chain(["a.test"])
TEXT = joined(CHAIN)
LINES = TEXT.splitlines(keepends=True)
#: What may come into a file: between its lines, or inside of them.
PIECES = st.sampled_from(
    [
        "\n", "\r", "\t", " ", "\0", "\ufeff", "-", "=", "A", "*", ":", "é", "==", "====",
        "-----BEGIN CERTIFICATE-----", "-----END CERTIFICATE-----", "-----BEGIN ", "-----END ",
        "-----", "X509 ", "TRUSTED ", "subject=CN = leaf\n", "A" * 64 + "\n",
    ]
)  # fmt: skip


def openssl(text: str) -> int | None:
    """How many certificates OpenSSL reads (equal ones count once); None: it refuses the file."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    try:
        context.load_verify_locations(cadata=text.encode("ascii", "replace").decode())
    except (ssl.SSLError, ValueError):
        return None
    return context.cert_store_stats()["x509"]


def ours(text: str) -> int | None:
    try:
        return len(set(read_chain(text)))
    except PemError as error:
        assert not any(line.strip() in str(error) for line in LINES if not line.startswith("-"))
        return None


@st.composite
def edited(draw: st.DrawFn) -> str:
    """The chain with a few insertions and deletions, of characters and of lines."""
    lines = list(LINES)
    for _ in range(draw(st.integers(1, 3))):
        index = draw(st.integers(0, len(lines) - 1))
        line = lines[index]
        start = draw(st.one_of(st.just(0), st.just(len(line)), st.integers(0, len(line))))
        end = draw(st.sampled_from([start, start, start + 1, start + 5, len(line)]))
        lines[index] = line[:start] + draw(st.one_of(st.just(""), PIECES)) + line[end:]
    return "".join(lines)


@settings(max_examples=examples(1000), deadline=None)
@given(edited())
def test_what_is_read_is_what_openssl_reads(text: str) -> None:
    read = ours(text)
    if read is not None and "TRUSTED" not in text:
        assert openssl(text) == read


@pytest.mark.parametrize("position", range(len(CHAIN)))
@pytest.mark.parametrize("column", [0, 1, 30, 63, 64])
def test_a_character_less_is_always_found(position: int, column: int) -> None:
    """Also in the last certificate of the chain."""
    blocks = [link.pem for link in CHAIN]
    lines = blocks[position].splitlines(keepends=True)
    lines[2] = lines[2][:column] + lines[2][column + 1 :]
    blocks[position] = "".join(lines)
    text = "".join(blocks)
    found = ours(text)
    assert (found is None) == (column < 64), "without its line break, a line is only longer"
    assert openssl(text) == found


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
@pytest.mark.parametrize("line_break", ["\n", "\r\n"])
def test_encodings(encoding: str, line_break: str) -> None:
    text = TEXT.replace("\n", line_break)
    assert pem_text(text.encode(encoding)) == text
    assert ours(pem_text(text.encode(encoding))) == len(CHAIN)


def test_byte_order_marks_of_joined_files_are_removed() -> None:
    content = b"".join(link.pem.encode("utf-8-sig") for link in CHAIN)
    assert pem_text(content) == TEXT


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be", "utf-32", "utf-32-be"])
def test_other_encodings_are_refused(encoding: str) -> None:
    with pytest.raises(PemError, match="UTF-16"):
        read_chain(pem_text(TEXT.encode(encoding)))


def test_comments_may_be_in_any_encoding() -> None:
    content = "friendlyName: Zertifikat für acme\n".encode("latin-1") + TEXT.encode()
    assert ours(pem_text(content)) == len(CHAIN)


@settings(max_examples=examples(200), deadline=None)
@given(st.binary(max_size=300))
def test_any_bytes_are_read_or_refused(content: bytes) -> None:
    text = pem_text(content)
    text.encode()
    ours(text)


def test_a_message_quotes_no_content() -> None:
    """A key without line breaks, or with those of old Macintoshes, is one line."""
    for separator in ("\r", " ", ""):
        with pytest.raises(PemError) as raised:
            list(read_blocks(CHAIN[0].key_pem.replace("\n", separator)))
        assert CHAIN[0].key_pem.splitlines()[1][:8] not in str(raised.value)


def test_a_block_is_named_by_its_place() -> None:
    lines = TEXT.splitlines()
    third = [number for number, line in enumerate(lines) if "BEGIN" in line][2]
    with pytest.raises(PemError, match=rf"the 3rd CERTIFICATE block \(line {third + 1}\)"):
        read_chain("\n".join([*lines[: third + 1], "*", *lines[third + 1 :]]))


def test_a_large_file_is_refused_before_it_is_read() -> None:
    with pytest.raises(PemError, match=f"{MAX_CHARACTERS} characters"):
        read_chain(TEXT + "\n" * MAX_CHARACTERS)
    assert ours(TEXT + "\n" * (MAX_CHARACTERS - len(TEXT))) == len(CHAIN)


def test_ordinals() -> None:
    assert [ordinal(number) for number in (1, 2, 3, 4, 11, 12, 13, 21, 22, 101, 111)] == [
        "1st", "2nd", "3rd", "4th", "11th", "12th", "13th", "21st", "22nd", "101st", "111th",
    ]  # fmt: skip
