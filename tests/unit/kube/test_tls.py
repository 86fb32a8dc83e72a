"""A broken TLS handshake is a clear, retryable error, in the commands and in the operator."""

from __future__ import annotations

import asyncio
import base64
import datetime as dt
import json
import logging
from pathlib import Path

import pytest
from typer.testing import CliRunner

from pryv_operator.cli.main import operator
from pryv_operator.kube.client import KubeClient
from pryv_operator.kube.connection import Connection
from pryv_operator.kube.errors import UnavailableError
from pryv_operator.kube.kopf_handlers import PlatformWatch
from pryv_operator.kube.resources import CONFIG_MAPS
from pryv_operator.pki import authority
from tests.unit.kube.certificates import self_signed
from tests.unit.kube.servers import ApiServer, serving


def other_authority(folder: Path) -> Path:
    file = folder / "other-ca.pem"
    file.write_text(authority.issue_authority("other", "localhost", dt.datetime.now(dt.UTC)).chain)
    return file


def configuration(url: str, ca: Path) -> Connection:
    return Connection(host=url, authority=ca)


async def test_a_server_with_another_authority(tmp_path: Path) -> None:
    async with (
        serving(ApiServer(), self_signed(tmp_path)) as server,
        KubeClient(configuration(server.url, other_authority(tmp_path))) as client,
    ):
        for call in (
            client.get(CONFIG_MAPS, "n", "a"),
            anext(client.watch(CONFIG_MAPS, "n", {}, accept="*/*")),
        ):
            with pytest.raises(UnavailableError, match=r"certificate is not trusted: .*; check"):
                await call


async def test_a_server_that_speaks_no_tls(tmp_path: Path) -> None:
    async with serving(ApiServer()) as server:
        url = server.url.replace("http", "https")
        async with KubeClient(configuration(url, other_authority(tmp_path))) as client:
            with pytest.raises(UnavailableError, match=r"handshake failed: .*; check the address"):
                await client.get(CONFIG_MAPS, "n", "a")


async def test_the_operator_waits_for_a_server_that_it_trusts(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING)
    stop = asyncio.Event()
    async with (
        serving(ApiServer(), self_signed(tmp_path)) as server,
        KubeClient(configuration(server.url, other_authority(tmp_path))) as client,
    ):
        waiting = asyncio.create_task(
            PlatformWatch(client, [], lambda *_: None, lambda *_: None).wait_for_crd(stop)
        )
        async with asyncio.timeout(30):
            while "is not trusted" not in caplog.text:  # noqa: ASYNC110
                await asyncio.sleep(0.05)
        assert not waiting.done()
        stop.set()
        await waiting


@pytest.mark.parametrize("ca", [b"no certificate", b"", b"-----BEGIN CERTIFICATE-----\nAA\n"])
def test_an_authority_that_is_no_certificate_is_reported(tmp_path: Path, ca: bytes) -> None:
    cluster = {
        "server": "https://127.0.0.1:1",
        "certificate-authority-data": base64.b64encode(ca or b" ").decode(),
    }
    document = {
        "clusters": [{"name": "c", "cluster": cluster}],
        "users": [{"name": "u", "user": {"token": "t"}}],
        "contexts": [{"name": "c", "context": {"cluster": "c", "user": "u"}}],
        "current-context": "c",
    }
    file = tmp_path / "kubeconfig"
    file.write_text(json.dumps(document))
    answer = CliRunner().invoke(operator, ["run", f"--kubeconfig={file}"])
    assert answer.exit_code == 2, answer.output
    assert "cannot be read" in " ".join(answer.output.replace("│", " ").split())
