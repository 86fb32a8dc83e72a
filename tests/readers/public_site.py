"""A stand-in for the site outside of the platform whose pages nginx passes on."""

from __future__ import annotations

import datetime as dt
import ssl
from dataclasses import dataclass
from typing import Final

from pryv_operator.pki.authority import issue_authority, issue_certificate, parse_issued
from tests.cluster.run_folder import RunFolder

PUBLIC_HOST: Final = "pryv.github.io"
_PARENT: Final = PUBLIC_HOST.partition(".")[2]


@dataclass(frozen=True)
class PublicSite:
    """What the stand-in serves with, and the authority (PEM) that nginx trusts."""

    tls: ssl.SSLContext
    authority: str


def public_site(
    folder: RunFolder,
    name: str,
    *,
    host: str = PUBLIC_HOST,
    issued: dt.datetime | None = None,
    trusted: bool = True,
) -> PublicSite:
    """Issue a certificate.

    Args:
        folder: of the run; a file of this ``name`` holds the certificate.
        name: of the file.
        host: that is certified.
        issued: when; None: now.
        trusted: whether nginx trusts the authority that issues it, and not another one.
    """
    now = issued or dt.datetime.now(dt.UTC)
    made, other = (issue_authority(name, _PARENT, now) for _ in range(2))
    authority = parse_issued("public-ca-1", made.chain, made.key)
    assert authority is not None
    certificate = issue_certificate(authority, [host], now)
    file = folder.path / f"{name}.pem"
    file.write_text(certificate.chain + certificate.key)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(file)
    return PublicSite(context, (made if trusted else other).chain)
