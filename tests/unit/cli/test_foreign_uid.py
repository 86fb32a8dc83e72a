"""The operator starts as any uid: without a passwd entry, HOME, USER, or a writable root.

The chart's pod runs as uid 65532 of an image that may not know it, with a read-only root file
system and an emptyDir at /tmp.
"""

from __future__ import annotations

import asyncio
import json
import os
import pwd
import signal
import sys
import tempfile
from pathlib import Path

import aiohttp
import pytest

import pryv_operator
from tests.unit.kube.servers import ApiServer, serving

UID = 65532

#: Becomes the uid (``really``, or as far as the process can see) and refuses to write anywhere but
#: to /tmp, as a read-only root does; then starts the installed command.
_CHILD = f"""
import errno, os, sys
really, tmp = sys.argv.pop(1) == "really", sys.argv.pop(1)
if really:
    os.setgroups([]); os.setgid({UID}); os.setuid({UID})
else:
    os.getuid = os.geteuid = lambda: {UID}
def read_only(event, arguments):
    changes = event in ("os.mkdir", "os.remove", "os.rename", "os.symlink", "os.link")
    if event == "open" and isinstance(arguments[2], int):
        changes = bool(arguments[2] & (os.O_WRONLY | os.O_RDWR | os.O_CREAT))
    path = arguments[0] if arguments else ""
    if changes and isinstance(path, str) and not path.startswith((tmp, "/dev/")):
        raise OSError(errno.EROFS, "read-only file system", path)
sys.addaudithook(read_only)
from pryv_operator.cli.main import operator
sys.argv[0] = "pryv-operator"
operator()
"""


def _readable_by_others(path: Path) -> bool:
    """Whether every user can read a file, through all folders above it."""
    resolved = path.resolve()
    return all(each.stat().st_mode & 0o005 == 0o005 for each in (resolved, *resolved.parents))


def _can_become_it() -> bool:
    places = (Path(sys.executable), Path(os.__file__).parent, Path(pryv_operator.__file__).parent)
    return os.getuid() == 0 and all(map(_readable_by_others, places))


def _kubeconfig(folder: Path, server: str) -> Path:
    file = folder / "kubeconfig"
    context = {"cluster": "c", "user": "u"}
    document = {
        "clusters": [{"name": "c", "cluster": {"server": server}}],
        "users": [{"name": "u", "user": {"token": "t"}}],
        "contexts": [{"name": "c", "context": context}],
        "current-context": "c",
    }
    file.write_text(json.dumps(document))
    return file


async def _ready(lines: asyncio.StreamReader, log: list[str]) -> None:
    url = ""
    while not url:
        line = (await lines.readline()).decode()
        assert line, "".join(log)
        log.append(line)
        if "serving /healthz" in line:
            url = f"http://{line.rsplit(' ', 1)[1].strip()}/readyz"
    async with aiohttp.ClientSession() as session:
        while True:
            async with session.get(url) as answer:
                if answer.status == 200:
                    return
            await asyncio.sleep(0.1)


async def test_it_starts_without_a_passwd_entry_home_or_user() -> None:
    with pytest.raises(KeyError):
        pwd.getpwuid(UID)
    how = "really" if _can_become_it() else "as seen by the process"
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o755)  # noqa: ASYNC240
        tmp = folder / "tmp"
        tmp.mkdir()
        tmp.chmod(0o777)
        async with serving(ApiServer()) as server:
            arguments = (
                "run",
                f"--kubeconfig={_kubeconfig(folder, server.url)}",
                "--listen=127.0.0.1:0",
                "--leader-election",
                "--lease-namespace=n",
            )
            process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-c", _CHILD, how, str(tmp), *arguments),
                cwd="/",
                env={
                    "PATH": "/usr/bin",
                    "TMPDIR": str(tmp),
                    "PYTHONDONTWRITEBYTECODE": "1",
                    "PYTHONPATH": str(Path(pryv_operator.__file__).parents[1]),
                },
                stdout=asyncio.subprocess.DEVNULL,
                stderr=asyncio.subprocess.PIPE,
            )
            assert process.stderr is not None
            log: list[str] = []
            try:
                async with asyncio.timeout(60):
                    await _ready(process.stderr, log)
                    process.send_signal(signal.SIGTERM)
                    log.append((await process.stderr.read()).decode())
                    assert await process.wait() == 0, "".join(log)
            finally:
                if process.returncode is None:
                    process.kill()
                    await process.wait()
    assert "Traceback" not in "".join(log)
