"""nginx accepts the certificates that the operator accepts, and serves all of their chain.

Files with one fault in each position and encoding are given to both. Where the operator is
stricter, `STRICTER` says why.
"""

from __future__ import annotations

import base64
import datetime as dt
import socket
import ssl
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Final

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

from pryv_operator.pki.certificate import Certificate
from pryv_operator.pki.certificate_checks import check_certificate
from pryv_operator.pki.pem import pem_text
from tests.cluster.processes import ServerProcess
from tests.cluster.run_folder import RunFolder
from tests.readers import programs
from tests.readers.ports import LOOPBACK, free_port, wait_until_accepts
from tests.unit.pki.chains import Key, issue, issue_chain, joined

NAMES: Final = ["a.test", "*.a.test"]
NOW: Final = dt.datetime.now(dt.UTC)
CHAIN: Final = issue_chain(NAMES, NOW)
LEAF, ISSUING, INTERMEDIATE, ROOT = CHAIN
#: What a server has to send to a client that trusts the root.
SERVED: Final = [LEAF, ISSUING, INTERMEDIATE]
KEY: Final = LEAF.key_pem

Edit = Callable[[list[str]], list[str]]
Encode = Callable[[str], bytes]

#: Edits of the lines of one block.
EDITS: Final[dict[str, Edit]] = {
    "unchanged": lambda lines: lines,
    # Accepted.
    "text around": lambda lines: ["Bag Attributes", " friendlyName: für", "", *lines, "", "#"],
    "spaces at the ends of lines": lambda lines: [f"{line} \t" for line in lines],
    "indented content": lambda lines: [lines[0], *(f"  {each}" for each in lines[1:-1]), lines[-1]],
    "one line of content": lambda lines: [lines[0], "".join(lines[1:-1]), lines[-1]],
    "short lines of content": lambda lines: [lines[0], *_wrapped(lines, 10), lines[-1]],
    "long lines of content": lambda lines: [lines[0], *_wrapped(lines, 76), lines[-1]],
    "space in the content": lambda lines: [*lines[:2], lines[2].replace("A", "A ", 1), *lines[3:]],
    "empty line after BEGIN": lambda lines: [lines[0], "", *lines[1:]],
    "a request before": lambda lines: [*_block("CERTIFICATE REQUEST", b"request"), *lines],
    "a PKCS7 after": lambda lines: [*lines, *_block("PKCS7", b"message")],
    "byte order mark": lambda lines: ["\ufeff" + lines[0], *lines[1:]],
    # Refused.
    "joined to the next": lambda lines: [*lines[:-1], lines[-1] + lines[0], *lines[1:]],
    "cut off": lambda lines: lines[:4],
    "cut off after BEGIN": lambda lines: lines[:1],
    "line missing": lambda lines: [*lines[:2], *lines[3:]],
    "character missing": lambda lines: [*lines[:2], lines[2][1:], *lines[3:]],
    "padding inside": lambda lines: [*lines[:2], lines[2][:-1] + "=", *lines[3:]],
    "padding too long": lambda lines: [*lines[:-1], "====", lines[-1]],
    "another character": lambda lines: [*lines[:2], "*" + lines[2][1:], *lines[3:]],
    "comment in the content": lambda lines: [*lines[:2], "# comment", *lines[2:]],
    "dash in the content": lambda lines: [*lines[:2], "-", *lines[2:]],
    "empty line in the content": lambda lines: [*lines[:2], "", *lines[2:]],
    "empty line before END": lambda lines: [*lines[:-1], "", lines[-1]],
    "two empty lines after BEGIN": lambda lines: [lines[0], "", "", *lines[1:]],
    "empty lines everywhere": lambda lines: [each for line in lines for each in (line, "")],
    "empty": lambda lines: [lines[0], lines[-1]],
    "header": lambda lines: [lines[0], "X-Comment: a", "", *lines[1:]],
    "text after END": lambda lines: [*lines[:-1], lines[-1] + " end"],
    "line separator after END": lambda lines: [*lines[:-1], "\u2028".join([lines[-1], *lines])],
    "NUL line in the content": lambda lines: [*lines[:1], "\0", *lines[1:]],
    "another label at END": lambda lines: [*lines[:-1], "-----END X509 CRL-----"],
    "begins twice": lambda lines: [*lines[:3], *lines],
    "content of another kind": lambda lines: _block(lines[0][11:-5], b"something else"),
    "damaged block before": lambda lines: ["-----BEGIN CMS-----", "!", "-----END CMS-----", *lines],
    # Refused, though nginx only ignores it.
    "NUL before BEGIN": lambda lines: ["\0", *lines],
    "without END": lambda lines: lines[:-1],
    "indented END": lambda lines: [*lines[:-1], " " + lines[-1]],
    "indented": lambda lines: [f"  {line}" for line in lines],
    "text before BEGIN": lambda lines: ["file: " + lines[0], *lines[1:]],
    "text after BEGIN": lambda lines: [lines[0] + " begin", *lines[1:]],
    "four dashes": lambda lines: [line.replace("-----", "----") for line in lines],
    "without BEGIN": lambda lines: lines[1:],
    "without BEGIN and END": lambda lines: lines[1:-1],
    "END twice": lambda lines: [*lines, lines[-1]],
    "form feed before BEGIN": lambda lines: ["\f" + lines[0], *lines[1:]],
}  # fmt: skip
_IGNORED = "nginx ignores what was meant as a block"
STRICTER: Final = {
    "NUL before BEGIN": "readers in C disagree about what follows a NUL",
    "without END": "nginx ignores all up to the next END",
    "indented END": "nginx ignores all up to the next END",
    "indented": _IGNORED,
    "text before BEGIN": _IGNORED,
    "text after BEGIN": _IGNORED,
    "four dashes": _IGNORED,
    "without BEGIN": _IGNORED,
    "without BEGIN and END": _IGNORED,
    "END twice": _IGNORED,
    "form feed before BEGIN": _IGNORED,
}
ENCODINGS: Final[dict[str, Encode]] = {
    "UTF-8": lambda text: text.encode(),
    "CRLF and BOM": lambda text: text.replace("\n", "\r\n").encode("utf-8-sig"),
    "UTF-16": lambda text: text.encode("utf-16"),
    "without line break at the end": lambda text: text.rstrip("\n").encode(),
}


def _wrapped(lines: list[str], width: int) -> list[str]:
    text = "".join(lines[1:-1])
    return [text[start : start + width] for start in range(0, len(text), width)]


def _block(label: str, content: bytes) -> list[str]:
    return [
        f"-----BEGIN {label}-----",
        base64.b64encode(content).decode(),
        f"-----END {label}-----",
    ]


def edited(pem: str, edit: Edit) -> str:
    return "".join(f"{line}\n" for line in edit(pem.splitlines()))


def delivered(chain: bytes, key: bytes) -> Certificate:
    """What nginx gets from a Secret."""
    return Certificate(pem_text(chain), pem_text(key))


def accepts(certificate: Certificate) -> bool:
    """Whether the operator accepts a certificate."""
    problem, _ = check_certificate(certificate, NAMES, 'Secret "acme"', NOW)
    return problem is None


@pytest.fixture
def nginx_accepts(tmp_path: Path) -> Callable[[Certificate], bool]:
    """Whether `nginx -t` accepts a certificate."""
    configuration = _configuration([("acme", 443)], tmp_path)

    def check(certificate: Certificate) -> bool:
        _write(certificate, "acme", tmp_path)
        done = subprocess.run(
            [*_command(configuration, tmp_path), "-t"],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            check=False,
            timeout=30,
            start_new_session=True,  # without a terminal to ask for a passphrase
        )
        return done.returncode == 0

    return check


def _configuration(servers: list[tuple[str, int]], folder: Path) -> Path:
    blocks = "".join(
        f"server {{ listen {LOOPBACK}:{port} ssl; server_name {name}.a.test; "
        f"ssl_certificate {name}.crt; ssl_certificate_key {name}.key; return 204; }}\n"
        for name, port in servers
    )
    file = folder / "nginx.conf"
    file.write_text(
        f"pid nginx.pid;\nevents {{}}\nhttp {{ access_log off;\n{blocks}}}\n", encoding="utf-8"
    )
    return file


def _write(certificate: Certificate, name: str, folder: Path) -> None:
    (folder / f"{name}.crt").write_bytes(certificate.chain.encode())
    (folder / f"{name}.key").write_bytes(certificate.key.encode())


def _command(configuration: Path, folder: Path) -> list[str]:
    return [str(programs.nginx()), "-p", f"{folder}/", "-e", "stderr", "-c", str(configuration)]


@pytest.mark.parametrize("fault", EDITS)
def test_a_chain_is_accepted_if_nginx_accepts_it(
    fault: str, nginx_accepts: Callable[[Certificate], bool]
) -> None:
    stricter = False
    for position in range(len(SERVED)):
        blocks = [link.pem for link in SERVED]
        blocks[position] = edited(blocks[position], EDITS[fault])
        for encoding, encode in ENCODINGS.items():
            certificate = delivered(encode("".join(blocks)), KEY.encode())
            ours, theirs = accepts(certificate), nginx_accepts(certificate)
            if fault in STRICTER:
                assert not ours
                stricter = stricter or theirs
            else:
                assert ours == theirs, (fault, position, encoding)
    assert stricter == (fault in STRICTER)


#: OpenSSL before 3.0, which Pryv's nginx has, refuses it.
STRICTER_FOR_KEYS: Final = {"damaged block before", "NUL before BEGIN"}


@pytest.mark.parametrize("fault", EDITS)
def test_a_key_is_accepted_if_nginx_accepts_it(
    fault: str, nginx_accepts: Callable[[Certificate], bool]
) -> None:
    for encoding, encode in ENCODINGS.items():
        certificate = delivered(joined(SERVED).encode(), encode(edited(KEY, EDITS[fault])))
        ours, theirs = accepts(certificate), nginx_accepts(certificate)
        assert ours == (theirs and fault not in STRICTER_FOR_KEYS), (fault, encoding)


def _traditional(key: Key) -> str:
    return issue("leaf", key=key, dns_names=NAMES).key_as(
        serialization.PrivateFormat.TraditionalOpenSSL
    )


_EC_PARAMETERS = "\n".join([*_block("EC PARAMETERS", bytes.fromhex("06082a8648ce3d030107")), ""])
_ENCRYPTED = LEAF.key.private_bytes(
    serialization.Encoding.PEM,
    serialization.PrivateFormat.PKCS8,
    serialization.BestAvailableEncryption(b"passphrase"),
).decode()
#: Files of which the two halves are edited, and whether they are usable.
PAIRS: Final = {
    "leaf alone": (LEAF.pem, KEY, True),
    "root at the end": (joined(CHAIN), KEY, True),
    "label of old": (joined(CHAIN).replace(" CERTIFICATE", " X509 CERTIFICATE"), KEY, True),
    "label of a trusted leaf": (LEAF.pem.replace(" CERT", " TRUSTED CERT"), KEY, True),
    "key in the chain": (KEY + joined(SERVED), KEY, True),
    "chain in the key": (joined(SERVED), joined(SERVED) + KEY, True),
    "parameters before the key": (LEAF.pem, _EC_PARAMETERS + _traditional(LEAF.key), True),
    "another key after it": (LEAF.pem, KEY + ROOT.key_pem, True),
    "half a key after it": (LEAF.pem, KEY + KEY[:60], True),
    "another key before it": (LEAF.pem, ROOT.key_pem + KEY, False),
    "another key": (LEAF.pem, ROOT.key_pem, False),
    "issuer first": (joined([ISSUING, LEAF]), KEY, False),
    "leaf last": (joined([ROOT, INTERMEDIATE, ISSUING, LEAF]), KEY, False),
    "encrypted key": (LEAF.pem, _ENCRYPTED, False),
    "swapped": (KEY, LEAF.pem, False),
    "no PEM": ("the chain", "the key", False),
}


@pytest.mark.parametrize("name", PAIRS)
def test_pairs(name: str, nginx_accepts: Callable[[Certificate], bool]) -> None:
    chain, key, usable = PAIRS[name]
    certificate = Certificate(chain, key)
    assert accepts(certificate) == nginx_accepts(certificate) == usable


@pytest.mark.parametrize(
    ("key", "usable"),
    [
        (rsa.generate_private_key(65537, 1024), False),
        (rsa.generate_private_key(65537, 2048), True),
        (ec.generate_private_key(ec.SECP192R1()), False),
        (ec.generate_private_key(ec.SECP384R1()), True),
        (ed25519.Ed25519PrivateKey.generate(), True),
    ],
    ids=["RSA 1024", "RSA 2048", "P-192", "P-384", "Ed25519"],
)
def test_keys_of_leaf_and_issuer(
    key: Key, usable: bool, nginx_accepts: Callable[[Certificate], bool]
) -> None:
    leaf = issue("leaf", ISSUING, key=key, dns_names=NAMES)
    certificate = Certificate(joined([leaf, ISSUING]), leaf.key_pem)
    assert accepts(certificate) == nginx_accepts(certificate) == usable
    issuer = issue("issuer", key=key)
    leaf = issue("leaf", issuer, dns_names=NAMES)
    certificate = Certificate(joined([leaf, issuer]), leaf.key_pem)
    assert accepts(certificate) == nginx_accepts(certificate) == usable


def test_clients_get_the_whole_chain_of_what_is_accepted(run_folder: RunFolder) -> None:
    """They trust the root alone, so nothing of the chain may be ignored."""
    folder = run_folder.path / "certificates"
    folder.mkdir()
    port, names = free_port(), []
    for fault, edit in EDITS.items():
        for encode in ENCODINGS.values():
            text = "".join(edited(link.pem, edit) for link in SERVED)
            certificate = delivered(encode(text), encode(KEY))
            if accepts(certificate):
                names.append(f"n{len(names)}")
                _write(certificate, names[-1], folder)
        assert fault not in STRICTER or not accepts(certificate)
    assert len(names) > len(ENCODINGS)
    configuration = _configuration([(name, port) for name in names], folder)
    command = [*_command(configuration, folder), "-g", "daemon off;"]
    process = ServerProcess("nginx-certificates", command, run_folder, env={}, grace_seconds=2)
    context = ssl.create_default_context(cadata=ROOT.pem)
    try:
        wait_until_accepts(port, process.check_alive)
        for name in names:
            with (
                socket.create_connection((LOOPBACK, port), timeout=15) as plain,
                context.wrap_socket(plain, server_hostname=f"{name}.a.test") as connection,
            ):
                assert connection.version()
    finally:
        process.stop()
