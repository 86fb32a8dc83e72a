"""Certificate chains for tests: a root, intermediates and a leaf, with any dates."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import dsa, ec, ed25519, rsa
from cryptography.x509.oid import NameOID

NOW = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)
DAY = dt.timedelta(days=1)

Key = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey | dsa.DSAPrivateKey


@dataclass(frozen=True)
class Link:
    """A certificate of a chain, with its key."""

    certificate: x509.Certificate
    key: Key

    @property
    def pem(self) -> str:
        return self.certificate.public_bytes(serialization.Encoding.PEM).decode()

    @property
    def der(self) -> bytes:
        return self.certificate.public_bytes(serialization.Encoding.DER)

    @property
    def key_pem(self) -> str:
        return self.key_as(serialization.PrivateFormat.PKCS8)

    def key_as(self, form: serialization.PrivateFormat) -> str:
        return self.key.private_bytes(
            serialization.Encoding.PEM, form, serialization.NoEncryption()
        ).decode()


def issue(
    subject: str,
    issuer: Link | None = None,
    *,
    key: Key | None = None,
    dns_names: Sequence[str] = (),
    begin: dt.datetime = NOW - DAY,
    end: dt.datetime = NOW + 60 * DAY,
) -> Link:
    """A certificate; it is self-signed without an issuer, and an authority without DNS names."""
    key = key or ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, subject)])
    signer = issuer.key if issuer else key
    builder = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(issuer.certificate.subject if issuer else name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(begin)
        .not_valid_after(end)
        .add_extension(x509.BasicConstraints(ca=not dns_names, path_length=None), critical=True)
    )
    if dns_names:
        alternatives = [x509.DNSName(each) for each in dns_names]
        builder = builder.add_extension(x509.SubjectAlternativeName(alternatives), critical=False)
    digest = None if isinstance(signer, ed25519.Ed25519PrivateKey) else hashes.SHA256()
    return Link(builder.sign(signer, digest), key)


def issue_chain(dns_names: Sequence[str], now: dt.datetime = NOW) -> list[Link]:
    """Leaf, issuing authority, intermediate authority, root."""
    dates = {"begin": now - DAY, "end": now + 60 * DAY}
    root = issue("root", **dates)
    intermediate = issue("intermediate", root, **dates)
    issuing = issue("issuing", intermediate, **dates)
    return [issue("leaf", issuing, dns_names=dns_names, **dates), issuing, intermediate, root]


def joined(links: Sequence[Link]) -> str:
    """Certificates in one PEM text."""
    return "".join(link.pem for link in links)
