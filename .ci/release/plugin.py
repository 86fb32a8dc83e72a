"""Build the archive of kubectl-pryv for this machine: DIST/kubectl-pryv-OS-ARCH.tar.gz.

The archive has the program with its own Python (PyInstaller), and the licence. Its file with the
digest has the same name and `.sha256`. The packages must be installed, PyInstaller too. Usage:
plugin.py DIST.
"""

from __future__ import annotations

import hashlib
import platform
import shutil
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path
from typing import Final

import kubernetes

ROOT: Final = Path(__file__).resolve().parents[2]
PROGRAM: Final = "kubectl-pryv"
_ENTRY: Final = """\
import sys
from pryv_operator.cli.plugin import plugin

if __name__ == "__main__":
    sys.argv[0] = "kubectl-pryv"
    plugin()
"""
#: Names of krew's selectors.
_ARCHITECTURES: Final = {"x86_64": "amd64", "amd64": "amd64", "aarch64": "arm64", "arm64": "arm64"}
#: Modules are loaded by name, and files read, which PyInstaller cannot see.
_WITH_ALL_OF: Final = ("pryv_operator",)
#: Classes for each API and model of Kubernetes, as in the Dockerfile: the plugin asks for none.
_WITHOUT: Final = (
    "kubernetes.client.api",
    "kubernetes.aio.client.api",
    "kubernetes.dynamic",
    "kubernetes.stream",
    "IPython",
    "tkinter",
)


def archive_name(system: str, machine: str) -> str:
    """The name of the archive for an operating system and a machine, as `platform` names them.

    Raises:
        ValueError: the machine is not one that releases are built for.
    """
    architecture = _ARCHITECTURES.get(machine.lower())
    if architecture is None:
        known = ", ".join(sorted(_ARCHITECTURES))
        raise ValueError(f'machine "{machine}" is not one of {known}')
    return f"{PROGRAM}-{system.lower()}-{architecture}.tar.gz"


def build(dist: Path) -> Path:
    """Build the archive; return its path."""
    dist.mkdir(parents=True, exist_ok=True)
    archive = dist / archive_name(platform.system(), platform.machine())
    with tempfile.TemporaryDirectory() as folder:
        program = _freeze(Path(folder))
        shutil.copy(ROOT / "LICENSE", program)
        with tarfile.open(archive, "w:gz") as tar:
            tar.add(program, PROGRAM, filter=_without_owner)
    digest = hashlib.sha256(archive.read_bytes()).hexdigest()
    archive.with_name(f"{archive.name}.sha256").write_text(f"{digest}  {archive.name}\n")
    return archive


def _freeze(folder: Path) -> Path:
    """The folder with the program. One folder: a single file is unpacked at each start."""
    entry = folder / "entry.py"
    entry.write_text(_ENTRY)
    subprocess.run(
        [
            sys.executable,
            "-m",
            "PyInstaller",
            "--noconfirm",
            "--log-level=WARN",
            "--onedir",
            f"--name={PROGRAM}",
            *(f"--collect-all={package}" for package in _WITH_ALL_OF),
            *(f"--exclude-module={module}" for module in (*_WITHOUT, *_models())),
            f"--distpath={folder / 'dist'}",
            f"--workpath={folder / 'work'}",
            f"--specpath={folder}",
            f"--paths={ROOT / 'operator'}",
            str(entry),
        ],
        check=True,
        cwd=folder,
    )
    return folder / "dist" / PROGRAM


def _models() -> list[str]:
    """The modules of Kubernetes' models."""
    root = Path(kubernetes.__file__).parent
    return [
        ".".join(("kubernetes", *path.relative_to(root).with_suffix("").parts))
        for package in ("client", "aio/client")
        for path in sorted((root / package / "models").glob("*.py"))
        if path.stem != "__init__"
    ]


def _without_owner(member: tarfile.TarInfo) -> tarfile.TarInfo:
    member.uid = member.gid = 0
    member.uname = member.gname = ""
    return member


def main() -> int:
    """Build, and print the path of the archive."""
    if len(sys.argv) != 2:
        sys.stderr.write("usage: plugin.py DIST\n")
        return 2
    sys.stdout.write(f"{build(Path(sys.argv[1]))}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
