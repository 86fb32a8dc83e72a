"""Whether a user's certificate can serve a platform. Pure; the clock is an argument."""

from __future__ import annotations

import datetime as dt
from typing import Final

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization

from pryv_operator.api.findings import Advisory, Problem
from pryv_operator.api.reasons import Reason
from pryv_operator.pki.certificate import Certificate

#: A certificate that expires within this time is reported.
_EXPIRING: Final = dt.timedelta(days=14)
_ENCODING: Final = serialization.Encoding.DER
_FORMAT: Final = serialization.PublicFormat.SubjectPublicKeyInfo


def check_certificate(
    certificate: Certificate, dns_names: list[str], where: str, now: dt.datetime
) -> tuple[Problem | None, tuple[Advisory, ...]]:
    """What forbids the use of a certificate, and what should be known about it.

    Args:
        certificate: from a Secret of the user.
        dns_names: the names that it has to cover.
        where: how messages name the Secret.
        now: the clock.
    """
    try:
        leaf = x509.load_pem_x509_certificates(certificate.chain.encode())[0]
        names = _check_names(leaf, dns_names, where)
        public_key = leaf.public_key().public_bytes(_ENCODING, _FORMAT)
    except (ValueError, IndexError, UnsupportedAlgorithm):
        return _invalid(f"{where}: tls.crt is not a valid PEM certificate"), ()
    try:
        key = serialization.load_pem_private_key(certificate.key.encode(), None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        message = f"{where}: tls.key is not a valid PEM private key without a passphrase"
        return _invalid(message), ()
    if key.public_key().public_bytes(_ENCODING, _FORMAT) != public_key:
        message = f"{where}: tls.key does not belong to the certificate in tls.crt"
        return _invalid(message), ()
    return None, (*names, *_check_dates(leaf, where, now))


def _invalid(message: str) -> Problem:
    return Problem(Reason.CERTIFICATE_INVALID, message)


def _check_names(leaf: x509.Certificate, dns_names: list[str], where: str) -> tuple[Advisory, ...]:
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
    message = (
        f"{where}: the certificate does not cover {' and '.join(missing)}, so clients reject it; "
        "use one that covers these names"
    )
    return (Advisory(Reason.CERTIFICATE_NAMES, message),)


def _check_dates(leaf: x509.Certificate, where: str, now: dt.datetime) -> tuple[Advisory, ...]:
    end, begin = leaf.not_valid_after_utc, leaf.not_valid_before_utc
    if end <= now:
        message = f"{where}: the certificate expired on {end:%Y-%m-%d}; renew it in the Secret"
        return (Advisory(Reason.CERTIFICATE_EXPIRED, message),)
    if begin > now:
        message = (
            f"{where}: the certificate is not valid before {begin:%Y-%m-%d}; check its dates and "
            "the clock of its issuer"
        )
        return (Advisory(Reason.CERTIFICATE_NOT_YET_VALID, message),)
    if end - now < _EXPIRING:
        message = f"{where}: the certificate expires on {end:%Y-%m-%d}; renew it in the Secret"
        return (Advisory(Reason.CERTIFICATE_EXPIRING, message),)
    return ()
