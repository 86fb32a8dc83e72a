"""Reads the private key of a certificate, with limits before anything is computed. Pure."""

from __future__ import annotations

import base64
from typing import Final

from cryptography.exceptions import InternalError, InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed448, ed25519, padding, rsa

from pryv_operator.pki.certificate_chain import MAX_RSA_BITS, MIN_RSA_BITS
from pryv_operator.pki.pem import Block, PemError, read_blocks

PrivateKey = (
    rsa.RSAPrivateKey
    | ec.EllipticCurvePrivateKey
    | ed25519.Ed25519PrivateKey
    | ed448.Ed448PrivateKey
)

#: An RSA key of 8192 bits has 4.7 KB.
_MAX_BYTES: Final = 8 * 1024
_LABELS: Final = ("PRIVATE KEY", "RSA PRIVATE KEY", "EC PRIVATE KEY")
_ENCRYPTED: Final = "ENCRYPTED PRIVATE KEY"
_TEXT: Final = b"signed to see whether the key works"


def read_private_key(text: str) -> PrivateKey:
    """The first private key of a PEM file; of RSA keys, only sizes are checked.

    Whether an RSA key is valid is not computed: for a key of 15 KB that takes minutes.
    ``signs_for`` shows whether it works.

    Raises:
        PemError: nginx cannot read the key, or it exceeds a limit.
    """
    block = next((each for each in read_blocks(text) if each.label in (*_LABELS, _ENCRYPTED)), None)
    if block is None:
        raise PemError("holds no private key in PEM form (-----BEGIN PRIVATE KEY-----); add it")
    if block.label == _ENCRYPTED:
        raise PemError(f"{block.place} has a passphrase, which nginx does not know; remove it")
    key = _parsed(block)
    if isinstance(key, rsa.RSAPrivateKey):
        _check_rsa_sizes(key, block)
    return key


def signs_for(key: PrivateKey, public_key: object) -> bool:
    """Whether a signature of the key is valid for a public key."""
    try:
        match key, public_key:
            case rsa.RSAPrivateKey(), rsa.RSAPublicKey():
                scheme, digest = padding.PKCS1v15(), hashes.SHA256()
                public_key.verify(key.sign(_TEXT, scheme, digest), _TEXT, scheme, digest)
            case ec.EllipticCurvePrivateKey(), ec.EllipticCurvePublicKey():
                algorithm = ec.ECDSA(hashes.SHA256())
                public_key.verify(key.sign(_TEXT, algorithm), _TEXT, algorithm)
            case ed25519.Ed25519PrivateKey(), ed25519.Ed25519PublicKey():
                public_key.verify(key.sign(_TEXT), _TEXT)
            case ed448.Ed448PrivateKey(), ed448.Ed448PublicKey():
                public_key.verify(key.sign(_TEXT), _TEXT)
            case _:
                return False
    except (InvalidSignature, InternalError, ValueError, UnsupportedAlgorithm):
        return False
    return True


def _parsed(block: Block) -> PrivateKey:
    if len(block.content) > _MAX_BYTES:
        raise PemError(f"{block.place} has more than {_MAX_BYTES} bytes; use {_usable()}")
    pem = (
        f"-----BEGIN {block.label}-----\n".encode()
        + base64.encodebytes(block.content)
        + f"-----END {block.label}-----\n".encode()
    )
    try:
        key = serialization.load_pem_private_key(pem, None, unsafe_skip_rsa_key_validation=True)
    except (ValueError, TypeError, UnsupportedAlgorithm, InternalError):
        raise PemError(f"{block.place} is not a valid private key; copy the block again") from None
    if not isinstance(key, PrivateKey):
        raise PemError(f"{block.place} is a key of another type; use {_usable()}")
    return key


def _check_rsa_sizes(key: rsa.RSAPrivateKey, block: Block) -> None:
    """Refuse an RSA key whose numbers are too large to compute with."""
    if not MIN_RSA_BITS <= key.key_size <= MAX_RSA_BITS:
        raise PemError(f"{block.place} is an RSA key of {key.key_size} bits; use {_usable()}")
    numbers = key.private_numbers()
    largest = max(
        numbers.p, numbers.q, numbers.d, numbers.dmp1, numbers.dmq1, numbers.iqmp,
        numbers.public_numbers.e,
    )  # fmt: skip
    if largest > numbers.public_numbers.n:
        raise PemError(f"{block.place} is not a valid RSA key; create another one")


def _usable() -> str:
    return f"an RSA key of {MIN_RSA_BITS} to {MAX_RSA_BITS} bits, ECDSA or Ed25519"
