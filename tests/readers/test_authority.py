"""The private authority is believed about the platform's names, and about nothing else.

Its key is in the platform's namespace: who reads it could otherwise be any host to a component.
"""

from __future__ import annotations

import datetime as dt
import http.server
import ipaddress
import socket
import ssl
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)

from pryv_operator.desired.certificates import dns_names
from pryv_operator.pki.authority import issue_authority, issue_certificate, parse_issued
from tests.cluster.processes import ServerProcess
from tests.cluster.run_folder import RunFolder
from tests.readers import programs
from tests.readers.node_packages import Node
from tests.readers.ports import LOOPBACK, free_port, wait_until_accepts

DOMAIN: Final = "pryv.acme.test"
OWN: Final = (DOMAIN, f"reg.{DOMAIN}", f"alice.{DOMAIN}")
#: Names that only a constraint keeps the authority from signing for.
FOREIGN: Final = ("example.org", f"not{DOMAIN}", "acme.test", "reg.acme.test")
NOW: Final = dt.datetime.now(dt.UTC)


class _Answer(http.server.BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Nothing: handshakes that fail are what is tested."""


class _Server(http.server.ThreadingHTTPServer):
    def handle_error(self, *_: object) -> None:
        """Nothing, as above."""


@contextmanager
def serving(chain: str, key: str, folder: Path) -> Iterator[int]:
    """An HTTPS server with a certificate; yields its port."""
    file = folder / "served.pem"
    file.write_text(chain + key)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(file)
    server = _Server((LOOPBACK, 0), _Answer)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield server.server_port
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@pytest.fixture(scope="module")
def pair() -> tuple[str, str]:
    """The authority as the operator issues it, and its key."""
    made = issue_authority("pryv/acme", DOMAIN, NOW)
    return made.chain, made.key


def stolen(authority: str, key_pem: str, host: str) -> tuple[str, str]:
    """What a thief of the authority's key issues: a certificate for a host, and its key."""
    issuer = x509.load_pem_x509_certificate(authority.encode())
    issuer_key = load_pem_private_key(key_pem.encode(), None)
    assert isinstance(issuer_key, ec.EllipticCurvePrivateKey)
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.IPAddress(ipaddress.ip_address(host)) if host == LOOPBACK else x509.DNSName(host)
    forged = (
        x509.CertificateBuilder()
        .subject_name(x509.Name([]))
        .issuer_name(issuer.subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(NOW - dt.timedelta(hours=1))
        .not_valid_after(NOW + dt.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([name]), critical=True)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer_key.public_key()),
            critical=False,
        )
        .sign(issuer_key, hashes.SHA256())
    )
    private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
    return _pem(forged) + authority, private


def _pem(certificate: x509.Certificate) -> str:
    return certificate.public_bytes(Encoding.PEM).decode()


def openssl_accepts(port: int, authority: str, host: str) -> None:
    """Raises SSLCertVerificationError: it does not."""
    context = ssl.create_default_context(cadata=authority)
    context.verify_flags |= ssl.VERIFY_X509_STRICT  # the default from Python 3.13
    with (
        socket.create_connection((LOOPBACK, port), timeout=15) as plain,
        context.wrap_socket(plain, server_hostname=host),
    ):
        pass


@contextmanager
def nginx_client(
    port: int, authority: str, hosts: tuple[str, ...], run: RunFolder
) -> Iterator[str]:
    """An nginx whose `/HOST` is what the server on a port answers as that host; yields its URL."""
    folder = run.path / f"authority-{port}"
    folder.mkdir()
    (folder / "ca.pem").write_text(authority)
    own = free_port()
    locations = "".join(
        f"location = /{host} {{ proxy_pass https://{LOOPBACK}:{port}/; proxy_ssl_name {host};"
        f" proxy_ssl_server_name on; proxy_ssl_verify on; proxy_ssl_verify_depth 2;"
        f" proxy_ssl_trusted_certificate {folder}/ca.pem; }}\n"
        for host in hosts
    )
    configuration = folder / "nginx.conf"
    configuration.write_text(
        f"pid {folder}/pid; events {{}} http {{ access_log off; "
        f"proxy_temp_path {folder}/1; client_body_temp_path {folder}/2; fastcgi_temp_path "
        f"{folder}/3; uwsgi_temp_path {folder}/4; scgi_temp_path {folder}/5;\n"
        f"server {{ listen {LOOPBACK}:{own};\n{locations} }} }}"
    )
    command = [str(programs.nginx()), "-p", f"{folder}/", "-e", "stderr", "-c", str(configuration)]
    process = ServerProcess(
        f"nginx-{own}", [*command, "-g", "daemon off;"], run, env={}, grace_seconds=2
    )
    try:
        wait_until_accepts(own, process.check_alive)
        yield f"http://{LOOPBACK}:{own}"
    finally:
        process.stop()


def nginx_accepts(url: str, host: str) -> bool:
    try:
        urllib.request.urlopen(f"{url}/{host}", timeout=15)
    except urllib.error.HTTPError as error:
        assert error.code == 502
        return False
    return True


def test_clients_accept_what_is_served(
    pair: tuple[str, str], node: Node, tmp_path: Path, run_folder: RunFolder
) -> None:
    issuer = parse_issued("ca-1", *pair)
    assert issuer is not None
    served = issue_certificate(issuer, dns_names(DOMAIN), NOW)
    with serving(served.chain, served.key, tmp_path) as port:
        for host in OWN:
            openssl_accepts(port, pair[0], host)
        given = {"port": port, "ca": pair[0], "hosts": OWN}
        assert node.run("verify.js", given) == dict.fromkeys(OWN)
        with nginx_client(port, pair[0], OWN, run_folder) as url:
            assert all(nginx_accepts(url, host) for host in OWN)


@pytest.mark.parametrize("host", [*FOREIGN, LOOPBACK])
def test_a_stolen_authority_is_believed_about_no_other_name(
    host: str, pair: tuple[str, str], node: Node, tmp_path: Path, run_folder: RunFolder
) -> None:
    authority = pair[0]
    with serving(*stolen(*pair, host), tmp_path) as port:
        with pytest.raises(ssl.SSLCertVerificationError, match="subtree violation"):
            openssl_accepts(port, authority, host)
        found = node.run("verify.js", {"port": port, "ca": authority, "hosts": [host]})
        assert "subtree violation" in found[host]
        with nginx_client(port, authority, (host,), run_folder) as url:
            assert not nginx_accepts(url, host)


def test_a_stolen_authority_is_believed_about_the_platforms_names(
    pair: tuple[str, str], tmp_path: Path
) -> None:
    """So it is the constraint that keeps the others out."""
    with serving(*stolen(*pair, OWN[1]), tmp_path) as port:
        openssl_accepts(port, pair[0], OWN[1])
