"""``kubectl-pryv history``, ``diff`` and ``rollback``: which cluster they use, and their errors."""

from __future__ import annotations

import socket
from pathlib import Path
from typing import Any, ClassVar

import pytest
import yaml
from click.testing import Result
from typer.testing import CliRunner

from pryv_operator.api.kubernetes import Object
from pryv_operator.cli import platform_history
from pryv_operator.cli.connection import (
    KubeconfigError,
    connect,
    impersonation,
    kubeconfig_files,
    merged,
    request_seconds,
    resolved,
)
from pryv_operator.cli.plugin import plugin
from pryv_operator.cli.shared_options import ConnectionOptions
from pryv_operator.kube.errors import ConflictError
from pryv_operator.rollout.recorded import HistoryError

TOKEN = "canary-token-0123456789"
COMMANDS = (("history", "acme"), ("diff", "acme", "--revision=1"), ("rollback", "acme", "--to=1"))


def kubeconfig(
    path: Path,
    *contexts: str,
    server: str = "https://127.0.0.1:1",
    current: str | None = None,
    **more: Any,
) -> Path:
    """A kubeconfig with contexts of one cluster and user, each with a namespace of its name."""
    config = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "here", "cluster": {"server": server}}],
        "users": [{"name": "me", "user": {"token": TOKEN}}],
        "contexts": [
            {"name": name, "context": {"cluster": "here", "user": "me", "namespace": f"in-{name}"}}
            for name in contexts
        ],
        **({"current-context": current} if current else {}),
    }
    path.write_text(yaml.safe_dump(config | more))
    return path


def run(*arguments: str, **env: str) -> Result:
    result = CliRunner(env={"KUBECONFIG": "", **env}).invoke(plugin, [*arguments])
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    assert TOKEN not in result.output
    return result


async def connection(options: ConnectionOptions, **environment: str) -> tuple[str, str]:
    """The API server and the namespace that are used."""
    async with connect(options, environment) as (cluster, namespace):
        return cluster.connection.host, namespace


class TestConnection:
    """The cluster and the namespace are chosen as by kubectl."""

    def test_kubeconfig_files(self, tmp_path: Path) -> None:
        default = tmp_path / ".kube" / "config"
        default.parent.mkdir()
        files = [kubeconfig(path, "x") for path in (default, tmp_path / "a", tmp_path / "b")]
        home = {"HOME": str(tmp_path)}
        assert kubeconfig_files(None, home) == [default]
        assert (
            kubeconfig_files(
                None, {**home, "KUBECONFIG": f"{files[1]}:{tmp_path / 'missing'}:{files[2]}:"}
            )
            == files[1:]
        )
        assert kubeconfig_files(files[2], {**home, "KUBECONFIG": str(files[1])}) == [files[2]]
        with pytest.raises(KubeconfigError, match="missing"):
            kubeconfig_files(tmp_path / "missing", home)

    async def test_first_file_with_a_context_wins(self, tmp_path: Path) -> None:
        first = kubeconfig(tmp_path / "a", "one", current="one", server="https://first.test")
        second = kubeconfig(
            tmp_path / "b", "one", "two", current="two", server="https://second.test"
        )
        both = f"{first}:{second}"
        assert await connection(ConnectionOptions(), KUBECONFIG=both) == (
            "https://first.test",
            "in-one",
        )
        assert await connection(ConnectionOptions(context="two"), KUBECONFIG=both) == (
            "https://first.test",
            "in-two",
        )
        assert await connection(ConnectionOptions(namespace="mine"), KUBECONFIG=both) == (
            "https://first.test",
            "mine",
        )
        assert await connection(ConnectionOptions(kubeconfig=second), KUBECONFIG=str(first)) == (
            "https://second.test",
            "in-two",
        )

    async def test_context_without_a_namespace(self, tmp_path: Path) -> None:
        plain = {"contexts": [{"name": "x", "context": {"cluster": "here", "user": "me"}}]}
        assert (
            await connection(
                ConnectionOptions(kubeconfig=kubeconfig(tmp_path / "a", current="x", **plain))
            )
        )[1] == "default"


class TestErrors:
    """Expected errors end with one message, and never quote a credential."""

    @pytest.mark.parametrize("command", COMMANDS)
    def test_unreachable_api_server(self, tmp_path: Path, command: tuple[str, ...]) -> None:
        with socket.socket() as bound:  # not listening, so connections are refused
            bound.bind(("127.0.0.1", 0))
            server = f"https://127.0.0.1:{bound.getsockname()[1]}"
            result = run(
                *command,
                KUBECONFIG=str(kubeconfig(tmp_path / "a", "x", current="x", server=server)),
            )
        assert result.exit_code == 1
        assert result.stderr.startswith(f"error: API server {server}: cannot be reached")
        assert result.stdout == ""

    def test_missing_kubeconfig(self, tmp_path: Path) -> None:
        result = run("history", "acme", HOME=str(tmp_path))
        assert (result.exit_code, result.stdout) == (2, "")
        assert f"{tmp_path}/.kube/config: kubeconfig not found" in result.stderr

    @pytest.mark.parametrize(
        ("different", "why"),
        [
            ({"current-context": ""}, "no current context"),
            ({"current-context": "other"}, 'context "other" not found; existing: x'),
            ({"contexts": None}, 'context "x" not found; existing: none'),
            ({"contexts": ["text"]}, 'context "x" not found'),
            ({"contexts": [{"name": "x", "context": "text"}]}, 'context "x" cannot be used'),
            ({"clusters": []}, 'context "x" cannot be used'),
            ({"clusters": [{"name": "here"}]}, 'context "x" cannot be used'),
            ({"users": [{"name": "me", "token": TOKEN}]}, 'context "x" cannot be used'),
            ({"users": [{"token": TOKEN}]}, 'context "x" cannot be used'),
            (
                {
                    "clusters": [
                        {
                            "name": "here",
                            "cluster": {"server": "https://x", "certificate-authority": "/missing"},
                        }
                    ]
                },
                "does not exist",
            ),
            (
                {
                    "clusters": [
                        {
                            "name": "here",
                            "cluster": {
                                "server": "https://x",
                                "certificate-authority-data": "eA==",
                            },
                        }
                    ]
                },
                "malformed",
            ),
        ],
    )
    def test_unusable_kubeconfig(self, tmp_path: Path, different: dict[str, Any], why: str) -> None:
        result = run(
            "history",
            "acme",
            "--kubeconfig",
            str(kubeconfig(tmp_path / "a", "x", **{"current-context": "x", **different})),
        )
        assert result.exit_code == 2, result.output
        assert why in result.stderr

    @pytest.mark.parametrize("text", ["just text", "{", f"[{TOKEN}]", "\0"])
    def test_malformed_kubeconfig(self, tmp_path: Path, text: str) -> None:
        (tmp_path / "a").write_text(text)
        assert run("history", "acme", "--kubeconfig", str(tmp_path / "a")).exit_code == 2

    @pytest.mark.parametrize(
        "command",
        [("diff", "acme"), ("rollback", "acme"), ("history",), ("rollback", "acme", "--to=last")],
    )
    def test_wrong_usage(self, command: tuple[str, ...]) -> None:
        assert run(*command).exit_code == 2


class BusyServer:
    """An API server on which another client writes before each write of the command."""

    def __init__(self, *versions: Object) -> None:
        self.versions = list(versions)
        self.written: list[tuple[Object, Object]] = []

    async def replace_spec(
        self, item: Object, spec: Object, manager: str, *, dry_run: bool
    ) -> None:
        assert manager == "kubectl-pryv"
        if self.versions:
            raise ConflictError(409, "Conflict", "the object has been modified")
        self.written.append((item, spec))

    async def get(self, *_: object) -> Object | None:
        return self.versions.pop(0)


def version(number: int, generation: int = 1) -> Object:
    metadata = {
        "name": "acme",
        "namespace": "pryv",
        "uid": "u",
        "generation": generation,
        "resourceVersion": str(number),
    }
    return {"metadata": metadata, "spec": {"domain": "a.test"}}


class TestWriting:
    """The spec that was read is replaced, or nothing."""

    async def test_a_changed_status_is_no_conflict(self) -> None:
        server: Any = BusyServer(version(2), version(3))
        await platform_history.write_spec(server, version(1), {"domain": "b.test"}, dry_run=False)
        assert server.written == [(version(3), {"domain": "b.test"})]

    async def test_a_changed_spec_is_a_conflict(self) -> None:
        server: Any = BusyServer(version(2), version(3, generation=2))
        with pytest.raises(HistoryError, match="changed by another client meanwhile"):
            await platform_history.write_spec(
                server, version(1), {"domain": "b.test"}, dry_run=False
            )
        assert server.written == []

    async def test_endless_conflicts_end_in_an_error(self) -> None:
        server: Any = BusyServer(*(version(number) for number in range(2, 20)))
        with pytest.raises(HistoryError, match="try again"):
            await platform_history.write_spec(
                server, version(1), {"domain": "b.test"}, dry_run=False
            )


class TestOptionsOfKubectl:
    """Options change the chosen cluster and user, and nothing else."""

    FILE: ClassVar[Any] = {
        "clusters": {"a": {"server": "https://a", "certificate-authority-data": "x"}, "b": {}},
        "users": {"me": {"token": TOKEN, "as": "somebody"}, "other": {"token": "o"}},
        "contexts": {"x": {"cluster": "a", "user": "me"}},
    }

    def resolved(self, **options: Any) -> tuple[dict[str, Any], dict[str, Any]]:
        return resolved(self.FILE, "x", ConnectionOptions(**options))

    def test_without_options(self) -> None:
        assert self.resolved() == (self.FILE["clusters"]["a"], self.FILE["users"]["me"])

    def test_cluster_and_user(self) -> None:
        assert self.resolved(cluster="b", user="other") == ({}, {"token": "o"})
        for option in ("cluster", "user"):
            with pytest.raises(KubeconfigError, match=f'--{option}: {option} "c" not found'):
                self.resolved(**{option: "c"})

    def test_server_and_trust(self) -> None:
        cluster, _ = self.resolved(server="https://c", insecure_skip_tls_verify=True)
        assert cluster == {"server": "https://c", "insecure-skip-tls-verify": True}
        cluster, _ = self.resolved(certificate_authority=Path("/ca"), tls_server_name="n")
        assert cluster["certificate-authority"] == "/ca"
        assert "certificate-authority-data" not in cluster

    def test_credentials_replace_those_of_the_user(self) -> None:
        assert self.resolved(token="t")[1] == {"token": "t", "as": "somebody"}
        _, user = self.resolved(client_certificate=Path("/c"), client_key=Path("/k"))
        assert user == {"client-certificate": "/c", "client-key": "/k", "as": "somebody"}

    def test_impersonation(self) -> None:
        _, user = self.resolved(impersonate="jane", impersonate_groups=["a", "b"])
        assert impersonation(user) == (
            ("Impersonate-User", "jane"),
            ("Impersonate-Group", "a"),
            ("Impersonate-Group", "b"),
        )
        extra = {"as": "x", "as-user-extra": {"reason/why": ["on call"]}}
        assert ("Impersonate-Extra-reason%2Fwhy", "on call") in impersonation(extra)

    def test_request_timeout(self) -> None:
        assert request_seconds("") is None
        assert request_seconds("1m30s") == 90
        with pytest.raises(KubeconfigError, match="--request-timeout"):
            request_seconds("soon")

    async def test_relative_paths_are_of_the_files_folder(self, tmp_path: Path) -> None:
        users = {"users": [{"name": "me", "user": {"client-key": "key.pem"}}]}
        assert merged([(users, tmp_path)])["users"]["me"]["client-key"] == f"{tmp_path}/key.pem"
