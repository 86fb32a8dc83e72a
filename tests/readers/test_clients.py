"""TLS clients verify the served chain, and Pryv's client library reads the service information."""

from __future__ import annotations

import json
import socket
import ssl
from pathlib import Path

import pytest

from tests.cluster.run_folder import RunFolder
from tests.readers.nginx import RunningNginx, localise, running_nginx
from tests.readers.node_packages import Node
from tests.readers.platforms import ALL, BUILT_IN, ReadPlatform, read_platform
from tests.readers.ports import LOOPBACK
from tests.readers.public_site import PublicSite

PROXY = "reverse-proxy"
#: The service information of 2019 is not complete enough for today's library.
KNOWN_TO_THE_LIBRARY = [name for name in ALL if name != "2019-seed-era"]


def registry(platform: ReadPlatform) -> str:
    """The instance that serves reg.DOMAIN."""
    return "single" if "single" in platform.name else "reg"


def handshake(
    running: RunningNginx, host: str, context: ssl.SSLContext
) -> tuple[dict[str, object], str]:
    """The certificate that a client verified, and the version of TLS."""
    with (
        socket.create_connection((LOOPBACK, running.files.ports[443]), timeout=15) as plain,
        context.wrap_socket(plain, server_hostname=host) as connection,
    ):
        certificate = connection.getpeercert()
        assert certificate
        return dict(certificate), connection.version() or ""


@pytest.mark.parametrize("name", BUILT_IN)
def test_tls_clients_verify_the_served_chain(
    name: str, run_folder: RunFolder, public_pages: PublicSite
) -> None:
    platform = read_platform(name)
    pod = platform.pod(registry(platform), PROXY)
    files = localise(pod, run_folder.path / f"tls-{name}")
    strict = ssl.create_default_context(cadata=platform.authority)
    strict.verify_flags |= ssl.VERIFY_X509_STRICT  # the default from Python 3.13
    old = ssl.create_default_context(cadata=platform.authority)
    old.maximum_version = ssl.TLSVersion.TLSv1_2
    with running_nginx(pod, files, run_folder, public_pages) as running:
        for host in (platform.domain, f"reg.{platform.domain}", f"alice.{platform.domain}"):
            certificate, version = handshake(running, host, strict)
            assert version == "TLSv1.3"
            assert certificate["subjectAltName"] == (
                ("DNS", platform.domain),
                ("DNS", f"*.{platform.domain}"),
            )
        assert handshake(running, f"reg.{platform.domain}", old)[1] == "TLSv1.2"
        with pytest.raises(ssl.SSLCertVerificationError):
            handshake(running, "reg.example.org", strict)
        with pytest.raises(ssl.SSLCertVerificationError):
            handshake(running, f"reg.{platform.domain}", ssl.create_default_context())


@pytest.mark.parametrize("name", KNOWN_TO_THE_LIBRARY)
def test_pryvs_client_library_reads_the_service_information(
    name: str, node: Node, run_folder: RunFolder, public_pages: PublicSite, tmp_path: Path
) -> None:
    """`/service/info` of register is `service` of its file (`src/routes/service.js`)."""
    platform = read_platform(name)
    pod = platform.pod(registry(platform), PROXY)
    files = localise(pod, run_folder.path / f"client-{name}")
    info = json.loads(platform.pod(registry(platform), "register").text("/app/conf/register.json"))[
        "service"
    ]
    authority = tmp_path / "ca.pem"
    authority.write_text(platform.authority)
    answers = {"register": {"/service/info": info}}
    with running_nginx(pod, files, run_folder, public_pages, answers=answers):
        url = f"https://reg.{platform.domain}:{files.ports[443]}/service/info"
        read = node.run(
            "client.js",
            {"url": url, "username": "alice"},
            environment={"NODE_EXTRA_CA_CERTS": str(authority)},
        )
    # The library completes URLs with a slash.
    assert {key: _bare(value) for key, value in read["info"].items()} == {
        key: _bare(value) for key, value in info.items()
    }
    assert read["endpoint"] == f"https://token@alice.{platform.domain}/"


def _bare(value: object) -> object:
    return value.rstrip("/") if isinstance(value, str) else value
