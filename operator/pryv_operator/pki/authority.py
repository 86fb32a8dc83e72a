"""The platform's private authority and its certificate: what is there, what is missing, and making it.

Planning is pure (the clock is an argument); making a key is the one thing that is not. Certificates and keys live in Secrets that
are only ever created, never changed: a renewed one is a new Secret with the next number.

An authority changes in two steps: every component trusts the old one and the new one first, then the leaf switches.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Final

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from pryv_operator.pki.certificate import Certificate

AUTHORITY_LIFE: Final = dt.timedelta(days=3650)
AUTHORITY_RENEWED: Final = dt.timedelta(days=365)
CERTIFICATE_LIFE: Final = dt.timedelta(days=90)
CERTIFICATE_RENEWED: Final = dt.timedelta(days=30)
#: Clocks of nodes may be a little behind.
_BACKDATED: Final = dt.timedelta(hours=1)


@dataclass(frozen=True)
class IssuedCertificate:
    """A certificate with its key, from a Secret of the platform. ``number`` counts up, ``issuer`` is its authority's number."""

    name: str
    number: int
    certificate: x509.Certificate
    pem: str
    key_pem: str = field(repr=False)

    @property
    def expires(self) -> dt.datetime:
        """When it ends to be valid (UTC)."""
        return self.certificate.not_valid_after_utc


@dataclass(frozen=True)
class IssuancePlan:
    """What to use, and what to make first. ``issuer`` is the authority that signs the next certificate."""

    next_authority: int | None = None
    next_certificate: int | None = None
    issuer: IssuedCertificate | None = None
    current: IssuedCertificate | None = None
    trusted: tuple[IssuedCertificate, ...] = ()
    obsolete: tuple[str, ...] = ()

    @property
    def complete(self) -> bool:
        """Whether nothing has to be made."""
        return self.next_authority is None and self.next_certificate is None

    @property
    def bundle(self) -> str:
        """All trusted authorities (PEM)."""
        return "".join(authority.pem for authority in self.trusted)


def plan_issuance(
    authorities: Sequence[IssuedCertificate],
    certificates: Sequence[IssuedCertificate],
    dns_names: Sequence[str],
    trusted: Collection[str],
    now: dt.datetime,
    *,
    taken: tuple[int, int] = (0, 0),
) -> IssuancePlan:
    """What a platform without a certificate of its own should use at a moment.

    ``trusted`` are names of authorities that every running component trusts already. ``taken`` are the highest numbers in use, of
    authorities and of certificates, the unreadable ones included.
    """
    valid = sorted(
        (each for each in authorities if each.expires > now), key=lambda each: each.number
    )
    highest = max((taken[0], *(each.number for each in authorities)))
    if not valid or valid[-1].expires - now < AUTHORITY_RENEWED:
        return IssuancePlan(next_authority=highest + 1)
    issuer = _issuer(valid, certificates, trusted)
    fitting = sorted(
        (each for each in certificates if _signed_by(each, issuer) and _covers(each, dns_names)),
        key=lambda each: each.number,
    )
    # None can outlive its authority: making another one would make no difference.
    fresh = [
        each
        for each in fitting
        if each.expires - now > CERTIFICATE_RENEWED or each.expires >= issuer.expires
    ]
    if not fresh:
        number = max((taken[1], *(each.number for each in certificates))) + 1
        return IssuancePlan(next_certificate=number, issuer=issuer, trusted=tuple(valid))
    current = fresh[-1]
    obsolete = tuple(sorted(each.name for each in certificates if each.name != current.name))
    return IssuancePlan(current=current, trusted=tuple(valid), obsolete=obsolete)


def _issuer(
    valid: Sequence[IssuedCertificate],
    certificates: Sequence[IssuedCertificate],
    trusted: Collection[str],
) -> IssuedCertificate:
    """The newest authority that everyone trusts; when nobody knows who trusts what, the one of the newest certificate."""
    known = [each for each in valid if each.name in trusted]
    if known:
        return known[-1]
    newest_first = sorted(certificates, key=lambda each: each.number, reverse=True)
    return next(
        (issuer for each in newest_first for issuer in valid if _signed_by(each, issuer)), valid[0]
    )


def issue_authority(platform: str, now: dt.datetime) -> Certificate:
    """A self-signed authority (P-256)."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, f"Pryv.io platform {platform}"[:64])])
    certificate = (
        _builder(name, name, key.public_key(), now, AUTHORITY_LIFE)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_usage(signs_certificates=True), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .sign(key, hashes.SHA256())
    )
    return _pem([certificate], key)


def issue_certificate(
    issuer: IssuedCertificate, dns_names: Sequence[str], now: dt.datetime
) -> Certificate:
    """A server certificate (P-256) signed by the authority, with it as its chain."""
    key = ec.generate_private_key(ec.SECP256R1())
    issuer_key = serialization.load_pem_private_key(issuer.key_pem.encode(), None)
    if not isinstance(issuer_key, ec.EllipticCurvePrivateKey):
        raise TypeError(f"{issuer.name} holds a key of another kind than the operator makes")
    # A common name holds 64 characters; clients read the alternative names only.
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, dns_names[0][:64])])
    life = min(CERTIFICATE_LIFE, issuer.expires - now)
    certificate = (
        _builder(subject, issuer.certificate.subject, key.public_key(), now, life)
        .add_extension(
            x509.SubjectAlternativeName([x509.DNSName(name) for name in dns_names]), critical=False
        )
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_usage(signs_certificates=False), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer_key.public_key()),
            critical=False,
        )
        .sign(issuer_key, hashes.SHA256())
    )
    return _pem([certificate, issuer.certificate], key)


def parse_issued(name: str, pem: str, key_pem: str) -> IssuedCertificate | None:
    """What a Secret of the platform holds; None when that is nothing the operator makes (then another one is made)."""
    number = name.rsplit("-", 1)[-1]
    try:
        certificate = x509.load_pem_x509_certificates(pem.encode())[0]
        key = serialization.load_pem_private_key(key_pem.encode(), None)
        fits = (
            isinstance(key, ec.EllipticCurvePrivateKey)
            and key.public_key() == certificate.public_key()
        )
    except (ValueError, IndexError, TypeError, UnsupportedAlgorithm):
        return None
    return (
        IssuedCertificate(name, int(number), certificate, pem, key_pem)
        if fits and number.isdigit()
        else None
    )


def _signed_by(issued: IssuedCertificate, issuer: IssuedCertificate) -> bool:
    try:
        issued.certificate.verify_directly_issued_by(issuer.certificate)
    except (InvalidSignature, ValueError, TypeError):
        return False
    return True


def _covers(issued: IssuedCertificate, dns_names: Iterable[str]) -> bool:
    try:
        extension = issued.certificate.extensions.get_extension_for_class(
            x509.SubjectAlternativeName
        )
    except x509.ExtensionNotFound:
        return False
    return set(dns_names) == set(extension.value.get_values_for_type(x509.DNSName))


def _builder(
    subject: x509.Name,
    issuer: x509.Name,
    key: ec.EllipticCurvePublicKey,
    now: dt.datetime,
    life: dt.timedelta,
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - _BACKDATED)
        .not_valid_after(now + life)
    )


def _usage(*, signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=True,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        encipher_only=False,
        decipher_only=False,
    )


def _pem(chain: Iterable[x509.Certificate], key: ec.EllipticCurvePrivateKey) -> Certificate:
    return Certificate(
        chain="".join(
            certificate.public_bytes(serialization.Encoding.PEM).decode() for certificate in chain
        ),
        key=key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        ).decode(),
    )
