"""A certificate that a user brings: whether it can serve a platform. Pure; the clock is an argument."""

from __future__ import annotations

import datetime as dt
from typing import Final

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization

from pryv_operator.api.findings import Advisory, Problem
from pryv_operator.api.reasons import Reason
from pryv_operator.pki.certificate import Certificate

_SOON: Final = dt.timedelta(days=14)
_ENCODING: Final = serialization.Encoding.DER
_FORM: Final = serialization.PublicFormat.SubjectPublicKeyInfo


def check_certificate(
    certificate: Certificate, dns_names: list[str], where: str, now: dt.datetime
) -> tuple[Problem | None, tuple[Advisory, ...]]:
    """What forbids the use of a certificate, and what should be known about it. ``where`` names the Secret."""
    try:
        leaf = x509.load_pem_x509_certificates(certificate.chain.encode())[0]
        names = _names(leaf, dns_names, where)
        wanted_key = leaf.public_key().public_bytes(_ENCODING, _FORM)
    except (ValueError, IndexError, UnsupportedAlgorithm):
        return Problem(
            Reason.CERTIFICATE_INVALID,
            f"{where}: tls.crt holds no certificate in PEM form that is understood",
        ), ()
    try:
        key = serialization.load_pem_private_key(certificate.key.encode(), None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        return Problem(
            Reason.CERTIFICATE_INVALID,
            f"{where}: tls.key holds no private key in PEM form, or one with a passphrase",
        ), ()
    if key.public_key().public_bytes(_ENCODING, _FORM) != wanted_key:
        return Problem(
            Reason.CERTIFICATE_INVALID,
            f"{where}: tls.key is not the key of the certificate in tls.crt",
        ), ()
    return None, (*names, *_dates(leaf, where, now))


def _names(leaf: x509.Certificate, dns_names: list[str], where: str) -> tuple[Advisory, ...]:
    try:
        extension = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName)
        covered = {name.lower() for name in extension.value.get_values_for_type(x509.DNSName)}
    except x509.ExtensionNotFound:
        covered = set()
    missing = [
        name
        for name in dns_names
        if name not in covered and f"*.{name.partition('.')[2]}" not in covered
    ]
    if not missing:
        return ()
    return (
        Advisory(
            Reason.CERTIFICATE_NAMES,
            f"{where}: the certificate does not cover {' and '.join(missing)}: clients will refuse it",
        ),
    )


def _dates(leaf: x509.Certificate, where: str, now: dt.datetime) -> tuple[Advisory, ...]:
    end = leaf.not_valid_after_utc
    day = f"{end:%Y-%m-%d}"
    if end <= now:
        return (
            Advisory(
                Reason.CERTIFICATE_EXPIRED,
                f"{where}: the certificate expired on {day}: put a new one into the Secret",
            ),
        )
    if leaf.not_valid_before_utc > now:
        return (
            Advisory(
                Reason.CERTIFICATE_NOT_YET_VALID,
                f"{where}: the certificate is valid from {leaf.not_valid_before_utc:%Y-%m-%d} on",
            ),
        )
    if end - now < _SOON:
        return (
            Advisory(Reason.CERTIFICATE_EXPIRING, f"{where}: the certificate expires on {day}"),
        )
    return ()
