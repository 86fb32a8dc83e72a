"""The audit trail: who gets a listener, and what the listeners do with datagrams.

The listeners are started as their containers start them, on this machine.
"""

from __future__ import annotations

import contextlib
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from pryv_operator.api.kubernetes import Object
from pryv_operator.objects import audit
from tests.unit.builders import component, service
from tests.unit.objects.test_pods import template

MOUNTS = [
    ("/dev/log", "/dev/log-host"),
    ("/dev/log", "/dev/log"),
    ("/run/systemd/journal/dev-log", "/var/run/audit.sock"),
]


def sidecars(spec: Object) -> dict[str, Object]:
    return {each["name"]: each for each in spec.get("initContainers", ())}


def udp_service() -> audit.Service:
    return replace(service("core", mounts=["core/log:/app/log"]), audit_port=5514)


@pytest.mark.parametrize("name", ["core", "core_router", "something"])
@pytest.mark.parametrize(("source", "target"), MOUNTS)
def test_a_mounted_syslog_socket_is_replaced(name: str, source: str, target: str) -> None:
    spec = template(component(service(name, mounts=[f"{source}:{target}"])))["spec"]
    listener = sidecars(spec)["audit"]
    (main,) = spec["containers"]
    assert listener["restartPolicy"] == "Always"
    assert listener["startupProbe"]
    assert listener["image"] == main["image"]
    (volume,) = (each for each in spec["volumes"] if each["name"] == "audit-socket")
    assert "emptyDir" in volume
    mount = {"name": "audit-socket", "mountPath": "/run/pryv-audit"}
    assert mount in main["volumeMounts"]
    assert listener["volumeMounts"] == [mount]
    assert target in main["lifecycle"]["postStart"]["exec"]["command"]


def test_the_hook_keeps_the_one_that_stops_the_services() -> None:
    spec = template(component(service("core", mounts=["/dev/log:/dev/log"])))["spec"]
    assert spec["containers"][0]["lifecycle"].keys() == {"postStart", "preStop"}


def test_audit_by_udp() -> None:
    spec = template(component(udp_service()))["spec"]
    assert list(sidecars(spec)) == ["logs", "audit"]
    assert "5514" in sidecars(spec)["audit"]["command"]
    assert "postStart" not in spec["containers"][0]["lifecycle"]


def test_a_component_named_audit_is_not_the_listener() -> None:
    spec = template(component(service("audit", mounts=["/dev/log:/dev/log"])))["spec"]
    assert list(sidecars(spec)) == ["audit-log"]


def test_others_have_no_listener() -> None:
    assert "initContainers" not in template(component("core"))["spec"]


@pytest.mark.parametrize("port", [5514, None])
def test_listeners_have_no_privileges(port: int | None) -> None:
    of = replace(service("core", mounts=["/dev/log:/dev/log"]), audit_port=port)
    for listener in audit.sidecars(of, "image"):
        context = listener["securityContext"]
        assert context["runAsNonRoot"] is context["readOnlyRootFilesystem"] is True
        assert context["capabilities"] == {"drop": ["ALL"]}
        assert listener["resources"]["limits"].keys() == {"cpu", "memory"}
        # Kubernetes would expand these.
        assert not any("$(" in word or "$$" in word for word in listener["command"])


class Listener:
    """A listener as its container runs it, with its folder and port on this machine."""

    def __init__(self, command: list[str], output: Path, started: list[str]) -> None:
        self.command, self.output, self.gate = command, output, started
        self.start()

    def start(self) -> None:
        with self.output.open("ab") as file:
            self.process = subprocess.Popen(self.command, stdout=file)
        until(lambda: subprocess.run(self.gate, check=False).returncode == 0)

    def stop(self, with_signal: int = signal.SIGTERM) -> None:
        self.process.send_signal(with_signal)
        self.process.wait(timeout=10)

    def lines(self) -> list[bytes]:
        return self.output.read_bytes().split(b"\n")[:-1]


def until(condition: object) -> None:
    end = time.monotonic() + 20
    while not condition():  # type: ignore[operator]
        assert time.monotonic() < end
        time.sleep(0.02)


class Sender:
    """Sends datagrams, in the place of core."""

    def __init__(self, address: str | tuple[str, int]) -> None:
        self.address = address
        family = socket.AF_UNIX if isinstance(address, str) else socket.AF_INET
        self.socket = socket.socket(family, socket.SOCK_DGRAM)
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1 << 20)

    def send(self, record: bytes) -> None:
        self.socket.sendto(record, self.address)


@pytest.fixture(params=["udp", "socket"])
def pair(request: pytest.FixtureRequest) -> Iterator[tuple[Listener, Sender]]:
    """A listener and a sender; a Unix socket's path must be short."""
    with tempfile.TemporaryDirectory(dir="/tmp") as name:
        folder = Path(name)
        if request.param == "udp":
            if not shutil.which("node"):
                pytest.skip("needs Node.js")
            port = free_port()
            (container,) = audit.sidecars(replace(udp_service(), audit_port=port), "image")
            address: str | tuple[str, int] = ("127.0.0.1", port)
            change = {}
        else:
            if not shutil.which("perl"):
                pytest.skip("needs Perl")
            of = service("core", mounts=["/dev/log:/dev/log-host"])
            (container,) = audit.sidecars(of, "image")
            address = str(folder / "link")
            Path(address).symlink_to(folder / "log")
            change = {"/run/pryv-audit": name}
        command, started = (
            [replaced(word, change) for word in words]
            for words in (container["command"], container["startupProbe"]["exec"]["command"])
        )
        listener = Listener(command, folder / "output", started)
        try:
            yield listener, Sender(address)
        finally:
            with contextlib.suppress(ProcessLookupError):
                listener.process.kill()
            listener.process.wait()


def replaced(text: str, change: dict[str, str]) -> str:
    for old, new in change.items():
        text = text.replace(old, new)
    return text


def free_port() -> int:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


def test_each_record_is_a_line(pair: tuple[Listener, Sender]) -> None:
    listener, sender = pair
    records = [b"<133>Nov 26 pryv-audit[7]: %d accesses.create" % number for number in range(100)]
    for record in records:
        sender.send(record)
    until(lambda: len(listener.lines()) == 100)
    assert listener.lines() == records


def test_no_record_passes_for_two_or_ends_the_listener(pair: tuple[Listener, Sender]) -> None:
    listener, sender = pair
    for record in (b"a\nforged\r\x00\x1b[2J", b"\xff\xfe", b"", b"\xc3\xa9", b"last"):
        sender.send(record)
    until(lambda: b"last" in listener.lines())
    assert listener.lines()[0] == rb"a\u000aforged\u000d\u0000\u001b[2J"
    assert "é".encode() in listener.lines()
    assert listener.process.poll() is None


def test_long_records_are_bounded(pair: tuple[Listener, Sender]) -> None:
    listener, sender = pair
    size = 65_507 if isinstance(sender.address, tuple) else 100_000
    sender.send(b"x" * size)
    sender.send(b"last")
    until(lambda: b"last" in listener.lines())
    line = listener.lines()[0]
    assert line.startswith(b"x" * min(size, audit.LIMIT))
    assert line.endswith(b" [truncated]") is (size > audit.LIMIT)
    assert len(line) < audit.LIMIT + 20


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGKILL])
def test_either_side_may_restart(pair: tuple[Listener, Sender], how: int) -> None:
    """What was sent before is there, and the sender's socket of before works after it."""
    listener, sender = pair
    sender.send(b"before")
    if how == signal.SIGKILL:
        until(lambda: listener.lines() == [b"before"])
    listener.stop(how)
    listener.start()
    ready(listener, sender)
    Sender(sender.address).send(b"another sender")
    until(lambda: b"another sender" in listener.lines())
    assert listener.lines()[0] == b"before"


def ready(listener: Listener, sender: Sender) -> None:
    """Sends until a record arrives: the gate of the socket holds for the first start only."""

    def arrived() -> bool:
        with contextlib.suppress(ConnectionRefusedError, FileNotFoundError):
            sender.send(b"after")
        return b"after" in listener.lines()

    until(arrived)


def test_the_link_is_made_wherever_the_component_looks(tmp_path: Path) -> None:
    target = tmp_path / "run" / "log-host"
    hook = audit.post_start(service("core", mounts=[f"/dev/log:{target}"]))
    assert hook
    for _ in range(2):  # a container that starts again has its files, or new ones
        subprocess.run(hook["exec"]["command"], check=True)
    assert str(target.readlink()) == "/run/pryv-audit/log"


def test_a_component_that_may_not_write_there_starts() -> None:
    hook = audit.post_start(service("core", mounts=["/dev/log:/proc/none/log"]))
    assert hook
    subprocess.run(hook["exec"]["command"], check=True, stderr=subprocess.DEVNULL)
