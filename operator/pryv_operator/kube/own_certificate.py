"""A certificate that is signed by itself, made for one process and printed with its key.

It encrypts the token of a client. Whom the client talks to, it does not prove.
"""

from __future__ import annotations

import datetime as dt
import sys
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from pryv_operator.api import labels_annotations as keys

_LIFETIME: Final = dt.timedelta(days=3650)
#: Clocks may differ by so much.
_BEFORE: Final = dt.timedelta(hours=1)


def issue() -> bytes:
    """A new key and its certificate, in PEM format."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, keys.FIELD_MANAGER)])
    now = dt.datetime.now(dt.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - _BEFORE)
        .not_valid_after(now + _LIFETIME)
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(keys.FIELD_MANAGER)]), False)
        .sign(key, hashes.SHA256())
    )
    private = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    return private + certificate.public_bytes(serialization.Encoding.PEM)


if __name__ == "__main__":
    sys.stdout.buffer.write(issue())
