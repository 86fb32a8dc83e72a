"""``/metrics`` over HTTPS, for clients that the API server admits."""

from __future__ import annotations

import datetime as dt
import ssl
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from http import HTTPStatus
from pathlib import Path
from typing import Final

from aiohttp import web
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from pryv_operator.api import labels_annotations as keys
from pryv_operator.kube.health_endpoints import metrics_response
from pryv_operator.kube.metrics_access import MetricsAccess

_LIFETIME: Final = dt.timedelta(days=3650)
#: Clocks may differ by so much.
_BEFORE: Final = dt.timedelta(hours=1)


@asynccontextmanager
async def serving_metrics(host: str, port: int, access: MetricsAccess) -> AsyncIterator[int]:
    """Serve while the context lasts; yields the port (``port`` 0: a free one)."""

    async def metrics(request: web.Request) -> web.Response:
        decision = await access.decide(request.headers.get("Authorization", ""))
        if decision is HTTPStatus.OK:
            return metrics_response()
        headers = {"WWW-Authenticate": "Bearer"} if decision is HTTPStatus.UNAUTHORIZED else {}
        return web.Response(text=f"{decision.phrase}\n", status=decision, headers=headers)

    app = web.Application()
    app.router.add_get("/metrics", metrics)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    site = web.TCPSite(runner, host, port, ssl_context=_tls())
    try:
        await site.start()
        yield int(runner.addresses[0][1])
    finally:
        await runner.cleanup()


def _tls() -> ssl.SSLContext:
    """TLS with a certificate that is signed by itself and made for this process.

    It encrypts the client's token. Whom the client talks to, it does not prove.
    """
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
    pem = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    with tempfile.TemporaryDirectory() as folder:  # ssl reads files only
        file = Path(folder) / "tls.pem"
        file.touch(mode=0o600)
        file.write_bytes(pem + certificate.public_bytes(serialization.Encoding.PEM))
        context.load_cert_chain(file)
    return context
