"""The platform's private certificate authority: which certificate is used, and what is issued next.

Planning is pure (the clock is an argument); only issuing draws random keys. Certificates and keys
are in Secrets that are created once and never changed: a renewed one is a new Secret with the next
number.

An authority is constrained to the platform's domain (RFC 5280, 4.2.1.10), so clients that trust it
believe it about no other name. Those of earlier versions have no such constraint, and stay in use.

An authority is replaced in two steps: all components trust the old and the new one first, then the
server certificate changes. After a change of the domain nobody else can sign, so the new one does
at once: templates that use the new names hold its certificate, too.
"""

from __future__ import annotations

import datetime as dt
import ipaddress
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Final

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from pryv_operator.pki.certificate import Certificate
from pryv_operator.pki.certificate_chain import read_chain
from pryv_operator.pki.lifetimes import CERTIFICATE_RENEWAL
from pryv_operator.pki.pem import PemError
from pryv_operator.pki.private_key import read_private_key, signs_for

AUTHORITY_LIFETIME: Final = dt.timedelta(days=3650)
#: An authority is renewed so long before it expires.
AUTHORITY_RENEWAL: Final = dt.timedelta(days=365)
CERTIFICATE_LIFETIME: Final = dt.timedelta(days=90)
#: How long before its issue a certificate is valid: clocks of nodes may be behind.
_BACKDATED: Final = dt.timedelta(hours=1)
#: What an authority must not sign for. A constraint on DNS names alone allows every IP address.
_EVERY_ADDRESS: Final = [
    x509.IPAddress(ipaddress.ip_network(network)) for network in ("0.0.0.0/0", "::/0")
]


@dataclass(frozen=True)
class IssuedCertificate:
    """A certificate with its key, from a Secret of the platform.

    ``name``: the Secret's. ``number``: the number at the end of the name; it only increases.
    """

    name: str
    number: int
    certificate: x509.Certificate
    pem: str
    key_pem: str = field(repr=False)

    @property
    def expires(self) -> dt.datetime:
        """When it expires (UTC)."""
        return self.certificate.not_valid_after_utc


@dataclass(frozen=True)
class IssuancePlan:
    """What is used, and what has to be issued first.

    ``next_authority``, ``next_certificate``: number of the one to issue, or None.
    ``issuer``: the authority that signs the next certificate, or has signed the current one.
    ``current``: the certificate to serve.
    ``trusted``: authorities that every component has to trust.
    ``obsolete``: names of Secrets with certificates that are not used any more.
    ``successor``: name of the authority that signs in place of the issuer, once it is trusted by
    every component; empty: none.
    """

    next_authority: int | None = None
    next_certificate: int | None = None
    issuer: IssuedCertificate | None = None
    current: IssuedCertificate | None = None
    trusted: tuple[IssuedCertificate, ...] = ()
    obsolete: tuple[str, ...] = ()
    successor: str = ""

    @property
    def complete(self) -> bool:
        """Whether nothing has to be issued."""
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
    highest_numbers: tuple[int, int] = (0, 0),
) -> IssuancePlan:
    """What a platform without a configured certificate uses, and what has to be issued for it.

    Args:
        authorities: all that are readable, expired ones too.
        certificates: all that are readable, expired ones too.
        dns_names: the names that the certificate has to cover.
        trusted: names of the authorities that every running component trusts already.
        now: the clock.
        highest_numbers: of authorities and of certificates, unreadable ones included.
    """
    valid = sorted(
        (each for each in authorities if each.expires > now), key=lambda each: each.number
    )
    usable = [each for each in valid if _permits(each, dns_names)]
    highest = max((highest_numbers[0], *(each.number for each in authorities)))
    if not usable or usable[-1].expires - now < AUTHORITY_RENEWAL:
        return IssuancePlan(next_authority=highest + 1)
    issuer = _issuer(usable, certificates, trusted)
    fitting = sorted(
        (each for each in certificates if _signed_by(each, issuer) and _covers(each, dns_names)),
        key=lambda each: each.number,
    )
    # A certificate cannot outlive its authority, so another one would expire at the same time.
    fresh = [
        each
        for each in fitting
        if each.expires - now > CERTIFICATE_RENEWAL or each.expires >= issuer.expires
    ]
    if not fresh:
        number = max((highest_numbers[1], *(each.number for each in certificates))) + 1
        return IssuancePlan(next_certificate=number, issuer=issuer, trusted=tuple(valid))
    current = fresh[-1]
    obsolete = tuple(sorted(each.name for each in certificates if each.name != current.name))
    return IssuancePlan(
        issuer=issuer,
        current=current,
        trusted=tuple(valid),
        obsolete=obsolete,
        successor="" if issuer is usable[-1] else usable[-1].name,
    )


def _issuer(
    usable: Sequence[IssuedCertificate],
    certificates: Sequence[IssuedCertificate],
    trusted: Collection[str],
) -> IssuedCertificate:
    """The newest of the usable authorities that all components trust.

    When it is not known which ones they trust, the one that signed the newest certificate.
    """
    known = [each for each in usable if each.name in trusted]
    if known:
        return known[-1]
    newest_first = sorted(certificates, key=lambda each: each.number, reverse=True)
    return next(
        (issuer for each in newest_first for issuer in usable if _signed_by(each, issuer)),
        usable[0],
    )


def issue_authority(platform: str, domain: str, now: dt.datetime) -> Certificate:
    """Issue a self-signed authority (P-256) for a domain and the names under it.

    ``platform``: how its name ends.
    """
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, f"Pryv.io platform {platform}"[:64])])
    certificate = (
        _builder(name, name, key.public_key(), now, AUTHORITY_LIFETIME)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_usage(signs_certificates=True), critical=True)
        .add_extension(x509.NameConstraints([x509.DNSName(domain)], _EVERY_ADDRESS), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .sign(key, hashes.SHA256())
    )
    return _pem([certificate], key)


def issue_certificate(
    issuer: IssuedCertificate, dns_names: Sequence[str], now: dt.datetime
) -> Certificate:
    """Issue a server certificate (P-256), with the authority that signs it as its chain.

    Raises:
        TypeError: the authority's key is not an elliptic-curve key.
    """
    key = ec.generate_private_key(ec.SECP256R1())
    issuer_key = read_private_key(issuer.key_pem)
    if not isinstance(issuer_key, ec.EllipticCurvePrivateKey):
        raise TypeError(f'Secret "{issuer.name}": its key is not an elliptic-curve key')
    # A common name holds at most 64 characters; clients use only the alternative names.
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, dns_names[0][:64])])
    life = min(CERTIFICATE_LIFETIME, issuer.expires - now)
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
    """The certificate and key in a Secret of the platform.

    None when the operator cannot have issued them; another one is issued then.
    """
    number = name.rsplit("-", 1)[-1]
    try:
        certificate = read_chain(pem)[0]
        _ = certificate.extensions  # parsed only when they are read
        key = read_private_key(key_pem)
    except (PemError, ValueError, x509.DuplicateExtension):
        return None
    fits = isinstance(key, ec.EllipticCurvePrivateKey) and signs_for(key, certificate.public_key())
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


def _permits(issuer: IssuedCertificate, dns_names: Iterable[str]) -> bool:
    """Whether an authority may sign for these names."""
    try:
        extension = issuer.certificate.extensions.get_extension_for_class(x509.NameConstraints)
    except x509.ExtensionNotFound:
        return True
    domains = [
        each.value
        for each in extension.value.permitted_subtrees or ()
        if isinstance(each, x509.DNSName)
    ]
    return all(
        any(name.removeprefix("*.") == each or name.endswith(f".{each}") for each in domains)
        for name in dns_names
    )


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
