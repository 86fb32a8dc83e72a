"""A certificate of the user."""

from __future__ import annotations

import datetime as dt

import pytest

from pryv_operator.desired.certificates import dns_names
from pryv_operator.pki import authority
from pryv_operator.pki.certificate import Certificate
from pryv_operator.pki.certificate_checks import check_certificate
from tests.unit.builders import DOMAIN

NOW = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)
DAY = dt.timedelta(days=1)
WHERE = 'Secret "acme-wildcard"'


def issued(names: list[str], at: dt.datetime = NOW) -> Certificate:
    pair = authority.issue_authority("tests", at)
    issuer = authority.parse_issued("ca-1", pair.chain, pair.key)
    assert issuer is not None
    return authority.issue_certificate(issuer, names, at)


GOOD = issued(dns_names(DOMAIN))


def reasons(certificate: Certificate, now: dt.datetime = NOW) -> tuple[str | None, list[str]]:
    problem, warnings = check_certificate(certificate, dns_names(DOMAIN), WHERE, now)
    for each in (*warnings, *([problem] if problem else [])):
        assert WHERE in each.message
        assert GOOD.key.splitlines()[1] not in each.message
    return problem.reason if problem else None, [each.reason for each in warnings]


def test_a_valid_certificate() -> None:
    assert reasons(GOOD) == (None, [])


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
    assert reasons(GOOD, NOW - 2 * DAY) == (None, ["CertificateNotYetValid"])


def test_the_warning_names_the_missing_name() -> None:
    _, (warning,) = check_certificate(issued([DOMAIN]), dns_names(DOMAIN), WHERE, NOW)
    assert f"*.{DOMAIN}" in warning.message
