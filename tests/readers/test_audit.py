"""core's syslog library takes the options of core.yml, and an audit record does not end core."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest
import yaml

from tests.readers.node_packages import Node
from tests.readers.platforms import BUILT_IN, REFERENCES, read_platform
from tests.readers.ports import LOOPBACK, free_port

CORE = "/app/conf/core.yml"
#: Before 1.7 the audit trail is a service of its own (`core_audit`).
RECEIVED = [name for name in REFERENCES if name >= "1.7" and name != "2019-seed-era"]
LINES = ["alice accesses.create createdBy:bob [] {}", "a second record: é <&>", "a third one"]


def core_file(name: str, folder: Path) -> Path:
    """The core.yml of a platform, written below a folder."""
    pod = read_platform(name).pod("single" if "single" in name else "co1", "core")
    pod.write(folder)
    return folder / CORE.removeprefix("/")


def syslog_options(file: Path) -> dict[str, object]:
    """`audit.syslog.options` of a core.yml."""
    options: dict[str, object] = yaml.safe_load(file.read_text())["audit"]["syslog"]["options"]
    return options


@pytest.mark.parametrize("name", BUILT_IN)
def test_records_arrive_at_a_listener(name: str, node: Node, tmp_path: Path) -> None:
    file = core_file(name, tmp_path)
    options = syslog_options(file)
    assert (options["protocol"], options["host"]) == ("udp4", LOOPBACK)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as listener:
        listener.bind((LOOPBACK, 0))
        listener.settimeout(10)
        replaced = {"port": listener.getsockname()[1]}
        given = {"core": str(file), "options": replaced, "lines": LINES}
        assert node.run("audit.js", given) == {"alive": True}
        for line in LINES:
            record = listener.recv(65_536).decode()
            assert line in record
            assert str(options["app_name"]) in record


@pytest.mark.parametrize("name", BUILT_IN)
def test_core_survives_without_a_listener(name: str, node: Node, tmp_path: Path) -> None:
    """A sidecar that restarts must not end core."""
    file = core_file(name, tmp_path)
    given = {
        "core": str(file),
        "options": {"port": free_port(socket.SOCK_DGRAM)},
        "lines": LINES * 3,
    }
    assert node.run("audit.js", given) == {"alive": True}


@pytest.mark.parametrize("name", RECEIVED)
def test_records_arrive_at_a_socket(name: str, node: Node, tmp_path: Path) -> None:
    """Received templates name the socket `/dev/log-host`; unix-dgram has to be compiled for it."""
    file = core_file(name, tmp_path)
    assert syslog_options(file)["protocol"] == "unix"
    if not node.has_unix_dgram:
        pytest.skip("unix-dgram is not compiled: needs a C++ compiler and Node's headers")
    path = tmp_path / "log-host"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        listener.bind(str(path))
        listener.settimeout(10)
        given = {"core": str(file), "options": {"path": str(path)}, "lines": LINES}
        assert node.run("audit.js", given) == {"alive": True}
        for line in LINES:
            assert line in listener.recv(65_536).decode()
