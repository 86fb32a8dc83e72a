"""A certificate for servers of tests."""

from __future__ import annotations

import datetime as dt
import ssl
from pathlib import Path

from pryv_operator.pki import authority


def self_signed(folder: Path) -> ssl.SSLContext:
    """A server's context; nobody should verify it."""
    now = dt.datetime.now(dt.UTC)
    pair = authority.issue_authority("tests", "localhost", now)
    (folder / "crt.pem").write_text(pair.chain)
    (folder / "key.pem").write_text(pair.key)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(folder / "crt.pem", folder / "key.pem")
    return context


def trusted(folder: Path) -> ssl.SSLContext:
    """A server's context for the name ``localhost``.

    Written to the folder: the authority (``ca``) and the server's own pair (``crt``, ``key``).
    """
    now = dt.datetime.now(dt.UTC)
    issuer = authority.issue_authority("tests", "localhost", now)
    found = authority.parse_issued("tests-1", issuer.chain, issuer.key)
    assert found
    pair = authority.issue_certificate(found, ["localhost"], now)
    (folder / "ca.pem").write_text(issuer.chain)
    (folder / "ca-key.pem").write_text(issuer.key)
    (folder / "crt.pem").write_text(pair.chain)
    (folder / "key.pem").write_text(pair.key)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(folder / "crt.pem", folder / "key.pem")
    return context
