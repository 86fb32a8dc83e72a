"""Check that a tag, the package, the chart and the changelog are of one version; print it.

Usage: version.py [vX.Y.Z]. Without a tag only the files are compared, and the changelog need not
have a section of the version yet.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import Final

import yaml

ROOT: Final = Path(__file__).resolve().parents[2]
_PACKAGE: Final = ROOT / "operator/pryv_operator/__init__.py"
_CHART: Final = ROOT / "charts/pryv-operator/Chart.yaml"
_CHANGELOG: Final = ROOT / "CHANGELOG.md"
#: Semantic versioning, with what both Python and helm understand of it.
_VERSION: Final = re.compile(r"\d+\.\d+\.\d+(?:-(?:alpha|beta|rc)\.\d+)?")


class VersionError(Exception):
    """Versions differ or are not valid; each line of the message is one problem."""


def read_versions() -> dict[str, str]:
    """Place → version, of all places that have one."""
    package = re.search(r'^__version__ = "(.+)"$', _PACKAGE.read_text(), re.MULTILINE)
    chart = yaml.safe_load(_CHART.read_text())
    return {
        str(_PACKAGE.relative_to(ROOT)): package[1] if package else "",
        f"{_CHART.relative_to(ROOT)}: version": str(chart["version"]),
        f"{_CHART.relative_to(ROOT)}: appVersion": str(chart["appVersion"]),
    }


def find_problems(tag: str | None, versions: dict[str, str], changelog: str) -> list[str]:
    """What is wrong, one line each; nothing if all are of one version."""
    expected = next(iter(versions.values())) if tag is None else tag.removeprefix("v")
    problems = []
    if tag is not None and not tag.startswith("v"):
        problems.append(f'tag: "{tag}" does not begin with "v"; tag the commit as "v{tag}"')
    if not _VERSION.fullmatch(expected):
        problems.append(f'version: "{expected}" is not X.Y.Z, or X.Y.Z-rc.N')
    problems += [
        f'{place}: "{version}" is not "{expected}"; change it'
        for place, version in versions.items()
        if version != expected
    ]
    if tag is not None and not re.search(
        rf"^## \[?{re.escape(expected)}\]?(?: |$)", changelog, re.MULTILINE
    ):
        problems.append(f'CHANGELOG.md: section "## {expected}" not found; rename "## Unreleased"')
    return problems


def main() -> int:
    """Print the version; 1 and the problems on standard error if the places differ."""
    tag = sys.argv[1] if len(sys.argv) > 1 else None
    versions = read_versions()
    problems = find_problems(tag, versions, _CHANGELOG.read_text())
    for problem in problems:
        sys.stderr.write(f"error: {problem}\n")
    if not problems:
        sys.stdout.write(f"{next(iter(versions.values()))}\n")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
