"""How the API server is reached: certificates, names in them, proxies."""

from __future__ import annotations

import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from aiohttp import web

from pryv_operator.kube.client import KubeClient
from pryv_operator.kube.connection import (
    Connection,
    CredentialsError,
    _proxy_of_environment,
)
from pryv_operator.kube.errors import UnavailableError
from pryv_operator.kube.resources import CONFIG_MAPS
from tests.unit.kube.certificates import trusted
from tests.unit.kube.servers import ApiServer, serving


@asynccontextmanager
async def proxy() -> AsyncIterator[tuple[str, list[web.BaseRequest]]]:
    """An HTTP proxy that answers itself; its address, and what it was asked."""
    asked: list[web.BaseRequest] = []

    async def handle(request: web.BaseRequest) -> web.Response:
        asked.append(request)
        return web.json_response({"metadata": {"name": "a"}})

    runner = web.ServerRunner(web.Server(handle))
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        yield f"127.0.0.1:{runner.addresses[0][1]}", asked
    finally:
        await runner.cleanup()


@pytest.fixture(autouse=True)
def _without_proxies(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "https_proxy", "no_proxy", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


async def test_the_proxy_of_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    async with proxy() as (address, asked):
        monkeypatch.setenv("http_proxy", f"http://me:pass@{address}")
        async with KubeClient(Connection("http://api.invalid")) as client:
            await client.get(CONFIG_MAPS, "n", "a")
            assert str(asked[0].raw_path).startswith("http://api.invalid/")
            assert asked[0].headers["Proxy-Authorization"] == "Basic bWU6cGFzcw=="
        monkeypatch.setenv("no_proxy", "api.invalid")
        async with KubeClient(Connection("http://api.invalid")) as client:
            with pytest.raises(UnavailableError):
                await client.get(CONFIG_MAPS, "n", "a")


@pytest.mark.parametrize(
    ("excluded", "host", "is_used"),
    [
        ("10.96.0.0/12,.svc", "10.96.0.1", False),
        (".svc, 10.0.0.0/8", "10.96.0.1", False),
        ("10.96.0.7/12", "10.96.0.1", False),
        ("fd00::/8", "[fd00::1]", False),
        ("*", "10.96.0.1", False),
        ("192.168.0.0/16,fd00::/8,nonsense/33,", "10.96.0.1", True),
        ("10.0.0.0/8", "[fd00::1]", True),
        ("10.0.0.0/8", "api.example.com", True),
        ("api.example.com", "api.example.com", False),
    ],
)
@pytest.mark.parametrize("variable", ["NO_PROXY", "no_proxy"])
def test_networks_that_are_reached_without_the_proxy(
    excluded: str, host: str, is_used: bool, variable: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In a pod the API server is an IP address, and clusters exclude networks of them."""
    monkeypatch.setenv("HTTPS_PROXY", "http://proxy.example.com:3128")
    monkeypatch.setenv(variable, excluded)
    assert bool(_proxy_of_environment(f"https://{host}:443")) == is_used


async def test_the_proxy_of_a_kubeconfig_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    async with proxy() as (address, asked):
        monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")
        connection = Connection("http://api.invalid", proxy=f"http://{address}")
        async with KubeClient(connection) as client:
            await client.get(CONFIG_MAPS, "n", "a")
    assert len(asked) == 1


@pytest.mark.parametrize(
    ("name", "works"), [("localhost", True), ("other.test", False), (None, False)]
)
async def test_the_name_in_the_servers_certificate(
    tmp_path: Path, name: str | None, works: bool
) -> None:
    """The server is called 127.0.0.1; its certificate names localhost."""
    async with serving(ApiServer(), trusted(tmp_path)) as server:
        connection = Connection(server.url, authority=tmp_path / "ca.pem", server_name=name)
        async with KubeClient(connection) as client:
            if works:
                await client.get(CONFIG_MAPS, "n", "a")
            else:
                with pytest.raises(UnavailableError, match="certificate is not trusted"):
                    await client.get(CONFIG_MAPS, "n", "a")


async def test_certificates_given_as_data(tmp_path: Path) -> None:
    context = trusted(tmp_path)
    ca, key = ((tmp_path / name).read_bytes() for name in ("ca.pem", "ca-key.pem"))
    context.verify_mode = ssl.CERT_REQUIRED
    context.load_verify_locations(tmp_path / "ca.pem")
    async with serving(ApiServer(), context) as server:
        anonymous = Connection(server.url, authority=ca, server_name="localhost")
        async with KubeClient(anonymous) as client:
            with pytest.raises(UnavailableError):
                await client.get(CONFIG_MAPS, "n", "a")
        async with KubeClient(replace(anonymous, certificate=ca, key=key)) as client:
            await client.get(CONFIG_MAPS, "n", "a")


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(CredentialsError, match=r"ca\.pem: file not found"):
        Connection("https://h", authority=tmp_path / "ca.pem").tls_context()


def test_verification_can_be_switched_off() -> None:
    context = Connection("https://h", verify=False).tls_context()
    assert isinstance(context, ssl.SSLContext)
    assert context.verify_mode == ssl.CERT_NONE
    assert Connection("http://h").tls_context() is True
