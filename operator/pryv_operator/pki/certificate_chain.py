"""Reads the certificates of a chain that nginx is to serve. Pure."""

from __future__ import annotations

from typing import Final

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, ed448, ed25519, rsa

from pryv_operator.pki.pem import Block, PemError, ordinal, read_blocks

MAX_CERTIFICATES: Final = 20
#: OpenSSL's security level 2, the default of Debian (and of Pryv's nginx) and of OpenSSL 3.2.
MIN_RSA_BITS: Final = 2048
_MIN_EC_BITS: Final = 224
_WEAK_HASHES: Final = ("md5", "sha1")
#: The limit of TLS clients in Go (``crypto/tls``), and a bound for what checks cost.
MAX_RSA_BITS: Final = 8192

PublicKey = (
    rsa.RSAPublicKey | ec.EllipticCurvePublicKey | ed25519.Ed25519PublicKey | ed448.Ed448PublicKey
)
_UNUSABLE: Final = "has a key or signature that TLS clients do not know; use RSA, ECDSA or Ed25519"

_CERTIFICATE: Final = ("CERTIFICATE", "X509 CERTIFICATE")
#: nginx reads it as the first block, and ignores it after that.
_TRUSTED: Final = "TRUSTED CERTIFICATE"


def read_chain(text: str) -> tuple[x509.Certificate, ...]:
    """The certificates of a PEM file, in order; at least one.

    Raises:
        PemError: nginx cannot read the file, or would not serve every certificate in it.
    """
    chain: list[x509.Certificate] = []
    for block in read_blocks(text):
        if block.label in _CERTIFICATE or (block.label == _TRUSTED and not chain):
            if len(chain) == MAX_CERTIFICATES:
                raise PemError(
                    f"holds more than {MAX_CERTIFICATES} certificates; remove the others"
                )
            chain.append(_certificate(block))
        elif block.label == _TRUSTED:
            raise PemError(f"{block.place} is ignored by nginx; write it as a CERTIFICATE block")
    if not chain:
        raise PemError(
            "holds no certificate in PEM form (-----BEGIN CERTIFICATE-----); add it, leaf first"
        )
    for number, each in enumerate(chain, start=1):
        fault = _weakness(each)
        if fault:
            raise PemError(f"{chain_position(number)} {fault}")
    return tuple(chain)


def chain_position(number: int) -> str:
    """How messages name a certificate of the chain; the leaf is number 1."""
    return "the certificate" if number == 1 else f"the {ordinal(number)} certificate of the chain"


def _certificate(block: Block) -> x509.Certificate:
    content = block.content
    if block.label == _TRUSTED:
        content = content[: _der_length(content)]  # what it is trusted for follows
    try:
        certificate = x509.load_der_x509_certificate(content)
        _ = certificate.subject, certificate.issuer  # parsed only when they are read
    except (ValueError, x509.InvalidVersion, UnsupportedAlgorithm):
        raise PemError(f"{block.place} is not a valid certificate; copy the block again") from None
    return certificate


def _der_length(content: bytes) -> int:
    """Bytes of the first DER value, with its tag and length (X.690, 8.1.3)."""
    first = content[1] if len(content) > 1 else 0
    if first < 0x80:
        return 2 + first
    end = 2 + (first & 0x7F)
    return end + int.from_bytes(content[2:end], "big")


def _weakness(certificate: x509.Certificate) -> str | None:
    """Why OpenSSL refuses to load a certificate that it can read, or checks would take long."""
    try:
        key = certificate.public_key()
        algorithm = certificate.signature_hash_algorithm
    except (ValueError, UnsupportedAlgorithm):
        return _UNUSABLE
    if isinstance(key, rsa.RSAPublicKey) and not MIN_RSA_BITS <= key.key_size <= MAX_RSA_BITS:
        return (
            f"has an RSA key of {key.key_size} bits; "
            f"use one of {MIN_RSA_BITS} to {MAX_RSA_BITS} bits"
        )
    if isinstance(key, ec.EllipticCurvePublicKey) and key.key_size < _MIN_EC_BITS:
        return f"has an elliptic-curve key of {key.key_size} bits; use P-256"
    if not isinstance(key, PublicKey):
        return _UNUSABLE
    self_signed = certificate.issuer == certificate.subject
    if algorithm and algorithm.name in _WEAK_HASHES and not self_signed:
        return f"is signed with {algorithm.name.upper()}, which nginx refuses; renew it"
    return None
