"""What clusters start from where there is no registry, made once: root file system, node image."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
import time
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from tests.cluster.binaries import BuildError
from tests.cluster.cache import cache_folder, exclusive_lock, print_with_time, remove_unused
from tests.cluster.kind import archive, debian, node_image
from tests.cluster.kind.engine import Engine
from tests.cluster.kind.programs import Programs, ensure_node_programs
from tests.cluster.run_folder import RunFolder

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_KIND_FOLDER: Final = Path(__file__).parent
_SOURCES: Final = (
    Path(archive.__file__),
    Path(node_image.__file__),
    _KIND_FOLDER / "manifests" / "default-cni.yaml",
    _KIND_FOLDER / "manifests" / "default-storage.yaml",
    _KIND_FOLDER.parent / "go" / "kind" / "go.mod",
)


@dataclass(frozen=True)
class Prepared:
    """The parts that an engine with the node image starts from."""

    root: Path
    """The root file system of the engine."""
    programs: Programs
    data: Path
    """docker's data folder, with the node image. Not to be written to."""


def kind_cache() -> Path:
    """The folder of the cache; clusters run below it, because their data are links to it."""
    folder = cache_folder() / "kind"
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def run_folder() -> RunFolder:
    """A folder for one run of an engine."""
    return RunFolder(kind_cache() / "runs")


def ensure_prepared(echo: Callable[[str], None]) -> Prepared:
    """Make what is not in the cache yet: 3 GB, and five minutes on two cores.

    Concurrent runs make it once.

    Raises:
        BuildError: Go is missing or too old, or a build failed.
        UnavailableError: Debian's packages, or programs of the machine, are missing.
    """
    debian.check_machine()
    programs = ensure_node_programs(echo)
    cache = kind_cache()
    root = cache / f"debian-{debian.fingerprint()}"
    data = cache / f"node-{_fingerprint(root, programs)}"
    if not data.is_dir():
        with exclusive_lock(cache / "lock", echo, "makes the node image"):
            if not root.is_dir():
                with _made_whole(root) as target:
                    debian.make_root(target, echo)
            if not data.is_dir():
                with _made_whole(data) as target:
                    _make_data(target, root, programs, echo)
            remove_unused(cache, keep={root.name, data.name, "runs"})
    os.utime(root)
    os.utime(data)
    return Prepared(root, programs, data)


def copy_data(prepared: Prepared, target: Path) -> None:
    """Copy docker's data for one run.

    The layers of images are never written to, so that they are links: it takes a second.
    """
    target.mkdir(parents=True)
    for entry in prepared.data.iterdir():
        link = ["--link"] if entry.name == "overlay2" else []
        subprocess.run(["cp", "-a", *link, str(entry), str(target)], check=True)


def _make_data(target: Path, root: Path, programs: Programs, echo: Callable[[str], None]) -> None:
    echo("making the node image (about 80 s)")
    started = time.monotonic()
    folder = run_folder()
    try:
        image = node_image.write_node_image(folder.path, root, programs)
        echo(f"the node image is written after {time.monotonic() - started:.0f} s")
        engine = Engine(folder, root, programs, target)
        engine.start()
        try:
            subprocess.run(
                engine.enter("docker", "load", "--quiet", "--input", str(image)), check=True
            )
            engine.finish()
        finally:
            engine.stop()
    finally:
        folder.remove()
    echo(f"made the node image in {time.monotonic() - started:.0f} s")


@contextmanager
def _made_whole(folder: Path) -> Iterator[Path]:
    """A folder to fill, which gets its name once it is filled."""
    with tempfile.TemporaryDirectory(prefix=".making-", dir=folder.parent) as work:
        target = Path(work) / "content"
        target.mkdir(mode=0o755)
        try:
            yield target
            target.replace(folder)
        finally:
            shutil.rmtree(target, ignore_errors=True)


def _fingerprint(root: Path, programs: Programs) -> str:
    digest = hashlib.sha256(repr((root.name, programs.fingerprint)).encode())
    for source in _SOURCES:
        digest.update(source.read_bytes())
    return digest.hexdigest()[:16]


if __name__ == "__main__":
    try:
        ensure_prepared(print_with_time)
    except (BuildError, debian.UnavailableError) as failed:
        sys.exit(str(failed))
