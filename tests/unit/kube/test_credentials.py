"""Credentials are read as the Kubernetes client library reads them, and without it."""

from __future__ import annotations

import base64
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from kubernetes.aio import config
from kubernetes.aio.client import Configuration

from pryv_operator.kube.connection import Connection, CredentialsError, TokenFile
from pryv_operator.kube.credentials import connection_of, read_in_cluster, read_kubeconfig

SECRET = "do-not-print-9c1f"
TEXTS = st.text(alphabet="abc019:=/", max_size=6)


def kubeconfig(cluster: Any, user: Any) -> dict[str, Any]:
    return {
        "current-context": "one",
        "contexts": [{"name": "one", "context": {"cluster": "c", "user": "u"}}],
        "clusters": [{"name": "c", "cluster": cluster}],
        "users": [{"name": "u", "user": user}],
    }


def written(folder: Path, document: Any) -> Path:
    file = folder / "kubeconfig"
    file.write_text(yaml.safe_dump(document))
    return file


async def as_the_library_reads(document: dict[str, Any]) -> Connection:
    found = Configuration()
    await config.load_kube_config_from_dict(document, client_configuration=found)
    token = found.api_key.get("BearerToken")
    files = (found.ssl_ca_cert, found.cert_file, found.key_file)
    return Connection(
        found.host,
        *(Path(each) if each else None for each in files),
        found.verify_ssl,
        found.tls_server_name,
        found.proxy,
        lambda: token,
    )


def comparable(found: Connection) -> tuple[Any, ...]:
    files = (found.authority, found.certificate, found.key)
    return (
        found.host,
        [each.read_bytes() if isinstance(each, Path) else each for each in files],
        (found.verify, found.server_name, found.proxy, found.authorization()),
    )


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("files")
    for name in ("ca", "certificate", "key"):
        (folder / name).write_text(f"content of {name}")
    return folder


@given(st.data())
async def test_a_kubeconfig_is_read_as_by_the_library(files: Path, data: st.DataObject) -> None:
    encoded = TEXTS.map(lambda text: base64.b64encode(text.encode()).decode())

    def pem(key: str, name: str) -> dict[str, st.SearchStrategy[Any]]:
        return {key: st.just(str(files / name)), f"{key}-data": encoded}

    cluster = data.draw(
        st.fixed_dictionaries(
            {"server": st.sampled_from(["https://h:1", "https://h:1/", "https://h/k8s/c/x"])},
            optional=pem("certificate-authority", "ca")
            | {
                "insecure-skip-tls-verify": st.booleans(),
                "tls-server-name": TEXTS,
                "proxy-url": st.just("http://proxy:3128"),
            },
        )
    )
    user = data.draw(
        st.fixed_dictionaries(
            {},
            optional=pem("client-certificate", "certificate")
            | pem("client-key", "key")
            | {
                "token": TEXTS,
                "tokenFile": st.just(str(files / "key")),
                "username": TEXTS,
                "password": TEXTS,
            },
        )
    )
    assert comparable(await connection_of(cluster, user, files)) == comparable(
        await as_the_library_reads(kubeconfig(cluster, user))
    )


async def test_relative_paths_are_relative_to_the_file(files: Path, tmp_path: Path) -> None:
    (tmp_path / "token").write_text("t\n")
    cluster = {"server": "https://h", "certificate-authority": "ca.pem"}
    file = written(tmp_path, kubeconfig(cluster, {"tokenFile": "token"}))
    found = await read_kubeconfig(file)
    assert found.authority == tmp_path / "ca.pem"
    assert found.authorization() == "Bearer t"


async def test_a_program_gives_the_credentials(tmp_path: Path) -> None:
    program = tmp_path / "login"
    program.write_text(
        '#!/bin/sh\necho \'{"apiVersion": "client.authentication.k8s.io/v1", '
        '"kind": "ExecCredential", "status": {"token": "from-it"}}\'\n'
    )
    program.chmod(0o700)
    execute = {"apiVersion": "client.authentication.k8s.io/v1", "command": str(program)}
    cluster = {"server": "https://h", "certificate-authority-data": "eA=="}
    found = await read_kubeconfig(written(tmp_path, kubeconfig(cluster, {"exec": execute})))
    assert (found.host, found.authorization()) == ("https://h", "Bearer from-it")
    assert isinstance(found.authority, Path)
    assert found.authority.read_bytes() == b"x"


async def test_a_program_that_gives_nothing(tmp_path: Path) -> None:
    document = kubeconfig({"server": "https://h"}, {"exec": {"env": SECRET}})
    with pytest.raises(CredentialsError, match="gave no credentials") as error:
        await read_kubeconfig(written(tmp_path, document))
    assert SECRET not in str(error.value)


@pytest.mark.parametrize(
    "change",
    [
        {"contexts": [{"name": "one", "context": {"cluster": "other", "user": "u"}}]},
        {"contexts": [{"name": "one", "context": {"cluster": "c", "user": "other"}}]},
        {"contexts": [{"name": "one", "context": None}]},
        {"contexts": []},
        {"clusters": [{"name": "c", "cluster": {}}]},
        {"clusters": [{"name": "c"}]},
        {"clusters": SECRET},
        {"users": [{"name": "u", "user": SECRET}]},
        {"users": [{"name": "u", "user": {"client-key-data": f"{SECRET}!"}}]},
        {"users": [{"name": "u", "user": {"auth-provider": {"name": "oidc", "config": SECRET}}}]},
    ],
    ids=lambda change: str(change)[:50],
)
async def test_what_is_malformed_is_not_quoted(tmp_path: Path, change: Any) -> None:
    document = kubeconfig({"server": "https://h"}, {"token": SECRET}) | change
    with pytest.raises(CredentialsError, match="kubeconfig: not a valid kubeconfig") as error:
        await read_kubeconfig(written(tmp_path, document))
    assert SECRET not in str(error.value)


async def test_a_context_is_never_guessed(tmp_path: Path) -> None:
    document = kubeconfig({"server": "https://h"}, {})
    document["contexts"] += [{"name": "two", "context": {"cluster": "c", "user": "u"}}]
    file = written(tmp_path, document)
    with pytest.raises(CredentialsError, match="several contexts: one, two; name one"):
        await read_kubeconfig(file)
    with pytest.raises(CredentialsError, match='context "three" not found; existing: one, two'):
        await read_kubeconfig(file, "three")
    assert (await read_kubeconfig(file, "two")).host == "https://h"


def pod(folder: Path) -> dict[str, str]:
    (folder / "token").write_text("one\n")
    (folder / "ca.crt").write_text("ca")
    return {"KUBERNETES_SERVICE_HOST": "10.0.0.1", "KUBERNETES_SERVICE_PORT": "443"}


def test_the_credentials_of_a_pod(tmp_path: Path) -> None:
    environment = pod(tmp_path)
    found = read_in_cluster(environment, tmp_path)
    assert (found.host, found.authority) == ("https://10.0.0.1:443", tmp_path / "ca.crt")
    assert found.authorization() == "Bearer one"
    ipv6 = environment | {"KUBERNETES_SERVICE_HOST": "fd00::1"}
    assert read_in_cluster(ipv6, tmp_path).host == "https://[fd00::1]:443"


@pytest.mark.parametrize("missing", ["KUBERNETES_SERVICE_HOST", "token", "ca.crt"])
def test_outside_of_a_pod(tmp_path: Path, missing: str) -> None:
    environment = pod(tmp_path)
    environment.pop(missing, None)
    if missing[0].islower():
        (tmp_path / missing).unlink()
    with pytest.raises(CredentialsError, match=f"{missing}.*; --in-cluster works in a pod only"):
        read_in_cluster(environment, tmp_path)


def test_a_token_is_read_again_every_minute(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    now, file = 0.0, tmp_path / "token"
    file.write_text("one\n")
    token = TokenFile(file, lambda: now)
    file.write_text("two\n")
    now = 59.0
    assert token() == "Bearer one"
    now = 60.0
    assert token() == "Bearer two"
    file.write_text("")
    now = 130.0
    assert [token(), token()] == ["Bearer two"] * 2
    assert caplog.text.count("the last one is used") == 1
    file.write_text("three")
    now = 190.0
    assert token() == "Bearer three"


def test_an_empty_token_is_reported(tmp_path: Path) -> None:
    (tmp_path / "token").write_text("\n")
    with pytest.raises(CredentialsError, match="token: the file is empty"):
        TokenFile(tmp_path / "token")


def test_representations_hold_no_credentials() -> None:
    found = Connection(
        "https://h",
        certificate=SECRET.encode(),
        key=SECRET.encode(),
        proxy=f"http://u:{SECRET}@p",
        authorization=lambda: SECRET,
    )
    assert SECRET not in repr(found)


def test_the_library_is_loaded_for_those_who_need_it_only() -> None:
    """The operator in a pod, and users with a token, need none of it."""
    program = (
        "import sys, pryv_operator.kube.credentials, pryv_operator.kube.kopf_handlers\n"
        "print([each for each in sys.modules if each.partition('.')[0] == 'kubernetes'])"
    )
    answer = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert answer.stdout == "[]\n"
