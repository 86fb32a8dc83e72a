"""What runs before a component. The scripts run as their containers run them, on this machine."""

from __future__ import annotations

import os
import shutil
import socket
import stat
import subprocess
from pathlib import Path

import pytest

from pryv_operator.api.kubernetes import Object
from pryv_operator.objects import init_containers
from pryv_operator.objects.model import Component
from tests.unit.builders import component, service

USER = 9999
as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root changes owners")


def with_data(name: str = "core", mode: str = "") -> Component:
    return component(service(name, mounts=[f"core/data:/app/data{mode}"]))


def volume_owner(of: Component) -> Object:
    found = init_containers.volume_owner(of, "image")
    assert found
    return found


def dependencies(of: Component) -> Object:
    found = init_containers.dependencies(of, "image")
    assert found
    return found


def test_who_needs_its_volume_to_be_writable() -> None:
    assert volume_owner(with_data())["volumeMounts"] == [
        {"name": "core-data", "mountPath": "/app/data"}
    ]
    assert volume_owner(with_data("hfs"))["command"][-2:] == [str(USER), "/app/data"]
    # Stores do it themselves, others have no data.
    assert init_containers.volume_owner(with_data("mongodb"), "image") is None
    assert init_containers.volume_owner(component("register"), "image") is None


def test_commands_have_nothing_that_kubernetes_would_expand() -> None:
    waits = component("core", host_aliases=(("10.0.0.1", ("mongodb",)),))
    for each in (volume_owner(with_data()), dependencies(waits)):
        assert not any("$(" in word or "$$" in word for word in each["command"])


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A volume of root's with data in it, below a path that other users may enter."""
    for parent in (tmp_path, *tmp_path.parents):
        if parent.stat().st_uid == os.geteuid() and parent != Path("/"):
            parent.chmod(parent.stat().st_mode | stat.S_IXOTH)
    found = tmp_path / "data"
    (found / "users").mkdir(parents=True)
    (found / "users" / "file").write_text("content")
    found.chmod(0o755)
    return found


def hand_over(folder: Path, *, by: int = 0) -> subprocess.CompletedProcess[str]:
    command = [
        word.replace("/app/data", str(folder)) for word in volume_owner(with_data())["command"]
    ]
    return subprocess.run(command, user=by, capture_output=True, text=True, check=False)


@as_root
def test_a_volume_of_roots_is_given_to_the_user_of_the_component(folder: Path) -> None:
    assert hand_over(folder).returncode == 0
    for path in (folder, folder / "users", folder / "users" / "file"):
        assert (path.stat().st_uid, path.stat().st_gid) == (USER, USER)
    assert (folder / "users" / "file").read_text() == "content"


@as_root
@pytest.mark.parametrize(
    ("owner", "group", "mode"),
    [(USER, 0, 0o700), (0, USER, 0o2775), (1234, 1234, 0o777), (USER, USER, 0o755)],
)
def test_a_volume_that_the_user_can_write_to_is_left_alone(
    folder: Path, owner: int, group: int, mode: int
) -> None:
    os.chown(folder, owner, group)
    folder.chmod(mode)
    before = folder.stat()
    assert hand_over(folder).returncode == 0
    assert folder.stat().st_ctime_ns == before.st_ctime_ns
    assert (folder / "users").stat().st_uid == 0


@as_root
@pytest.mark.parametrize(
    ("owner", "group", "mode"),
    [(USER, 0, 0o577), (0, USER, 0o2757), (0, 0, 0o755), (0, USER, 0o705)],
)
def test_the_class_that_the_kernel_looks_at_decides(
    folder: Path, owner: int, group: int, mode: int
) -> None:
    os.chown(folder, owner, group)
    folder.chmod(mode)
    assert hand_over(folder).returncode == 0
    written = subprocess.run(["touch", folder / "new"], user=USER, group=USER, check=False)
    assert written.returncode == 0


@as_root
def test_an_owner_that_cannot_be_changed_is_an_error(folder: Path) -> None:
    """As with ``root_squash`` of NFS: root is another user there."""
    found = hand_over(folder, by=12345)
    assert found.returncode == 1
    assert "cannot be changed" in found.stderr
    assert folder.stat().st_uid == 0


ALIASES = (
    ("10.0.0.1", ("mongodb",)),
    ("10.0.0.2", ("influxdb",)),
    ("10.0.0.3", ("co1.pryv.acme.health", "reg.pryv.acme.health")),
)


def test_what_is_waited_for() -> None:
    of = component("core", host_aliases=ALIASES)
    assert dependencies(of)["command"][-3:] == [
        "mongodb:27017",
        "influxdb:8086",
        "reg.pryv.acme.health:443",
    ]
    # A store elsewhere, and a service that starts without the others.
    assert dependencies(component("core", host_aliases=ALIASES[2:]))["command"][-1:] == [
        "reg.pryv.acme.health:443"
    ]
    assert init_containers.dependencies(component("core"), "image") is None
    assert init_containers.dependencies(component("dns", host_aliases=ALIASES), "image") is None


def wait_for(*targets: str, seconds: int) -> subprocess.Popen[str]:
    if not shutil.which("node"):
        pytest.skip("needs Node.js")
    command = dependencies(component("core", host_aliases=ALIASES[:1]))["command"]
    return subprocess.Popen(
        [*command[:4], str(seconds), *targets], stdout=subprocess.PIPE, text=True
    )


def test_the_start_waits_until_all_accept_connections() -> None:
    with socket.socket() as reserved, socket.create_server(("127.0.0.1", 0)) as listening:
        reserved.bind(("127.0.0.1", 0))
        late, early = (f"127.0.0.1:{each.getsockname()[1]}" for each in (reserved, listening))
        with wait_for(early, late, seconds=60) as process:
            assert process.stdout
            assert process.stdout.readline() == f"waiting for {late}\n"
            assert process.poll() is None
            reserved.listen()
            assert process.wait(timeout=30) == 0
            assert process.stdout.read() == ""


def test_the_wait_ends() -> None:
    with socket.socket() as reserved:
        reserved.bind(("127.0.0.1", 0))
        port = reserved.getsockname()[1]
        with wait_for(f"127.0.0.1:{port}", seconds=0) as process:
            assert process.stdout
            assert "starting without it" in process.stdout.read()
            assert process.wait(timeout=30) == 0


def test_an_image_without_nodejs_starts_at_once() -> None:
    command = dependencies(component("core", host_aliases=ALIASES))["command"]
    shell = shutil.which("sh")
    assert shell
    found = subprocess.run([shell, *command[1:]], env={"PATH": "/nowhere"}, check=False)
    assert found.returncode == 0
