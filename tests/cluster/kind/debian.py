"""A Debian root file system for the container engine and the nodes, unpacked into the cache.

Nothing is installed on the machine itself: even mmdebstrap is downloaded and unpacked.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Final

from tests.cluster.binaries import BuildError, report_until_done

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

#: Its systemd runs on both versions of control groups; the next release's refuses version 1.
SUITE: Final = "bookworm"
#: Of this group, only the engine uses the first.
_PACKAGES: Final = (
    "docker.io",
    "bash",
    "ca-certificates",
    "conntrack",
    "containerd",
    "containernetworking-plugins",
    "curl",
    "dbus",
    "e2fsprogs",
    "ebtables",
    "ethtool",
    "iproute2",
    "iptables",
    "jq",
    "kmod",
    "libseccomp2",
    "mount",
    "nftables",
    "procps",
    "rsync",
    "runc",
    "socat",
    "systemd",
    "util-linux",
)
_OMITTED: Final = ("doc", "man", "locale")
_SOURCES: Final = (
    Path("/etc/apt/sources.list.d/debian.sources"),
    Path("/etc/apt/sources.list"),
)


class UnavailableError(RuntimeError):
    """This machine cannot run the cluster; the message says what is missing."""


def check_machine() -> None:
    """Check for what cannot be unpacked.

    Raises:
        UnavailableError: a program is missing.
    """
    needed = ("apt-get", "dpkg", "perl", "unshare", "nsenter", "pivot_root", "mount", "tar")
    missing = [name for name in needed if shutil.which(name) is None]
    if missing:
        raise UnavailableError(
            f"a cluster without a container engine is made of Debian packages;"
            f" not found: {', '.join(missing)}"
        )


def fingerprint() -> str:
    """Changes with what is in the root file system."""
    return hashlib.sha256(repr((SUITE, _PACKAGES, _OMITTED)).encode()).hexdigest()[:16]


def make_root(target: Path, echo: Callable[[str], None]) -> None:
    """Unpack the packages and what they depend on into the folder `target`, 470 MB.

    Raises:
        BuildError: the packages cannot be downloaded; the message holds the output's end.
    """
    unpack(target, _PACKAGES, f"unpacking Debian {SUITE} for nodes (about 100 s)", echo)


def unpack(
    target: Path,
    packages: Sequence[str],
    what: str,
    echo: Callable[[str], None],
    *,
    setup: str = "",
) -> None:
    """Make a root file system: a folder, or a tar file if `target` is named so.

    Args:
        target: where.
        packages: besides those that Debian is never without.
        what: is told of progress.
        echo: where progress is told.
        setup: commands for a shell, carried out in it at the end.

    Raises:
        BuildError: the packages cannot be downloaded; the message holds the output's end.
    """
    with tempfile.TemporaryDirectory(prefix=".debian-", dir=target.parent) as work:
        command = [
            *download_mmdebstrap(Path(work), echo),
            *("--mode=root", "--variant=minbase"),
            *(f"--dpkgopt=path-exclude=/usr/share/{name}/*" for name in _OMITTED),
            *([f"""--customize-hook=chroot "$1" sh -e -c '{setup}'"""] if setup else []),
            f"--include={','.join(packages)}",
            SUITE,
            str(target),
            *_mirrors(),
        ]
        _run(command, what, echo)


def download_mmdebstrap(folder: Path, echo: Callable[[str], None]) -> list[str]:
    """Unpack mmdebstrap, a Perl program, in a folder; return the command that starts it.

    Raises:
        BuildError: it cannot be downloaded; the message holds the output's end.
    """
    # Its lists may never have been fetched on this machine.
    download = ["apt-get", "download", "mmdebstrap"]
    if subprocess.run(download, cwd=folder, capture_output=True, check=False).returncode != 0:
        _run(["apt-get", "update"], "fetching the lists of packages", echo)
        _run(download, "downloading mmdebstrap", echo, folder)
    package = next(folder.glob("mmdebstrap_*.deb"))
    subprocess.run(["dpkg", "-x", str(package), str(folder)], check=True)
    programs = folder / "usr" / "bin"
    # It starts another program of its package, by name.
    path = f"{programs}{os.pathsep}{os.environ['PATH']}"
    return ["env", f"PATH={path}", "perl", str(programs / "mmdebstrap")]


def _mirrors() -> list[str]:
    """The machine's own sources if they are of this suite; else mmdebstrap's default."""
    return [
        str(sources)
        for sources in _SOURCES
        if sources.is_file() and f"{SUITE}-security" in sources.read_text()
    ][:1]


def _run(
    command: Sequence[str], what: str, echo: Callable[[str], None], folder: Path | None = None
) -> None:
    echo(what)
    started = time.monotonic()
    with (
        tempfile.TemporaryFile("w+") as output,
        subprocess.Popen(command, cwd=folder, stdout=output, stderr=subprocess.STDOUT) as running,
    ):
        try:
            report_until_done(running, what, started, echo)
        except BaseException:
            running.terminate()
            raise
        if running.returncode != 0:
            output.seek(0)
            raise BuildError(f"`{' '.join(command)}` failed:\n{output.read()[-3000:]}")
    echo(f"{what}: took {time.monotonic() - started:.0f} s")
