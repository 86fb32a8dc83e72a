"""The operator's image, built from the project's Dockerfile into a docker archive.

With a registry: from the base image that the Dockerfile names. Without one: from Debian's Python,
and from wheels of the lock files, which the image that builds brings along. The Dockerfile is the
same, and the second build has no network. The engine need not see this machine's files (that of
`tests/cluster/kind` does not): it is sent all that it needs.
"""

from __future__ import annotations

import hashlib
import io
import os
import platform
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING, Final

import yaml

from tests.cluster.binaries import BuildError, report_until_done
from tests.cluster.cache import cache_folder, exclusive_lock, print_with_time, remove_unused
from tests.cluster.kind import debian
from tests.cluster.kind.cluster import OnMachine, Place

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
_MMDEBSTRAP_ARGUMENTS: Final = (
    "--mode=root",
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


class ImageError(BuildError):
    """The image cannot be built; the message names the remedy."""


def image_name() -> str:
    """Name and tag as the chart has them by default."""
    image = yaml.safe_load((_CHART / "values.yaml").read_text())["image"]
    version = yaml.safe_load((_CHART / "Chart.yaml").read_text())["appVersion"]
    return f"{image['registry']}/{image['repository']}:{image['tag'] or version}"


def missing_engine(place: Place | None = None) -> str:
    """Why a place (default: this machine) has no engine that builds an image; empty if it has."""
    command = (place or OnMachine()).enter("docker", "info")
    try:
        answer = subprocess.run(command, capture_output=True, text=True, check=False)
    except FileNotFoundError as missing:
        return f"needs a container engine: `{missing.filename}` was not found"
    lines = answer.stderr.strip().splitlines() or ["`docker info` failed"]
    return "" if answer.returncode == 0 else f"needs a container engine: {lines[-1]}"


def ensure_archive(echo: Callable[[str], None], place: Place | None = None) -> Path:
    """Build the image unless the cache has it; return the docker archive with it.

    It takes about a minute, and two more where the base image cannot be pulled.

    Args:
        echo: is told of progress.
        place: where the container engine is; default: on this machine.

    Raises:
        ImageError: there is no container engine, or a command failed.
        BuildError, UnavailableError: the base image can neither be pulled nor made.
    """
    cache = cache_folder() / "operator-image"
    archives = cache / "archives"
    archives.mkdir(parents=True, exist_ok=True)
    sources = [Path(__file__), *_context()]
    archive = archives / _digest_of(sources) / "operator.tar"
    with exclusive_lock(cache / "lock", echo, "builds the operator's image"):
        if not archive.is_file():
            if reason := missing_engine(place):
                raise ImageError(reason)
            archive.parent.mkdir(exist_ok=True)
            _Build(place or OnMachine(), cache, echo).build(archive)
        os.utime(archive.parent)
        remove_unused(archives, {archive.parent.name}, _KEEP_ARCHIVES_SECONDS)
        remove_unused(cache, keep={archives.name})
    return archive


def ensure_bases(echo: Callable[[str], None], place: Place, tag: str) -> list[str]:
    """The options of `docker build` for a machine without a registry, and the images they name.

    Raises:
        ImageError: a command failed.
        BuildError, UnavailableError: the base image cannot be made.
    """
    cache = cache_folder() / "operator-image"
    cache.mkdir(parents=True, exist_ok=True)
    with exclusive_lock(cache / "lock", echo, "builds the operator's image"):
        return _Build(place, cache, echo).without_registry(tag)


def _context() -> list[Path]:
    """What the engine is sent: the Dockerfile, and what ``.dockerignore`` includes again."""
    lines = (ROOT / ".dockerignore").read_text().splitlines()
    included = [ROOT / line[1:] for line in lines if line.startswith("!")]
    files = [file for path in included for file in (path.rglob("*") if path.is_dir() else [path])]
    found = (file for file in files if file.is_file() and "__pycache__" not in file.parts)
    return sorted([ROOT / "Dockerfile", *found])


def _digest_of(files: Iterable[Path]) -> str:
    digest = hashlib.sha256()
    for file in files:
        digest.update(repr((file.relative_to(ROOT).as_posix(), file.read_bytes())).encode())
    return digest.hexdigest()[:16]


def _tar(files: Iterable[Path], folder: Path, dockerfile: str | None = None) -> IO[bytes]:
    """A build context: files by their path in a folder."""
    content = io.BytesIO()
    # Docker takes a stream that begins with a PAX header for a Dockerfile.
    with tarfile.open(fileobj=content, mode="w", format=tarfile.GNU_FORMAT) as context:
        for file in files:
            context.add(file, file.relative_to(folder).as_posix())
        if dockerfile is not None:
            member = tarfile.TarInfo("Dockerfile")
            member.size = len(dockerfile.encode())
            context.addfile(member, io.BytesIO(dockerfile.encode()))
    content.seek(0)
    return content


@dataclass(frozen=True)
class _Build:
    """A build of the image with a container engine."""

    place: Place
    cache: Path
    echo: Callable[[str], None]

    def build(self, archive: Path) -> None:
        """Build the image and save it; no tag stays in the engine."""
        name = image_name()
        suffix = archive.parent.name
        base, build_base = _bases(suffix)
        building = archive.with_name("operator.tar.part")
        try:
            options = ["--build-arg=PIP_INDEX_URL"]
            if not self._default_base_is_here():
                options = self.without_registry(suffix)
            context = _tar(_context(), ROOT)
            self._docker(
                f"building {name}", 60, "build", *options, f"--tag={name}", "-", stdin=context
            )
            with building.open("wb") as output:
                self._docker("saving it", 10, "save", name, stdout=output)
        finally:
            remove = self.place.enter("docker", "image", "rm", "--force", name, build_base, base)
            subprocess.run(remove, capture_output=True, check=False)
        building.replace(archive)

    def without_registry(self, tag: str) -> list[str]:
        """Make the bases with this tag; the options of `docker build` that name them."""
        base, build_base = _bases(tag)
        self._import_bases(base, build_base)
        return [
            "--network=none",
            f"--build-arg=BASE={base}",
            f"--build-arg=BUILD_BASE={build_base}",
        ]

    def _default_base_is_here(self) -> bool:
        """Whether the engine has the base image that the Dockerfile names, or can pull it."""
        text = (ROOT / "Dockerfile").read_text()
        found = re.search(r"^ARG BASE=(.+)$", text, re.MULTILINE)
        assert found
        try:
            for command in ("image", "inspect"), ("pull",):
                answer = subprocess.run(
                    self.place.enter("docker", *command, found[1]),
                    capture_output=True,
                    check=False,
                    timeout=_PULL_SECONDS,
                )
                if answer.returncode == 0:
                    return True
        except subprocess.TimeoutExpired:
            pass
        name = found[1].partition("@")[0]
        self.echo(f"{name} cannot be pulled: Debian's Python is the base image instead")
        return False

    def _import_bases(self, base: str, build_base: str) -> None:
        """Debian's Python as an image, and the same with wheels for the image that builds."""
        with _root_file_system(self.cache, self.echo).open("rb") as root:
            arguments = ("import", f"--change=ENV PATH={_PATH}", "-", base)
            self._docker("importing the base image", 5, *arguments, stdin=root)
        wheels = _wheels(self.cache, self.echo)
        recipe = f"FROM {base}\nENV PIP_NO_INDEX=1 PIP_FIND_LINKS=/wheels\nCOPY *.whl /wheels/\n"
        context = _tar(sorted(wheels.iterdir()), wheels, recipe)
        arguments = ("build", "--network=none", f"--tag={build_base}", "-")
        self._docker("adding the wheels", 5, *arguments, stdin=context)

    def _docker(
        self,
        what: str,
        seconds: int,
        *arguments: str,
        stdin: IO[bytes] | None = None,
        stdout: IO[bytes] | None = None,
    ) -> None:
        line = self.place.enter("docker", *arguments)
        _run(line, what, seconds, self.echo, stdin=stdin, stdout=stdout)


def _bases(tag: str) -> tuple[str, str]:
    return f"pryv-operator-base:{tag}", f"pryv-operator-build-base:{tag}"


def _root_file_system(cache: Path, echo: Callable[[str], None]) -> Path:
    """An archive of Debian's files, of this month."""
    key = repr((_MMDEBSTRAP_ARGUMENTS, platform.machine(), time.strftime("%Y-%m"))).encode()
    archive = cache / f"debian-{hashlib.sha256(key).hexdigest()[:16]}" / "root.tar"
    if not archive.is_file():
        debian.check_machine()
        archive.parent.mkdir(exist_ok=True)
        with tempfile.TemporaryDirectory(dir=cache) as folder:
            made = Path(folder) / "root.tar"
            start = debian.download_mmdebstrap(Path(folder), echo)
            command = (*start, *_MMDEBSTRAP_ARGUMENTS, str(made))
            _run(command, "making a base image of Debian", 60, echo)
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
    stdin: IO[bytes] | None = None,
    stdout: IO[bytes] | None = None,
) -> None:
    """Run a command to its end.

    Raises:
        ImageError: it failed; with the end of its output.
    """
    echo(f"{what} (about {seconds} s)")
    started = time.monotonic()
    with tempfile.TemporaryFile() as given, tempfile.TemporaryFile() as output:
        if stdin is not None:
            shutil.copyfileobj(stdin, given)
            given.seek(0)
        with subprocess.Popen(
            command, stdin=given, stdout=stdout or output, stderr=output
        ) as process:
            try:
                report_until_done(process, what, started, echo)
            except BaseException:
                process.kill()
                raise
        if process.returncode != 0:
            output.seek(0)
            text = output.read()[-4000:].decode(errors="replace")
            raise ImageError(f"`{' '.join(command)}` failed:\n{text}")


if __name__ == "__main__":
    try:
        print(ensure_archive(print_with_time))
    except (BuildError, debian.UnavailableError) as failed:
        sys.exit(str(failed))
