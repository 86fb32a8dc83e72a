"""The operator's image, built from the project's Dockerfile into a docker archive.

With a registry: from the base image that the Dockerfile names. Without one: from Debian's Python,
and from wheels of the lock files, which the image that builds brings along. The Dockerfile is the
same, and the second build has no network.
"""

from __future__ import annotations

import hashlib
import os
import platform
import re
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Final

import yaml

from tests.cluster.binaries import report_until_done
from tests.cluster.cache import cache_folder, exclusive_lock, print_with_time, remove_unused

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

ROOT: Final = Path(__file__).parents[3]
_CHART: Final = ROOT / "charts" / "pryv-operator"
_LOCKS: Final = ("requirements.lock", "requirements-build.lock")

_DEBIAN: Final = "trixie"
#: Of that Debian: which wheels fit.
_PYTHON: Final = "3.13"
_GLIBC: Final = 41
#: Debian's essential packages with these. Left out, as in Debian's own images: documentation and
#: translations. A container has no use for programs that change the user.
_MAKE_ROOT_FILE_SYSTEM: Final = (
    "mmdebstrap",
    "--variant=essential",
    "--include=python3,python3-venv,ca-certificates",
    "--dpkgopt=path-exclude=/usr/share/doc/*",
    "--dpkgopt=path-include=/usr/share/doc/*/copyright",
    "--dpkgopt=path-exclude=/usr/share/man/*",
    "--dpkgopt=path-exclude=/usr/share/info/*",
    "--dpkgopt=path-exclude=/usr/share/locale/*",
    '--customize-hook=find "$1" -xdev -type f -perm /6000 -exec chmod a-s {} +',
    '--customize-hook=find "$1/var/cache" "$1/var/log" -type f -delete',
    "--skip=output/dev",
    _DEBIAN,
)
_PATH: Final = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_PULL_SECONDS: Final = 180
#: Each change of the code makes another one.
_KEEP_ARCHIVES_SECONDS: Final = 24 * 3600


class ImageError(RuntimeError):
    """The image cannot be built; the message names the remedy."""


def image_name() -> str:
    """Name and tag as the chart has them by default."""
    values = yaml.safe_load((_CHART / "values.yaml").read_text())
    version = yaml.safe_load((_CHART / "Chart.yaml").read_text())["appVersion"]
    return f"{values['image']['repository']}:{values['image']['tag'] or version}"


def missing_engine() -> str:
    """Why no image can be built here; empty if one can."""
    if shutil.which("docker") is None:
        return "needs a container engine: `docker` was not found"
    answer = subprocess.run(["docker", "info"], capture_output=True, text=True, check=False)
    lines = answer.stderr.strip().splitlines() or ["`docker info` failed"]
    return "" if answer.returncode == 0 else f"needs a container engine: {lines[-1]}"


def ensure_archive(echo: Callable[[str], None]) -> Path:
    """Build the image unless the cache has it; return the docker archive with it.

    It takes about a minute, and two more where the base image cannot be pulled.

    Raises:
        ImageError: there is no container engine, or a command failed.
    """
    cache = cache_folder() / "operator-image"
    archives = cache / "archives"
    archives.mkdir(parents=True, exist_ok=True)
    sources = [Path(__file__), ROOT / "Dockerfile", *_context()]
    archive = archives / _digest_of(sources) / "operator.tar"
    with exclusive_lock(cache / "lock", echo, "builds the operator's image"):
        if not archive.is_file():
            if reason := missing_engine():
                raise ImageError(reason)
            archive.parent.mkdir(exist_ok=True)
            _build(archive, cache, echo)
        os.utime(archive.parent)
        remove_unused(archives, {archive.parent.name}, _KEEP_ARCHIVES_SECONDS)
        remove_unused(cache, keep={archives.name})
    return archive


def _context() -> list[Path]:
    """The files that the engine is sent: those that ``.dockerignore`` includes again."""
    lines = (ROOT / ".dockerignore").read_text().splitlines()
    included = [ROOT / line[1:] for line in lines if line.startswith("!")]
    files = (file for path in included for file in (path.rglob("*") if path.is_dir() else [path]))
    return sorted(file for file in files if file.is_file() and "__pycache__" not in file.parts)


def _digest_of(files: Iterable[Path]) -> str:
    digest = hashlib.sha256()
    for file in files:
        digest.update(repr((file.relative_to(ROOT).as_posix(), file.read_bytes())).encode())
    return digest.hexdigest()[:16]


def _build(archive: Path, cache: Path, echo: Callable[[str], None]) -> None:
    """Build the image and save it; no tag stays in the engine."""
    name = image_name()
    suffix = archive.parent.name
    base, build_base = f"pryv-operator-base:{suffix}", f"pryv-operator-build-base:{suffix}"
    building = archive.with_name("operator.tar.part")
    try:
        options = ["--build-arg=PIP_INDEX_URL"]
        if not _default_base_is_here(echo):
            _import_bases(base, build_base, cache, echo)
            options = [
                "--network=none",
                f"--build-arg=BASE={base}",
                f"--build-arg=BUILD_BASE={build_base}",
            ]
        _run(["docker", "build", *options, "-t", name, str(ROOT)], f"building {name}", 60, echo)
        _run(["docker", "save", "-o", str(building), name], f"saving {name}", 10, echo)
    finally:
        subprocess.run(
            ["docker", "image", "rm", "--force", name, build_base, base],
            capture_output=True,
            check=False,
        )
    building.replace(archive)


def _default_base_is_here(echo: Callable[[str], None]) -> bool:
    """Whether the engine has the base image that the Dockerfile names, or can pull it."""
    found = re.search(r"^ARG BASE=(.+)$", (ROOT / "Dockerfile").read_text(), re.MULTILINE)
    assert found
    try:
        for command in ("image", "inspect"), ("pull",):
            answer = subprocess.run(
                ["docker", *command, found[1]],
                capture_output=True,
                check=False,
                timeout=_PULL_SECONDS,
            )
            if answer.returncode == 0:
                return True
    except subprocess.TimeoutExpired:
        pass
    echo(
        f"{found[1].partition('@')[0]} cannot be pulled: Debian's Python is the base image instead"
    )
    return False


def _import_bases(base: str, build_base: str, cache: Path, echo: Callable[[str], None]) -> None:
    """Debian's Python as an image, and the same with the wheels for the image that builds."""
    root = _root_file_system(cache, echo)
    path = f"ENV PATH={_PATH}"
    _run(["docker", "import", "--change", path, str(root), base], "importing it", 5, echo)
    wheels = _wheels(cache, echo)
    recipe = f"FROM {base}\nENV PIP_NO_INDEX=1 PIP_FIND_LINKS=/wheels\nCOPY . /wheels\n"
    command = ["docker", "build", "--network=none", "-t", build_base, "-f", "-", str(wheels)]
    _run(command, "adding the wheels", 5, echo, stdin=recipe)


def _root_file_system(cache: Path, echo: Callable[[str], None]) -> Path:
    """An archive of Debian's files, of this month."""
    key = repr((_MAKE_ROOT_FILE_SYSTEM, platform.machine(), time.strftime("%Y-%m"))).encode()
    archive = cache / f"debian-{hashlib.sha256(key).hexdigest()[:16]}" / "root.tar"
    if not archive.is_file():
        if shutil.which(_MAKE_ROOT_FILE_SYSTEM[0]) is None:
            raise ImageError(
                "The base image cannot be pulled, and mmdebstrap, which would make one, was not"
                " found. Install it (apt-get install mmdebstrap)."
            )
        archive.parent.mkdir(exist_ok=True)
        with tempfile.TemporaryDirectory(dir=cache) as folder:
            made = Path(folder) / "root.tar"
            _run([*_MAKE_ROOT_FILE_SYSTEM, str(made)], "making a base image of Debian", 60, echo)
            made.replace(archive)
    os.utime(archive.parent)
    return archive


def _wheels(cache: Path, echo: Callable[[str], None]) -> Path:
    """A folder with the wheels of the lock files for Debian's Python."""
    folder = cache / f"wheels-{_digest_of(ROOT / lock for lock in _LOCKS)}-{_PYTHON}"
    if not folder.is_dir():
        machine = platform.machine()
        platforms = ["any", *(f"manylinux_2_{minor}_{machine}" for minor in range(17, _GLIBC + 1))]
        with tempfile.TemporaryDirectory(dir=cache) as made:
            command = [
                *(sys.executable, "-m", "pip", "download", "--disable-pip-version-check"),
                *("--require-hashes", "--only-binary=:all:", "--dest", f"{made}/wheels"),
                *("--implementation=cp", f"--python-version={_PYTHON}"),
                *(f"--platform={each}" for each in platforms),
                *(f"--requirement={ROOT / lock}" for lock in _LOCKS),
            ]
            _run(command, "downloading the wheels", 30, echo)
            (Path(made) / "wheels").replace(folder)
    os.utime(folder)
    return folder


def _run(
    command: Sequence[str],
    what: str,
    seconds: int,
    echo: Callable[[str], None],
    *,
    stdin: str = "",
) -> None:
    """Run a command to its end.

    Raises:
        ImageError: it failed; with the end of its output.
    """
    echo(f"{what} (about {seconds} s)")
    started = time.monotonic()
    with tempfile.TemporaryFile("w+") as given, tempfile.TemporaryFile("w+") as output:
        given.write(stdin)
        given.seek(0)
        with subprocess.Popen(
            command, stdin=given, stdout=output, stderr=subprocess.STDOUT
        ) as process:
            try:
                report_until_done(process, what, started, echo)
            except BaseException:
                process.kill()
                raise
        if process.returncode != 0:
            output.seek(0)
            raise ImageError(f"`{' '.join(command)}` failed:\n{output.read()[-4000:]}")


if __name__ == "__main__":
    try:
        print(ensure_archive(print_with_time))
    except ImageError as failed:
        sys.exit(str(failed))
