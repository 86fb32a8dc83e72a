"""A real Kubernetes control plane on 127.0.0.1.

It consists of etcd, API server, controller-manager and scheduler.
"""

from __future__ import annotations

import base64
import contextlib
import dataclasses
import http.client
import json
import os
import random
import secrets
import socket
import subprocess
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tests.cluster.api_client import ApiClient, ApiError
from tests.cluster.binaries import Binaries, ensure_binaries
from tests.cluster.processes import ServerExitedError, ServerProcess
from tests.cluster.run_folder import RunFolder
from tests.cluster.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from types import TracebackType

SERVICE_RANGE = "10.96.0.0/16"
START_SECONDS = 90
_PORT_ATTEMPTS = 5
# What listens on the port may be another process, which never answers.
_READY_REQUEST_SECONDS = 5
_GRACE_SECONDS = 4
_CONTROLLERS = ("kube-controller-manager", "kube-scheduler")
#: 8 GiB: the default of 2 GiB is full after some hundred platforms and their changes.
_ETCD_QUOTA = 8 << 30
_HIGHEST_P256_KEY = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632550


class KubectlError(RuntimeError):
    """kubectl has failed; the message holds its output."""


class ControlPlane:
    """`with ControlPlane(echo=print) as cluster:` is ready when entered, removed when left.

    `cluster.token` and `cluster.kubeconfig` belong to a member of system:masters.

    Raises:
        BuildError, ServerExitedError, WaitTimeoutError: it did not start; all of it is stopped.
    """

    url: str
    token: str
    ca_file: Path
    kubeconfig: Path
    etcd_port: int
    folder: Path
    binaries: Binaries
    api: ApiClient

    def __init__(
        self, *, echo: Callable[[str], None] = lambda _line: None, go_memory: str = "400MiB"
    ) -> None:
        """``go_memory``: with more of it in use, each server collects garbage more often."""
        self._echo = echo
        self._go_memory = go_memory
        self._servers: list[ServerProcess] = []
        self._api_server: ServerProcess | None = None

    def __enter__(self) -> ControlPlane:
        self.binaries = ensure_binaries(self._echo)
        self._run_folder = RunFolder()
        self.folder = self._run_folder.path
        try:
            self._start()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.stop()

    def kubectl(
        self, *args: str, stdin: str | None = None, check: bool = True, seconds: float = 120
    ) -> subprocess.CompletedProcess[str]:
        """Run kubectl as the administrator of this cluster.

        Raises:
            KubectlError: it failed and `check` is set.
        """
        done = subprocess.run(
            [self.binaries.kubectl, f"--kubeconfig={self.kubeconfig}", *args],
            input=stdin,
            stdin=subprocess.DEVNULL if stdin is None else None,
            capture_output=True,
            text=True,
            env=self._environment(),
            timeout=seconds,
            check=False,
        )
        if check and done.returncode != 0:
            raise KubectlError(
                f"kubectl {' '.join(args)} exited with code {done.returncode}:\n"
                f"{done.stderr or done.stdout}"
            )
        return done

    def kubeconfig_for_token(self, token: str, name: str) -> Path:
        """Write a kubeconfig with a bearer token, such as a service account's; return its path."""
        path = self.folder / f"{name}.kubeconfig"
        authority = base64.b64encode(self.ca_file.read_bytes()).decode()
        config = {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [
                {
                    "name": "test",
                    "cluster": {"server": self.url, "certificate-authority-data": authority},
                }
            ],
            "users": [{"name": name, "user": {"token": token}}],
            "contexts": [{"name": name, "context": {"cluster": "test", "user": name}}],
            "current-context": name,
        }
        _write_private(path, json.dumps(config, indent=1))
        return path

    def start_server(
        self, name: str, command: Sequence[str | Path], *, grace_seconds: float = _GRACE_SECONDS
    ) -> ServerProcess:
        """Start another server that is stopped with this control plane."""
        server = ServerProcess(
            name, command, self._run_folder, env=self._environment(), grace_seconds=grace_seconds
        )
        self._servers.append(server)
        return server

    def stop_api_server(self, *, abruptly: bool = False) -> None:
        """Stop only the API server, with SIGTERM (`abruptly`: SIGKILL)."""
        if self._api_server is not None:
            self._api_server.stop(abruptly=abruptly)
            self._servers.remove(self._api_server)
            self._api_server = None

    def start_api_server(self) -> None:
        """Start the API server on its old port and wait until it is ready."""
        if self._api_server is None:
            self._api_server = self._start_api_server(self._api_port)

    @contextlib.contextmanager
    def without_controllers(self) -> Iterator[None]:
        """Stop controller-manager and scheduler while the context lasts; their caches are lost."""
        for server in [each for each in self._servers if each.name in _CONTROLLERS]:
            server.stop()
            self._servers.remove(server)
        yield
        self._start_controllers()

    def stop(self) -> None:
        """Stop everything and remove the folder."""
        etcd, others = self._servers[:1], self._servers[1:]
        for stopping in (others, etcd):  # without etcd, the API server does not shut down cleanly
            for server in stopping:
                server.ask_to_stop()
            for server in stopping:
                server.stop()
        self._servers.clear()
        self._api_server = None
        self._run_folder.remove()

    def _start(self) -> None:
        started = time.monotonic()
        self.token = secrets.token_urlsafe(32)
        self.etcd_port = self._on_a_free_port(self._start_etcd)
        self._write_credentials()
        self._api_port = self._on_a_free_port(self._first_start_of_api_server)
        self.kubeconfig = self.kubeconfig_for_token(self.token, "admin")
        self._start_controllers()
        wait_until(
            lambda: self.api.find("/api/v1/namespaces/default/serviceaccounts/default"),
            "the default service account",
            seconds=START_SECONDS,
        )
        for server in self._servers:
            server.check_alive()
        self._echo(
            f"control plane v{_version_of(self.api)} ready "
            f"in {time.monotonic() - started:.1f} s at {self.url}"
        )

    def _start_etcd(self, port: int) -> None:
        # A unique name tells this etcd from another one that may listen on the port.
        name = f"test-{secrets.token_hex(4)}"
        address = f"http://127.0.0.1:{port}"
        peers = "http://127.0.0.1:0"
        server = self.start_server(
            "etcd",
            [
                self.binaries.etcd,
                f"--name={name}",
                f"--data-dir={self.folder / 'etcd'}",
                f"--listen-client-urls={address}",
                f"--advertise-client-urls={address}",
                f"--listen-peer-urls={peers}",
                f"--initial-advertise-peer-urls={peers}",
                f"--initial-cluster={name}={peers}",
                "--unsafe-no-fsync",
                f"--quota-backend-bytes={_ETCD_QUOTA}",
                "--log-level=warn",
            ],
        )
        self._wait_for(server, lambda: _etcd_names(port) == [name])

    def _first_start_of_api_server(self, port: int) -> None:
        self.url = f"https://127.0.0.1:{port}"
        self._api_server = self._start_api_server(port)

    def _start_api_server(self, port: int) -> ServerProcess:
        server = self.start_server(
            "kube-apiserver",
            [
                self.binaries.kube_apiserver,
                f"--etcd-servers=http://127.0.0.1:{self.etcd_port}",
                "--bind-address=127.0.0.1",
                "--advertise-address=127.0.0.1",
                # A loopback address is not valid as an endpoint of the Service "kubernetes".
                "--endpoint-reconciler-type=none",
                f"--secure-port={port}",
                f"--cert-dir={self.folder / 'certificates'}",
                f"--token-auth-file={self.folder / 'tokens.csv'}",
                f"--service-account-key-file={self._service_account_key}",
                f"--service-account-signing-key-file={self._service_account_key}",
                "--service-account-issuer=https://kubernetes.default.svc",
                "--authorization-mode=Node,RBAC",
                f"--service-cluster-ip-range={SERVICE_RANGE}",
                "--allow-privileged=true",
                # The default waits a minute for watches to end.
                "--shutdown-watch-termination-grace-period=1s",
            ],
        )
        self._wait_for(server, self._is_api_ready)
        return server

    def _is_api_ready(self) -> bool:
        made = self.folder / "certificates" / "apiserver.crt"
        if not made.exists():
            return False
        self.ca_file = self.folder / "ca.crt"
        self.ca_file.write_text(_last_certificate(made.read_text()))
        self.api = ApiClient(self.url, self.token, self.ca_file)
        try:
            asking = dataclasses.replace(self.api, timeout_seconds=_READY_REQUEST_SECONDS)
            return asking.text("GET", "/readyz") == "ok"
        except (ApiError, OSError):
            return False

    def _start_controllers(self) -> None:
        # Without ports of their own: several control planes can run on one machine.
        common = [f"--kubeconfig={self.kubeconfig}", "--leader-elect=false", "--secure-port=0"]
        self.start_server(
            "kube-controller-manager",
            [
                self.binaries.kube_controller_manager,
                *common,
                f"--service-account-private-key-file={self._service_account_key}",
                f"--root-ca-file={self.ca_file}",
                "--use-service-account-credentials",
                "--kube-api-qps=200",
                "--kube-api-burst=400",
                # Five minutes by default, after which a quota knows of a CRD that is newer than it.
                "--resource-quota-sync-period=5s",
            ],
        )
        self.start_server("kube-scheduler", [self.binaries.kube_scheduler, *common])

    def _write_credentials(self) -> None:
        _write_private(self.folder / "tokens.csv", f'{self.token},admin,admin,"system:masters"\n')
        self._service_account_key = self.folder / "service-accounts.key"
        _write_private(self._service_account_key, _new_p256_key())

    def _on_a_free_port(self, start: Callable[[int], None]) -> int:
        """Call `start` with a free port; retry with another one if it is in use by then."""
        for attempt in range(1, _PORT_ATTEMPTS + 1):
            port = free_port()
            try:
                start(port)
            except ServerExitedError:
                died = self._servers.pop()
                if "address already in use" not in died.log() or attempt == _PORT_ATTEMPTS:
                    raise
            else:
                return port
        raise AssertionError("unreachable")

    def _wait_for(self, server: ServerProcess, is_ready: Callable[[], bool]) -> None:
        def ready() -> bool:
            server.check_alive()
            return is_ready()

        wait_until(
            ready, f"{server.name} (log: {server.log_file})", seconds=START_SECONDS, every=0.05
        )

    def _environment(self) -> dict[str, str]:
        """An environment without the user's kubeconfig, proxy and home."""
        return {
            "PATH": os.environ.get("PATH", os.defpath),
            "HOME": str(self.folder),
            # The servers live for minutes, and fewer collections save a tenth of their CPU time,
            # as long as their heaps are small.
            "GOGC": "400",
            "GOMEMLIMIT": self._go_memory,
        }


def free_port() -> int:
    """A free port on 127.0.0.1 below the ephemeral ports.

    On an ephemeral port, a client that retries a stopped server can connect to itself, which
    keeps the port in use.
    """
    for _ in range(100):
        port = random.randrange(10_000, max(_first_outgoing_port(), 11_000))
        with socket.socket() as candidate:
            candidate.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                candidate.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
    raise OSError("no free port found on 127.0.0.1")


def _first_outgoing_port() -> int:
    try:
        return int(Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()[0])
    except FileNotFoundError:
        return 49_152


def _etcd_names(port: int) -> list[str]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    try:
        connection.request("POST", "/v3/cluster/member/list", body="{}")
        members: list[dict[str, Any]] = json.loads(connection.getresponse().read()).get(
            "members", []
        )
        return [member.get("name", "") for member in members]
    except (OSError, http.client.HTTPException, ValueError):
        return []
    finally:
        connection.close()


def _last_certificate(pem: str) -> str:
    """The issuer's certificate, which the API server writes after its own."""
    begin = "-----BEGIN CERTIFICATE-----"
    return begin + pem.rpartition(begin)[2]


def _new_p256_key() -> str:
    """A private key for service account tokens, as PEM `EC PRIVATE KEY` (RFC 5915)."""
    scalar = (secrets.randbelow(_HIGHEST_P256_KEY) + 1).to_bytes(32, "big")
    version = bytes.fromhex("020101")
    curve = bytes.fromhex("a00a06082a8648ce3d030107")
    content = version + b"\x04\x20" + scalar + curve
    der = b"\x30" + bytes([len(content)]) + content
    text = base64.b64encode(der).decode()
    return f"-----BEGIN EC PRIVATE KEY-----\n{text}\n-----END EC PRIVATE KEY-----\n"


def _write_private(path: Path, text: str) -> None:
    path.touch(mode=0o600)
    path.write_text(text)


def _version_of(api: ApiClient) -> str:
    version: str = api.get("/version")["gitVersion"]
    return version.removeprefix("v")
