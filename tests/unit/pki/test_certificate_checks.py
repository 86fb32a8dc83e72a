"""A certificate of the user."""

from __future__ import annotations

import base64
import datetime as dt
import time

import pytest
from cryptography.hazmat.primitives.asymmetric import dsa, ec, ed25519, rsa
from hypothesis import given, settings
from hypothesis import strategies as st

from pryv_operator.desired.certificates import dns_names
from pryv_operator.pki import authority
from pryv_operator.pki.authority import parse_issued
from pryv_operator.pki.certificate import Certificate
from pryv_operator.pki.certificate_chain import MAX_CERTIFICATES, MAX_RSA_BITS
from pryv_operator.pki.certificate_checks import check_certificate
from tests.examples import examples
from tests.unit.builders import DOMAIN
from tests.unit.pki.chains import DAY, NOW, Key, Link, issue, issue_chain, joined

WHERE = 'Secret "acme-wildcard"'
NAMES = dns_names(DOMAIN)


def issued(names: list[str], at: dt.datetime = NOW) -> Certificate:
    pair = authority.issue_authority("tests", DOMAIN, at)
    issuer = authority.parse_issued("ca-1", pair.chain, pair.key)
    assert issuer is not None
    return authority.issue_certificate(issuer, names, at)


GOOD = issued(NAMES)
CHAIN = issue_chain(NAMES)
LEAF, ISSUING, INTERMEDIATE, ROOT = CHAIN


def served(*links: Link) -> Certificate:
    """The certificates of links, with the key of the leaf."""
    return Certificate(joined(links), LEAF.key_pem)


def messages(certificate: Certificate, now: dt.datetime = NOW) -> tuple[str, list[str]]:
    """The message of the problem, and those of warnings."""
    problem, warnings = check_certificate(certificate, NAMES, WHERE, now)
    found = [*warnings, *([problem] if problem else [])]
    for each in found:
        assert each.message.startswith(WHERE)
        for key in (GOOD.key, LEAF.key_pem, certificate.key):
            content = [line for line in key.splitlines() if line[:1] not in ("", "-")]
            assert not [line for line in content if line in each.message]
    return problem.message if problem else "", [each.message for each in warnings]


def reasons(certificate: Certificate, now: dt.datetime = NOW) -> tuple[str | None, list[str]]:
    messages(certificate, now)
    problem, warnings = check_certificate(certificate, NAMES, WHERE, now)
    return problem.reason if problem else None, [each.reason for each in warnings]


def test_a_valid_certificate() -> None:
    assert reasons(GOOD) == (None, [])
    for length in range(1, len(CHAIN) + 1):
        assert reasons(served(*CHAIN[:length])) == (None, [])


@pytest.mark.parametrize(
    "certificate",
    {
        "none": Certificate("", GOOD.key),
        "no PEM": Certificate("nonsense", GOOD.key),
        "broken": Certificate(GOOD.chain.replace("M", "N", 1), GOOD.key),
        "no key": Certificate(GOOD.chain, ""),
        "broken key": Certificate(
            GOOD.chain, "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n"
        ),
        "another key": Certificate(GOOD.chain, issued([DOMAIN]).key),
        "swapped": Certificate(GOOD.key, GOOD.chain),
    }.values(),
)
def test_an_invalid_certificate(certificate: Certificate) -> None:
    assert reasons(certificate)[0] == "CertificateInvalid"


def test_warnings() -> None:
    assert reasons(issued([DOMAIN])) == (None, ["CertificateNames"])
    assert reasons(issued(["*.other.health"])) == (None, ["CertificateNames"])
    assert reasons(GOOD, NOW + authority.CERTIFICATE_LIFETIME - 2 * DAY) == (
        None,
        ["CertificateExpiring"],
    )
    assert reasons(GOOD, NOW + authority.CERTIFICATE_LIFETIME + DAY) == (
        None,
        ["CertificateExpired"],
    )
    # The leaf, and the authority that was created with it.
    assert reasons(GOOD, NOW - 2 * DAY) == (None, ["CertificateNotYetValid"] * 2)


def test_the_warning_names_the_missing_name() -> None:
    _, (warning,) = check_certificate(issued([DOMAIN]), NAMES, WHERE, NOW)
    assert f"*.{DOMAIN}" in warning.message


# Dates of the whole chain


@pytest.mark.parametrize("position", [1, 2, 3, 4])
@pytest.mark.parametrize(
    ("begin", "end", "reason"),
    [
        (NOW - 30 * DAY, NOW, "CertificateExpired"),
        (NOW - 30 * DAY, NOW - DAY, "CertificateExpired"),
        (NOW - 30 * DAY, NOW + 13 * DAY, "CertificateExpiring"),
        (NOW + DAY, NOW + 60 * DAY, "CertificateNotYetValid"),
    ],
)
def test_the_dates_of_every_certificate_are_checked(
    position: int, begin: dt.datetime, end: dt.datetime, reason: str
) -> None:
    subjects = ["root", "intermediate", "issuing", "leaf"]
    links: list[Link] = []
    for subject in subjects:
        dates = {"begin": begin, "end": end} if subject == subjects[-position] else {}
        names = NAMES if subject == "leaf" else []
        links.insert(0, issue(subject, links[0] if links else None, dns_names=names, **dates))
    certificate = Certificate(joined(links), links[0].key_pem)
    assert reasons(certificate) == (None, [reason])
    place = ["the certificate", "the 2nd certificate of the chain"] + [
        f"the {number} certificate of the chain" for number in ("3rd", "4th")
    ]
    _, (message,) = messages(certificate)
    assert f"{place[position - 1]} " in message
    assert f"{begin if begin > NOW else end:%Y-%m-%d}" in message


# Order


@pytest.mark.parametrize("position", [2, 3, 4])
def test_a_leaf_that_is_not_first_is_refused(position: int) -> None:
    others = [ISSUING, INTERMEDIATE, ROOT]
    others.insert(position - 1, LEAF)
    message, _ = messages(served(*others))
    assert ["2nd", "3rd", "4th"][position - 2] in message
    assert "leaf first" in message


@pytest.mark.parametrize(
    ("links", "place"),
    [
        ((LEAF, INTERMEDIATE, ISSUING), "2nd"),
        ((LEAF, ISSUING, ROOT, INTERMEDIATE), "3rd"),
        ((LEAF, ROOT), "2nd"),
        ((LEAF, LEAF, ISSUING), "2nd"),
        ((LEAF, ISSUING, INTERMEDIATE, issue("other")), "4th"),
        # Of the same name, with another key.
        ((LEAF, issue("issuing", INTERMEDIATE), INTERMEDIATE), "2nd"),
    ],
)
def test_a_chain_that_is_not_in_order_is_reported(links: tuple[Link, ...], place: str) -> None:
    assert reasons(served(*links)) == (None, ["CertificateChain"])
    _, (message,) = messages(served(*links))
    assert f"the {place} certificate of the chain" in message
    assert "leaf first" in message


def test_a_chain_may_have_cross_signed_authorities() -> None:
    old_root = issue("old root")
    crossed = issue("root", old_root, key=ROOT.key)
    assert reasons(served(LEAF, ISSUING, INTERMEDIATE, crossed)) == (None, [])
    assert reasons(served(LEAF, ISSUING, INTERMEDIATE, ROOT, crossed, old_root)) == (None, [])


# Keys


def self_signed(key: Key) -> Certificate:
    link = issue("leaf", key=key, dns_names=NAMES)
    return Certificate(link.pem, link.key_pem)


RSA = self_signed(rsa.generate_private_key(65537, 2048))


@pytest.mark.parametrize(
    "key",
    [
        rsa.generate_private_key(65537, 2048),
        ec.generate_private_key(ec.SECP384R1()),
        ed25519.Ed25519PrivateKey.generate(),
    ],
    ids=["RSA", "P-384", "Ed25519"],
)
def test_keys_of_every_usable_type(key: Key) -> None:
    assert reasons(self_signed(key)) == (None, [])


def test_other_keys_are_refused() -> None:
    assert "use RSA, ECDSA" in messages(self_signed(dsa.generate_private_key(2048)))[0]
    assert "1024 bits; use" in messages(self_signed(rsa.generate_private_key(65537, 1024)))[0]
    assert "192 bits" in messages(self_signed(ec.generate_private_key(ec.SECP192R1())))[0]


def test_a_weak_key_of_an_issuer_is_refused() -> None:
    weak = issue("weak", key=rsa.generate_private_key(65537, 1024))
    leaf = issue("leaf", weak, dns_names=NAMES, key=LEAF.key)
    message, _ = messages(served(leaf, weak))
    assert "the 2nd certificate of the chain has an RSA key of 1024 bits" in message


def test_a_key_that_signs_nothing_valid_is_refused() -> None:
    """Its public half is that of the certificate, which is all that nginx compares."""
    key = rsa.generate_private_key(65537, 2048)
    numbers = key.private_numbers()
    d = numbers.d ^ 6
    damaged = _rsa_pem(numbers.p, numbers.q, d, d, d)
    certificate = self_signed(key)
    assert reasons(certificate) == (None, [])
    message, _ = messages(Certificate(certificate.chain, damaged))
    assert "damaged" in message


DAMAGED = st.lists(
    st.tuples(st.integers(0, 2000), st.integers(0, 3), st.binary(max_size=3)), max_size=3
)


@settings(max_examples=examples(2000), deadline=None)
@given(DAMAGED, DAMAGED, st.sampled_from(["EC", "RSA"]))
def test_a_damaged_certificate_or_key_gets_a_verdict(
    chain: list[tuple[int, int, bytes]], key: list[tuple[int, int, bytes]], kind: str
) -> None:
    """Whatever its DER holds: an exception would be reported as an operator bug."""
    certificate = GOOD if kind == "EC" else RSA
    damaged = Certificate(_damaged(certificate.chain, chain), _damaged(certificate.key, key))
    assert reasons(damaged)[0] in (None, "CertificateInvalid")


def test_a_name_that_is_not_valid_is_refused() -> None:
    """The library parses names of a certificate only when they are read."""
    for position, link in enumerate((LEAF, ISSUING)):
        name = b"issuing" if position == 0 else b"intermediate"
        broken = link.der.replace(name, b"\xff" * len(name))
        assert broken != link.der
        chain = [LEAF.pem, ISSUING.pem]
        chain[position] = _pem("CERTIFICATE", broken)
        message, _ = messages(Certificate("".join(chain), LEAF.key_pem))
        assert "not a valid certificate" in message


def _damaged(pem: str, edits: list[tuple[int, int, bytes]]) -> str:
    """The first block of a PEM text with edits of its DER: where, bytes to remove and to insert."""
    label, _, text = pem.removeprefix("-----BEGIN ").partition("-----\n")
    text, _, rest = text.partition(f"-----END {label}-----\n")
    der = base64.b64decode(text)
    for place, length, inserted in edits:
        start = place % len(der)
        der = der[:start] + inserted + der[start + length :] or b"\0"
    return _pem(label, der) + rest


def _pem(label: str, der: bytes) -> str:
    return f"-----BEGIN {label}-----\n{base64.encodebytes(der).decode()}-----END {label}-----\n"


# Limits


def test_the_length_of_a_chain_is_limited() -> None:
    assert reasons(served(*CHAIN, *[ROOT] * (MAX_CERTIFICATES - 4)))[0] is None
    message, _ = messages(served(*CHAIN, *[ROOT] * (MAX_CERTIFICATES - 3)))
    assert f"more than {MAX_CERTIFICATES} certificates" in message


#: Exponents of Mersenne primes: RSA keys of 19630 bits (15 KB), and of one that fits into the limit
#: of bytes. Whether either is valid takes seconds to minutes to compute.
@pytest.mark.parametrize("exponents", [(9689, 9941), (4423, 9689)])
def test_a_large_rsa_key_is_refused_before_it_is_computed_with(exponents: tuple[int, int]) -> None:
    p, q = ((1 << exponent) - 1 for exponent in exponents)
    key = _rsa_pem(p, q, 3, 3, 3)
    started = time.process_time()
    message, _ = messages(Certificate(GOOD.chain, key))
    assert parse_issued("acme-private-ca-1", GOOD.chain, key) is None
    assert time.process_time() - started < 1
    assert f"{MAX_RSA_BITS} bits" in message


def test_an_rsa_key_with_numbers_larger_than_its_modulus_is_refused() -> None:
    key = rsa.generate_private_key(65537, 2048)
    numbers = key.private_numbers()
    large = (1 << 21701) - 1
    pem = _rsa_pem(numbers.p, numbers.q, numbers.d, large, numbers.dmq1)
    started = time.process_time()
    message, _ = messages(Certificate(self_signed(key).chain, pem))
    assert time.process_time() - started < 1
    assert "not a valid RSA key" in message


def _rsa_pem(p: int, q: int, d: int, dmp1: int, dmq1: int) -> str:
    """An RSA key (RFC 8017, A.1.2) of any numbers; libraries refuse to write invalid ones."""
    numbers = [0, p * q, 65537, d, p, q, dmp1, dmq1, pow(q, -1, p)]
    der = _der(0x30, b"".join(_der(2, _integer(number)) for number in numbers))
    return _pem("RSA PRIVATE KEY", der)


def _integer(number: int) -> bytes:
    return number.to_bytes(number.bit_length() // 8 + 1, "big")


def _der(tag: int, content: bytes) -> bytes:
    length = len(content)
    if length < 0x80:
        return bytes([tag, length]) + content
    size = length.to_bytes((length.bit_length() + 7) // 8, "big")
    return bytes([tag, 0x80 | len(size)]) + size + content
