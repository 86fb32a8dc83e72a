"""Judges certificates: in Secrets, and as they are served. Pure; the clock is an argument."""

from __future__ import annotations

import datetime as dt
import warnings
from collections.abc import Sequence
from dataclasses import dataclass, field

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.verification import PolicyBuilder, Store, VerificationError

from pryv_operator.checks.declarations import Check
from pryv_operator.checks.expected import CertificateSecret, WebServer
from pryv_operator.checks.rows import Row, fail, ok, skipped, warn
from pryv_operator.pki.certificate import Certificate
from pryv_operator.pki.certificate_chain import read_chain
from pryv_operator.pki.certificate_checks import check_certificate
from pryv_operator.pki.pem import PemError

#: A served certificate that expires within this time is reported.
_EXPIRING = dt.timedelta(days=14)
_NOT_TRUSTED = (
    "use a certificate of a public authority, or name the authority's certificate with --ca-file "
    "and give it to all clients"
)
_NOT_STRICT = "issue it with the extensions of public authorities, such as authorityKeyIdentifier"


@dataclass(frozen=True)
class Served:
    """What a TLS handshake showed.

    ``certificate``: the leaf that was presented (DER); None: no handshake. ``untrusted``: why the
    chain is not trusted, in OpenSSL's words. ``error``: why there was no handshake.
    """

    certificate: bytes | None = field(default=None, repr=False)
    untrusted: str = ""
    error: str = ""


def secret_rows(
    expected: CertificateSecret, certificate: Certificate, roots: Sequence[bytes], now: dt.datetime
) -> list[Row]:
    """The certificate in a Secret: its names, dates, key and chain, and whether it is trusted.

    ``roots``: trusted authorities (DER).
    """
    where = f'Secret "{expected.secret}"'
    problem, advisories = check_certificate(certificate, list(expected.dns_names), where, now)
    if problem:
        return [fail(Check.CERTIFICATE, expected.secret, problem.message)]
    chain = read_chain(certificate.chain)
    rows = [warn(Check.CERTIFICATE, expected.secret, each.message) for each in advisories]
    until = chain[0].not_valid_after_utc
    if chain[0].not_valid_after_utc <= now or any("cover" in each.message for each in advisories):
        rows = [fail(row.check, row.subject, row.found, row.remedy) for row in rows]
    if not rows:
        names = " and ".join(expected.dns_names)
        rows = [
            ok(Check.CERTIFICATE, expected.secret, f"covers {names}; valid until {until:%Y-%m-%d}")
        ]
    return [*rows, _trust(expected, chain, roots, now)]


def _trust(
    expected: CertificateSecret,
    chain: Sequence[x509.Certificate],
    roots: Sequence[bytes],
    now: dt.datetime,
) -> Row:
    with warnings.catch_warnings():
        # Some public authorities have serial numbers that RFC 5280 does not allow.
        warnings.simplefilter("ignore")
        known = [each for each in map(_parsed, roots) if each]
    if not known:
        return skipped(Check.CERTIFICATE_TRUST, expected.secret, "this machine has no authorities")
    name = expected.dns_names[-1].replace("*", "reg", 1)
    verifier = (
        PolicyBuilder().store(Store(known)).time(now).build_server_verifier(x509.DNSName(name))
    )
    try:
        verifier.verify(chain[0], list(chain[1:]))
    except (VerificationError, ValueError):
        if any(_is_issued_by(chain[-1], root) for root in known):
            found = "issued by a trusted authority, but strict clients refuse it: RFC 5280"
            return warn(Check.CERTIFICATE_TRUST, expected.secret, found, _NOT_STRICT)
        issuer = chain[-1].issuer.rfc4514_string()
        found = f"no trusted authority; the last issuer is {issuer}"
        return warn(Check.CERTIFICATE_TRUST, expected.secret, found, _NOT_TRUSTED)
    return ok(Check.CERTIFICATE_TRUST, expected.secret, "issued by a trusted authority")


def _is_issued_by(certificate: x509.Certificate, root: x509.Certificate) -> bool:
    if certificate == root:
        return True
    try:
        certificate.verify_directly_issued_by(root)
    except (ValueError, TypeError, InvalidSignature):
        return False
    return True


def private_authority() -> Row:
    """That the platform uses its own authority."""
    return warn(
        Check.CERTIFICATE_TRUST,
        "private authority",
        "spec.tls is not set, so the operator issues the certificate; clients do not trust it",
        "set spec.tls.secretName or spec.tls.issuerRef, or give clients tls.crt of Secret "
        "NAME-private-ca-1",
    )


def served_row(server: WebServer, served: Served, in_secret: bytes | None, now: dt.datetime) -> Row:
    """The certificate that a reverse proxy serves. ``in_secret``: the leaf that it should be."""
    subject = f"{server.host} ({server.instance})"
    if server.address is None:
        found = "its address is not known before the platform is installed"
        return skipped(Check.CERTIFICATE_SERVED, subject, found)
    if served.certificate is None:
        return fail(
            Check.CERTIFICATE_SERVED, subject, f"no TLS at {server.address}: {served.error}"
        )
    leaf = _parsed(served.certificate)
    if leaf is None:
        return fail(Check.CERTIFICATE_SERVED, subject, "not a valid certificate")
    until = leaf.not_valid_after_utc
    if until <= now:
        return fail(Check.CERTIFICATE_SERVED, subject, f"expired on {until:%Y-%m-%d}")
    missing = [name for name in (server.host,) if not _covers(leaf, name)]
    if missing:
        return fail(
            Check.CERTIFICATE_SERVED,
            subject,
            f"does not cover {missing[0]}; it covers {', '.join(_names(leaf)) or 'no DNS name'}",
        )
    if served.untrusted:
        return fail(
            Check.CERTIFICATE_SERVED, subject, f"not trusted: {served.untrusted}", _NOT_TRUSTED
        )
    if in_secret is not None and in_secret != served.certificate:
        return warn(
            Check.CERTIFICATE_SERVED,
            subject,
            "another certificate than the one in the Secret "
            f"(served: {_fingerprint(served.certificate)}, Secret: {_fingerprint(in_secret)})",
            "wait for the rollout; or look at what is in front of the reverse proxy",
        )
    if until - now < _EXPIRING:
        return warn(Check.CERTIFICATE_SERVED, subject, f"expires on {until:%Y-%m-%d}", "renew it")
    return ok(Check.CERTIFICATE_SERVED, subject, f"trusted; valid until {until:%Y-%m-%d}")


def leaf_of(certificate: Certificate) -> bytes | None:
    """The leaf (DER) of a chain; None: nginx could not read it."""
    try:
        return read_chain(certificate.chain)[0].public_bytes(Encoding.DER)
    except PemError:
        return None


def _parsed(content: bytes) -> x509.Certificate | None:
    try:
        return x509.load_der_x509_certificate(content)
    except ValueError:
        return None


def _names(certificate: x509.Certificate) -> list[str]:
    try:
        extension = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName)
    except (x509.ExtensionNotFound, ValueError):
        return []
    return extension.value.get_values_for_type(x509.DNSName)


def _covers(certificate: x509.Certificate, name: str) -> bool:
    covered = {each.lower() for each in _names(certificate)}
    return name.lower() in covered or f"*.{name.lower().partition('.')[2]}" in covered


def _fingerprint(content: bytes) -> str:
    digest = hashes.Hash(hashes.SHA256())
    digest.update(content)
    return digest.finalize().hex()[:16]
