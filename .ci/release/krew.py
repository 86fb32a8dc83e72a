"""Print the manifest of kubectl-pryv for krew, the plugin manager of kubectl.

Usage: krew.py X.Y.Z ARCHIVE…, with the archives that plugin.py has built. Format:
https://krew.sigs.k8s.io/docs/developer-guide/plugin-manifest/
"""

from __future__ import annotations

import hashlib
import re
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import yaml

_RELEASES: Final = "https://github.com/pryv/pryv-operator/releases/download"
_ARCHIVE: Final = re.compile(r"(kubectl-pryv)-(linux|darwin)-(amd64|arm64)\.tar\.gz")
_DESCRIPTION: Final = """\
Shows what a Pryv.io platform is made of and what it waits for, checks its
DNS, certificates and mail, compares and rolls back revisions, renders
configuration without a cluster, and imports docker-compose installations.
"""


def manifest(version: str, archives: Sequence[Path]) -> dict[str, Any]:
    """The manifest of a version.

    Raises:
        ValueError: the name of an archive is not that of plugin.py.
    """
    return {
        "apiVersion": "krew.googlecontainertools.github.com/v1alpha2",
        "kind": "Plugin",
        "metadata": {"name": "pryv"},
        "spec": {
            "version": f"v{version}",
            "homepage": "https://github.com/pryv/pryv-operator",
            "shortDescription": "Look after Pryv.io platforms",
            "description": _DESCRIPTION,
            "platforms": [_platform(version, archive) for archive in sorted(archives)],
        },
    }


def _platform(version: str, archive: Path) -> dict[str, Any]:
    found = _ARCHIVE.fullmatch(archive.name)
    if found is None:
        raise ValueError(f'"{archive.name}" is not kubectl-pryv-OS-ARCH.tar.gz')
    program, system, architecture = found.groups()
    return {
        "selector": {"matchLabels": {"os": system, "arch": architecture}},
        "uri": f"{_RELEASES}/v{version}/{archive.name}",
        "sha256": hashlib.sha256(archive.read_bytes()).hexdigest(),
        # krew removes nothing of the archive's paths.
        "files": [{"from": f"{program}/*", "to": "."}],
        "bin": program,
    }


def main() -> int:
    """Print the manifest."""
    if len(sys.argv) < 3:
        sys.stderr.write("usage: krew.py X.Y.Z ARCHIVE…\n")
        return 2
    try:
        found = manifest(sys.argv[1], [Path(argument) for argument in sys.argv[2:]])
    except (ValueError, OSError) as error:
        sys.stderr.write(f"error: {error}\n")
        return 1
    yaml.safe_dump(found, sys.stdout, sort_keys=False)
    return 0


if __name__ == "__main__":
    sys.exit(main())
