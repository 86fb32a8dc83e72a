"""Links and paths in the documentation lead somewhere."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "operator/pryv_operator"
PAGES = sorted(
    page
    for pattern in ("*.md", "docs/*.md", "charts/*/README.md", "tests/**/README.md")
    for page in ROOT.glob(pattern)
)
_LINK = re.compile(r"\[[^\]]+\]\(([^)\s]+)\)")
_PATH = re.compile(r"`((?:[\w.-]+/)+[\w.-]+\.(?:py|md|yaml|json|toml|lock|go))`")


def links(page: Path) -> Iterator[str]:
    for target in _LINK.findall(page.read_text()):
        if not re.match(r"[a-z]+:", target):
            yield target


def anchors(page: Path) -> set[str]:
    """Anchors of a page's headings, as GitHub makes them."""
    headings = re.findall(r"^#+ (.+)$", page.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
class TestPage:
    def test_links_lead_somewhere(self, page: Path) -> None:
        for target in links(page):
            path, _, anchor = target.partition("#")
            found = (page.parent / path).resolve() if path else page
            assert found.exists(), target
            if anchor and found.suffix == ".md":
                assert anchor in anchors(found), target

    def test_paths_exist(self, page: Path) -> None:
        if page.name == "variables.md":
            return  # generated: paths of files in the roles
        for path in _PATH.findall(page.read_text()):
            places = (ROOT, PACKAGE, page.parent, ROOT / "tests")
            assert any((place / path).exists() for place in places) or _is_example(path), path


def _is_example(path: str) -> bool:
    """Paths of a user's machine, an installation or a build, not of this repository."""
    return path.startswith(("build/", "files/", "moved/", "conf/", "data/", "config-leader/"))
