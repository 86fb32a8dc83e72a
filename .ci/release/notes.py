"""Print the section of a version in CHANGELOG.md. Usage: notes.py X.Y.Z|Unreleased."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import Final

_CHANGELOG: Final = Path(__file__).resolve().parents[2] / "CHANGELOG.md"


def find_section(changelog: str, version: str) -> str | None:
    """The text below the heading of a version, without it; None if it does not exist."""
    found = re.search(
        rf"^## \[?{re.escape(version)}\]?(?: [^\n]*)?\n(.*?)(?=^## |\Z)",
        changelog,
        re.MULTILINE | re.DOTALL,
    )
    return found[1].strip() if found else None


def main() -> int:
    """Print the section; 2 without a version, 1 if it has no section."""
    if len(sys.argv) != 2:
        sys.stderr.write("usage: notes.py X.Y.Z\n")
        return 2
    section = find_section(_CHANGELOG.read_text(), sys.argv[1])
    if not section:
        sys.stderr.write(f'error: CHANGELOG.md: section "## {sys.argv[1]}" not found or empty\n')
        return 1
    sys.stdout.write(f"{section}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
