"""Hostile archives: each is reported by its platform, in little memory.

Other platforms keep running.
"""

from __future__ import annotations

import base64
import random
import re
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from tests.api.operator_process import OperatorProcess
from tests.api.platforms import Object, PlatformUser, platform
from tests.cluster.control_plane import ControlPlane
from tests.cluster.fixtures import new_namespace
from tests.cluster.simulated_nodes import SimulatedNodes
from tests.cluster.waiting import wait_until
from tests.unit.templates.archives import tgz
from tests.unit.templates.test_archive import HOSTILE, SMALL_LEADER

MIB = 1024 * 1024
#: What the operator may take more than before, at its peak too (bytes).
ROOM = 50 * MIB
#: What fits into a ConfigMap, as base64 (bytes).
FITS = 700 * 1024

COMPOSE = b"services:\n  web:\n    image: web:1\n    volumes: ['./web/conf/:/app/conf/:ro']\n"
LEADER = {
    **SMALL_LEADER,
    **{f"data/{role}/pryv.yml": COMPOSE for role in ("core", "reg-master", "static")},
}
SETTINGS = SMALL_LEADER["conf/platform.yml"]


def settings(text: str) -> dict[str, bytes]:
    """The files of a leader with additional settings."""
    return {**LEADER, "conf/platform.yml": SETTINGS + text.encode()}


def core(name: str, content: bytes) -> dict[str, bytes]:
    """The files of a leader with an additional file for core."""
    return {**LEADER, f"data/core/{name}": content}


def mixed(count: int) -> bytes:
    """A long list below the limit of the compression ratio."""
    return (
        b"[" + b"".join(random.Random(1).choices([b"[],", b"{},", b"1,", b'"a",'], k=count)) + b"1]"
    )


DOUBLING = (
    "".join(f"      V{step:02}: {{value: 'V{step + 1:02}V{step + 1:02}'}}\n" for step in range(30))
    + "      V30: {value: xxxx}\n"
)
MERGED = (
    "      A: &a {"
    + ",".join(f"k{key}: 1" for key in range(3000))
    + "}\n      B: {value: ["
    + "{<<: *a}," * 30_000
    + "]}\n"
)
ALIASES = "      A:\n        value:\n          - &a0 [1, 2]\n" + "".join(
    f"          - &a{n} [*a{n - 1}, *a{n - 1}]\n" for n in range(1, 60)
)

#: Problems inside a readable archive: leader's files, reason, part of the message.
INSIDE: Mapping[str, tuple[dict[str, bytes], str, str]] = {
    "values that double": (
        settings(DOUBLING) | {"data/core/web/conf/a.conf": b"V00"},
        "TooLarge",
        "core/web/conf/a.conf",
    ),
    "merged keys": (settings(MERGED), "InvalidTemplates", "platform.yml.*<<"),
    "aliases": (settings(ALIASES), "InvalidTemplates", "platform.yml.*elements"),
    "deep JSON": (
        {**LEADER, "conf/config-leader.json": b'{"a": ' * 50_000},
        "InvalidTemplates",
        "config-leader.json",
    ),
    "a large file": (
        core("web/conf/a.txt", b"DOMAIN, and what is beside it; " * 100_000),
        "TooLarge|ArchiveCompressedTooWell",
        "",
    ),
    "much to parse": (core("web/conf/a.json", mixed(300_000)), "TooLarge", "core/web/conf/a.json"),
    "a large compose file": (
        core("pryv.yml", b"services: {a: {volumes: " + mixed(30_000) + b"}}"),
        "InvalidComposeFile",
        "64 KiB",
    ),
    "many services": (
        core(
            "pryv.yml", b"services:\n" + b"".join(b"  s%d: {image: a}\n" % n for n in range(1000))
        ),
        "InvalidComposeFile",
        "more than 64 entries",
    ),
    "a deep compose file": (
        core("pryv.yml", b"services: " + b"[" * 150 + b"]" * 150),
        "InvalidComposeFile",
        "deeper",
    ),
    "two services of one name": (
        core("pryv.yml", b"services:\n  a_b: {image: a}\n  a-b: {image: a}\n"),
        "InvalidComposeFile",
        '"co1/a_b" and "co1/a-b"',
    ),
    "a value that leads to itself": (
        settings("      AA: {value: BB}\n      BB: {value: AA}\n") | {"data/core/a": b"AA"},
        "RecursionLoop",
        "core/a",
    ),
}


def archives() -> Iterator[tuple[bytes, str, str]]:
    """Name → archive, reason, part of the message."""
    for make, reason, words in HOSTILE.values():
        data = make()
        if 0 < len(data) < FITS:
            yield data, reason, words
    yield from ((tgz(files), reason, words) for files, reason, words in INSIDE.values())


@pytest.fixture
def alone(
    control_plane: ControlPlane, simulated_nodes: SimulatedNodes, chart_kubeconfig: Path
) -> Iterator[tuple[OperatorProcess, PlatformUser]]:
    """An operator for one namespace, started for this test to measure its memory."""
    with new_namespace(control_plane) as namespace:
        process = OperatorProcess(
            control_plane,
            chart_kubeconfig,
            "--batch-seconds=0.2",
            "--full-resync-seconds=5",
            f"--namespace={namespace}",
            name="operator-alone",
        )
        process.start()
        user = PlatformUser(control_plane, namespace)
        yield process, user
        user.delete_all()
        assert "Traceback" not in process.log, process.log[process.log.index("Traceback") :][:4000]
        process.stop()


@pytest.mark.long
def test_hostile_archives_are_reported_in_little_memory(
    alone: tuple[OperatorProcess, PlatformUser],
) -> None:
    operator, user = alone
    # A domain of its own: the operator of the other tests sees this namespace too; it would warn of
    # their platforms, and the two operators would overwrite each other's status.
    user.apply_platform("healthy", domain="healthy.acme.test")
    # Read one valid archive first, so that code and caches are not counted.
    user.apply(*hostile(0, tgz(LEADER)))
    user.wait_reason("Ready", "hostile-0")
    user.wait_steady("healthy")
    versions = healthy(user)
    memory = Memory(operator)
    wanted = dict(enumerate(archives(), start=1))
    assert len(wanted) >= 40
    for number, (data, _, _) in wanted.items():
        user.apply(*hostile(number, data))
    conditions = {}
    for number, (_, reason, words) in wanted.items():
        condition = conditions[number] = wait_final_condition(user, number)
        assert condition["reason"] in reason.split("|"), (number, condition)
        assert re.search(words, condition["message"]), (number, condition)
        assert condition["status"] == "False"
        assert len(condition["message"]) < 1000
    operator.wait_reconciliations(2 * len(wanted), seconds=600)
    assert memory.now() - memory.before < ROOM, memory
    assert memory.peak() - memory.before < ROOM, memory
    assert healthy(user) == versions
    user.wait_ready("healthy")
    user.apply_platform(
        "healthy", domain="healthy.acme.test", variables={"PLATFORM_NAME": "Another name"}
    )
    user.wait_ready("healthy")
    print(f"{len(wanted)} archives: {memory}")


def hostile(number: int, data: bytes) -> tuple[Object, Object]:
    """A ConfigMap with an archive, and a platform that uses it."""
    name = f"hostile-{number}"
    binary = {"archive.tgz": base64.b64encode(data).decode()}
    return (
        {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "binaryData": binary},
        platform(
            name,
            domain=f"{name}.acme.test",
            templates={"archive": {"configMapKeyRef": {"name": name, "key": "archive.tgz"}}},
        ),
    )


def wait_final_condition(user: PlatformUser, number: int) -> Object:
    """The platform's Ready condition, once it is False with a final reason."""
    name = f"hostile-{number}"

    def found() -> Object | None:
        conditions = {
            each["type"]: each
            for each in user.get("pryvplatform", name).get("status", {}).get("conditions", [])
        }
        return (
            conditions["Ready"] if conditions.get("Stalled", {}).get("status") == "True" else None
        )

    condition: Object = wait_until(found, f"{name} to be refused", seconds=120)
    return condition


def healthy(user: PlatformUser) -> dict[str, str]:
    """`<kind>/<name>` → resourceVersion of all objects of the healthy platform."""
    return {
        name: version
        for name, version in user.resource_versions().items()
        if name.split("/")[1].startswith("healthy")
    }


class Memory:
    """Resident memory of a process, and its peak since the measurement started (bytes)."""

    def __init__(self, operator: OperatorProcess) -> None:
        pid = operator.pid()
        assert pid
        self._folder = Path("/proc") / str(pid)
        (self._folder / "clear_refs").write_text("5")  # the peak starts anew
        self.before = self.now()

    def now(self) -> int:
        return self._read("VmRSS")

    def peak(self) -> int:
        return self._read("VmHWM")

    def _read(self, name: str) -> int:
        (line,) = (
            line
            for line in (self._folder / "status").read_text().splitlines()
            if line.startswith(f"{name}:")
        )
        return int(line.split()[1]) * 1024

    def __str__(self) -> str:
        before, now, peak = (each / MIB for each in (self.before, self.now(), self.peak()))
        return f"{before:.0f} MiB before, {now:.0f} after, {peak:.0f} at the peak"

    __repr__ = __str__
