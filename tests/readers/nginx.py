"""nginx, started on the files of a reverse proxy's pod.

What is changed in the files, and nothing else:

- folders: `/app`, `/etc/nginx` and `/var/run` are below a temporary folder;
- `listen 80` and `listen 443` become free ports of the loopback address;
- `server HOST:PORT` of an upstream becomes a Unix socket, where a stand-in answers with the
  request. HOST has to be one that the pod can resolve;
- a public host in `proxy_pass` gets an upstream block of its name, whose server is a stand-in;
- a public host in a variable gets the port of that stand-in, and `resolver` the address of a
  DNS server on the loopback address that knows the host;
- the authorities of the public host are the one of the stand-in, once nginx serves;
- `user` is the user of the tests, and `worker_connections` fits into the limits of any machine.

In production nginx starts with /etc/nginx/nginx.conf, which includes /app/conf/nginx.conf
(`docker/nginx/conf/delegate.conf` in pryv/dev-release-packaging).
"""

from __future__ import annotations

import os
import pwd
import re
import socket
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from tests.cluster.processes import ServerProcess
from tests.cluster.run_folder import RunFolder
from tests.readers import programs
from tests.readers.echo import StandIns, stand_ins
from tests.readers.pod import Pod
from tests.readers.ports import LOOPBACK, free_port, wait_until_accepts
from tests.readers.public_site import PUBLIC_HOST, PublicSite

CONFIGURATION: Final = "/app/conf/nginx.conf"

_FOLDERS: Final = re.compile(r"(?<![\w./])/(?=(?:app|etc/nginx|var/run)/)")
_LISTEN: Final = re.compile(r"\blisten(\s+)(80|443)\b")
_UPSTREAM: Final = re.compile(r"\bupstream\s+(\S+)\s*\{([^}]*)\}")
_SERVER: Final = re.compile(r"\bserver(\s+)([\w.-]+):(\d+)")
_PUBLIC_LITERAL: Final = re.compile(rf"\bproxy_pass\s+https://{re.escape(PUBLIC_HOST)}(?=[/;])")
_PUBLIC_VARIABLE: Final = re.compile(rf"(\bset\s+\$\w+\s+https://{re.escape(PUBLIC_HOST)});")
_RESOLVER: Final = re.compile(r"\bresolver\s+\S+")
_MIME_TYPES: Final = "types { text/html html; application/json json; }\n"


@dataclass
class _Upstreams:
    """The servers of upstream blocks, and the socket of each."""

    folder: Path
    #: `name/host:port` → path of the socket.
    sockets: dict[str, Path] = field(default_factory=dict)
    hosts: set[str] = field(default_factory=set)

    def localised(self, block: re.Match[str]) -> str:
        name, servers = block.groups()

        def server(found: re.Match[str]) -> str:
            space, host, port = found.groups()
            self.hosts.add(host)
            key = f"{name}/{host}:{port}"
            self.sockets.setdefault(key, self.folder / f"{len(self.sockets)}.sock")
            return f"server{space}unix:{self.sockets[key]}"

        return f"upstream {name} {{{_SERVER.sub(server, servers)}}}"


@dataclass(frozen=True)
class LocalFiles:
    """The files of a pod below a folder, changed as the module says."""

    folder: Path
    #: Port in the files → port on the loopback address.
    ports: Mapping[int, int]
    sockets: Mapping[str, Path]
    #: Hosts of upstream servers.
    hosts: frozenset[str]
    public_port: int
    dns_port: int

    @property
    def configuration(self) -> Path:
        return self.folder / CONFIGURATION.removeprefix("/")

    @property
    def public_authority(self) -> Path:
        """What certifies the public host; received templates have none."""
        return self.folder / "app/conf/web-apps-ca.pem"

    @property
    def labels(self) -> dict[str, str]:
        """`name/host:port` → the host with all ports of its upstream block."""
        ports: dict[str, list[int]] = {}
        for key in self.sockets:
            name, _, port = key.rpartition(":")
            ports.setdefault(name, []).append(int(port))
        return {
            key: _with_ports(key.rpartition(":")[0], ports[key.rpartition(":")[0]])
            for key in self.sockets
        }


def _with_ports(key: str, ports: list[int]) -> str:
    host = key.rpartition("/")[2]
    assert sorted(ports) == list(range(min(ports), max(ports) + 1))
    return f"{host}:{min(ports)}" + (f"-{max(ports)}" if len(ports) > 1 else "")


def localise(pod: Pod, folder: Path) -> LocalFiles:
    """Write the files of a reverse proxy's pod below a folder, changed as the module says."""
    pod.write(folder)
    for each in ("app/log", "var/run", "etc/nginx", "sockets"):
        (folder / each).mkdir(parents=True, exist_ok=True)
    (folder / "etc/nginx/mime.types").write_text(_MIME_TYPES)
    upstreams = _Upstreams(folder / "sockets")
    found = LocalFiles(
        folder=folder,
        ports={port: free_port() for port in (80, 443)},
        sockets=upstreams.sockets,
        hosts=frozenset(),
        public_port=free_port(),
        dns_port=free_port(socket.SOCK_DGRAM),
    )
    literal_public_host = False
    for file in sorted((folder / "app/conf").glob("*.conf")):
        text = file.read_text()
        literal_public_host = literal_public_host or bool(_PUBLIC_LITERAL.search(text))
        file.write_text(_localised(text, found, upstreams))
    if literal_public_host:
        _add_upstream(found)
    return LocalFiles(**{**vars(found), "hosts": frozenset(upstreams.hosts)})


def _localised(text: str, found: LocalFiles, upstreams: _Upstreams) -> str:
    user = pwd.getpwuid(os.getuid()).pw_name
    for pattern, replacement in (
        (_UPSTREAM, upstreams.localised),
        (_LISTEN, lambda match: f"listen{match[1]}{LOOPBACK}:{found.ports[int(match[2])]}"),
        (_FOLDERS, lambda _: f"{found.folder}/"),
        (_PUBLIC_VARIABLE, lambda match: f"{match[1]}:{found.public_port};"),
        (_RESOLVER, lambda _: f"resolver {LOOPBACK}:{found.dns_port}"),
        # Only root can change the user; nginx warns that the directive is ignored otherwise.
        (re.compile(r"\buser\s+nginx;"), lambda _: "" if os.getuid() else f"user {user};"),
        (re.compile(r"\bworker_connections\s+\d+"), lambda _: "worker_connections 512"),
    ):
        text = pattern.sub(replacement, text)
    return text


def _add_upstream(found: LocalFiles) -> None:
    text = found.configuration.read_text()
    block = f"upstream {PUBLIC_HOST} {{ server {LOOPBACK}:{found.public_port}; }}"
    found.configuration.write_text(re.sub(r"\bhttp\s*\{", lambda m: f"{m[0]} {block}", text))


def check(files: LocalFiles) -> str:
    """What `nginx -t` says about the files; it does not start anything.

    Raises:
        AssertionError: nginx would not start.
    """
    done = subprocess.run(
        [*_command(files), "-t"], capture_output=True, text=True, check=False, timeout=30
    )
    assert done.returncode == 0, done.stderr
    return done.stderr


@dataclass(frozen=True)
class RunningNginx:
    """An nginx that answers on `files.ports`."""

    files: LocalFiles
    process: ServerProcess
    #: Requests that the stand-in for the public host has got.
    seen_by_public_site: Sequence[Mapping[str, Any]]


@contextmanager
def running_nginx(
    pod: Pod,
    files: LocalFiles,
    folder: RunFolder,
    public_site: PublicSite,
    *,
    answers: Mapping[str, Mapping[str, Any]] | None = None,
    public_hosts: frozenset[str] = frozenset({PUBLIC_HOST}),
) -> Iterator[RunningNginx]:
    """Run nginx with stand-ins for all hosts that the pod can resolve.

    Args:
        pod: of the reverse proxy.
        files: of the pod.
        folder: of the run.
        public_site: the stand-in for the public host.
        answers: host of an upstream → target → a fixed answer.
        public_hosts: hosts that the DNS server knows.
    """
    if files.public_authority.exists():
        files.public_authority.write_text(public_site.authority)
    with stand_ins() as servers:
        _start_upstreams(pod, files, servers, answers or {})
        seen = servers.tls_upstream(files.public_port, PUBLIC_HOST, public_site.tls)
        servers.dns(files.dns_port, public_hosts)
        name = f"nginx-{pod.instance}-{files.ports[443]}"
        command = [*_command(files), "-g", "daemon off;"]
        process = ServerProcess(name, command, folder, env={}, grace_seconds=2)
        try:
            for port in _listened(files):
                wait_until_accepts(port, process.check_alive)
            yield RunningNginx(files, process, seen)
        finally:
            process.stop()


def _listened(files: LocalFiles) -> list[int]:
    text = "".join(file.read_text() for file in (files.folder / "app/conf").glob("*.conf"))
    return [port for port in files.ports.values() if f"{LOOPBACK}:{port}" in text]


def _start_upstreams(
    pod: Pod,
    files: LocalFiles,
    servers: StandIns,
    answers: Mapping[str, Mapping[str, Any]],
) -> None:
    """Start the upstreams of hosts with a Service; what is gone (the leader) answers nothing."""
    labels = files.labels
    for key, path in files.sockets.items():
        host = key.rpartition("/")[2].partition(":")[0]
        if pod.hosts[host] != LOOPBACK:
            servers.upstream(path, labels[key], answers.get(host))


def _command(files: LocalFiles) -> list[str]:
    return [
        str(programs.nginx()),
        *("-p", f"{files.folder}/"),
        *("-e", "stderr"),
        *("-c", str(files.configuration)),
    ]
