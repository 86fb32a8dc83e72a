"""The site of docs/ builds strictly, is complete and searchable, and loads nothing from others."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from manifests import site_links

ROOT = Path(__file__).parents[2]
PAGES = sorted(page.stem for page in (ROOT / "docs").glob("*.md"))
REPOSITORY = "https://github.com/pryv/pryv-operator"


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the built site."""
    folder = tmp_path_factory.mktemp("site")
    built = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", folder],
        cwd=ROOT,
        env={**os.environ, "NO_MKDOCS_2_WARNING": "1", "NO_COLOR": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert built.returncode == 0, built.stdout + built.stderr
    return folder


class Page(HTMLParser):
    """Anchors and links of a page, and what a browser loads for it."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.ids: set[str] = set()
        self.links: set[str] = set()
        self.loaded: set[str] = set()
        self.feed(path.read_text(encoding="utf-8"))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = {name: value for name, value in attrs if value is not None}
        if "id" in found:
            self.ids.add(found["id"])
        if tag == "a" and "href" in found:
            self.links.add(found["href"])
        if tag in ("script", "img", "iframe", "source") and "src" in found:
            self.loaded.add(found["src"])
        if tag == "link" and "href" in found and found.get("rel") not in ("canonical", "edit"):
            self.loaded.add(found["href"])


@pytest.mark.parametrize("name", PAGES)
def test_a_page_loads_nothing_from_another_host(site: Path, name: str) -> None:
    page = Page(site / f"{name}.html")
    assert page.loaded
    for target in page.loaded:
        assert not re.match(r"([a-z]+:)?//", target), target
        assert (site / target.partition("?")[0]).is_file(), target


@pytest.mark.parametrize("name", PAGES)
def test_links_of_a_page_lead_somewhere(site: Path, name: str) -> None:
    for link in Page(site / f"{name}.html").links:
        path, _, anchor = link.partition("#")
        if re.match(r"[a-z]+:", link):
            inside = link.removeprefix(f"{REPOSITORY}/")
            if inside != link and (found := re.match(r"(?:blob|tree|edit)/main/([^#]+)", inside)):
                assert (ROOT / found[1]).exists(), link
        elif path not in ("", "."):
            assert (site / path).is_file(), link
            assert not anchor or anchor in Page(site / path).ids, link


def test_every_page_can_be_found(site: Path) -> None:
    index: dict[str, Any] = json.loads((site / "search/search_index.json").read_text())
    assert {entry["location"].partition("#")[0] for entry in index["docs"]} >= {
        f"{name}.html" for name in PAGES
    }


def test_every_page_is_in_the_navigation(site: Path) -> None:
    """Strict mode only tells of pages that are nowhere if mkdocs is asked to."""
    navigation = (ROOT / "mkdocs.yml").read_text().partition("\nnav:\n")[2].partition("\n\n")[0]
    assert sorted(re.findall(r"([\w-]+)\.md$", navigation, re.MULTILINE)) == PAGES


def test_no_page_asks_github_for_its_stars(site: Path) -> None:
    """The theme's script does for an element with this mark."""
    for name in PAGES:
        assert 'data-md-component="source"' not in (site / f"{name}.html").read_text()


def test_what_the_theme_needs_of_docs_is_no_page(site: Path) -> None:
    assert not (site / "theme").exists()


@pytest.mark.parametrize(
    ("link", "target"),
    [
        ("[a](../tests/README.md#rules)", f"[a]({REPOSITORY}/blob/main/tests/README.md#rules)"),
        ("[a](../charts/pryv-operator)", f"[a]({REPOSITORY}/tree/main/charts/pryv-operator)"),
        ("[a](../Makefile)", f"[a]({REPOSITORY}/blob/main/Makefile)"),
        ("[a](secure.md#limits)", "[a](secure.md#limits)"),
    ],
)
def test_links_out_of_the_docs_lead_to_the_repository(link: str, target: str) -> None:
    assert site_links.with_repository_links(f"see {link}.", REPOSITORY) == f"see {target}."
