"""Whether a user's certificate can serve a platform. Pure; the clock is an argument."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from typing import Final

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization

from pryv_operator.api.findings import Advisory, Problem
from pryv_operator.api.reasons import Reason
from pryv_operator.pki.certificate import Certificate
from pryv_operator.pki.certificate_chain import chain_position, read_chain
from pryv_operator.pki.lifetimes import EXPIRING
from pryv_operator.pki.pem import PemError
from pryv_operator.pki.private_key import PrivateKey, read_private_key, signs_for

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
        chain = read_chain(certificate.chain)
        names = _check_names(chain[0], dns_names, where)
    except PemError as error:
        return _invalid(f"{where}: tls.crt: {error}"), ()
    try:
        key = read_private_key(certificate.key)
    except PemError as error:
        return _invalid(f"{where}: tls.key: {error}"), ()
    problem = _check_key(key, chain, where)
    if problem:
        return problem, ()
    dates = (
        warning
        for number, each in enumerate(chain, start=1)
        for warning in _check_dates(each, number, where, now)
    )
    return None, (*names, *_check_order(chain, where), *dates)


def _invalid(message: str) -> Problem:
    return Problem(Reason.CERTIFICATE_INVALID, message)


def _check_key(key: PrivateKey, chain: Sequence[x509.Certificate], where: str) -> Problem | None:
    """What is wrong with a key. It has to be that of the first certificate, which nginx serves."""
    public_key = key.public_key().public_bytes(_ENCODING, _FORMAT)
    owners = (
        number
        for number, each in enumerate(chain, start=1)
        if each.public_key().public_bytes(_ENCODING, _FORMAT) == public_key
    )
    match next(owners, None):
        case None:
            return _invalid(
                f"{where}: tls.key does not belong to the certificate in tls.crt; "
                "store the two that were created together"
            )
        case 1:
            if signs_for(key, chain[0].public_key()):
                return None
            return _invalid(f"{where}: tls.key is damaged: its signatures are not valid; renew it")
        case number:
            return _invalid(
                f"{where}: tls.key belongs to {chain_position(number)} in tls.crt, and nginx "
                "serves the 1st; order the chain leaf first, each certificate followed by its "
                "issuer"
            )


def _check_names(leaf: x509.Certificate, dns_names: list[str], where: str) -> tuple[Advisory, ...]:
    try:
        extension = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName)
        covered = {name.lower() for name in extension.value.get_values_for_type(x509.DNSName)}
    except x509.ExtensionNotFound:
        covered = set()
    except (ValueError, x509.DuplicateExtension, x509.UnsupportedGeneralNameType):
        raise PemError("the certificate has extensions that are not valid; renew it") from None
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


def _check_order(chain: Sequence[x509.Certificate], where: str) -> tuple[Advisory, ...]:
    """A warning when a certificate is the issuer of none before it.

    More than one path may be in the chain (cross-signed authorities); clients choose.
    """
    for index, issuer in enumerate(chain[1:], start=1):
        if not any(_issued(issuer, each) for each in chain[:index]):
            message = (
                f"{where}: {chain_position(index + 1)} did not issue one before it, so clients may "
                "reject the chain; order it leaf first, each certificate followed by its issuer, "
                "and remove others"
            )
            return (Advisory(Reason.CERTIFICATE_CHAIN, message),)
    return ()


def _issued(issuer: x509.Certificate, certificate: x509.Certificate) -> bool:
    if certificate.issuer != issuer.subject:
        return False
    try:
        certificate.verify_directly_issued_by(issuer)
    except (InvalidSignature, ValueError):
        return False
    except (TypeError, UnsupportedAlgorithm):
        pass  # cryptography cannot tell; the names fit
    return True


def _check_dates(
    certificate: x509.Certificate, number: int, where: str, now: dt.datetime
) -> tuple[Advisory, ...]:
    """What the validity of a certificate of the chain needs; the leaf is number 1."""
    end, begin = certificate.not_valid_after_utc, certificate.not_valid_before_utc
    subject = f"{where}: {chain_position(number)}"
    remedy = (
        "renew it in the Secret"
        if number == 1
        else "replace it in the Secret by its issuer's current one"
    )
    if end <= now:
        message = f"{subject} expired on {end:%Y-%m-%d}; {remedy}"
        return (Advisory(Reason.CERTIFICATE_EXPIRED, message),)
    if begin > now:
        message = (
            f"{subject} is not valid before {begin:%Y-%m-%d}; check its dates and "
            "the clock of its issuer"
        )
        return (Advisory(Reason.CERTIFICATE_NOT_YET_VALID, message),)
    if end - now < EXPIRING:
        message = f"{subject} expires on {end:%Y-%m-%d}; {remedy}"
        return (Advisory(Reason.CERTIFICATE_EXPIRING, message),)
    return ()
