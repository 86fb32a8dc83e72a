"""Fixtures of the ring: a folder of the run, and a stand-in for a public host."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.cluster.run_folder import RunFolder
from tests.readers.node_packages import Node, ensure_node
from tests.readers.public_site import PublicSite, public_site

GOLDEN = Path(__file__).parent / "golden"


@pytest.fixture(scope="session")
def run_folder() -> Iterator[RunFolder]:
    """A temporary folder of this run."""
    folder = RunFolder()
    yield folder
    folder.remove()


@pytest.fixture(scope="session")
def public_pages(run_folder: RunFolder) -> PublicSite:
    """The stand-in for the public host, which nginx trusts."""
    return public_site(run_folder, "public")


@pytest.fixture
def golden(request: pytest.FixtureRequest) -> Callable[[str, str], None]:
    """Compare a text with the golden file of a name; with `--update-golden`, write it."""

    def compare(name: str, text: str) -> None:
        file = GOLDEN / name
        if request.config.getoption("--update-golden"):
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text)
        assert file.is_file(), f"{file} is missing; write it with --update-golden"
        assert text.splitlines() == file.read_text().splitlines()

    return compare


@pytest.fixture(scope="session")
def node(request: pytest.FixtureRequest) -> Node:
    """Node with the packages of Pryv's services."""
    return ensure_node(echo_of(request.config))


def echo_of(config: pytest.Config) -> Callable[[str], None]:
    """Print progress of an installation to the terminal, past pytest's capturing."""
    capture = config.pluginmanager.getplugin("capturemanager")

    def echo(line: str) -> None:
        with capture.global_and_fixture_disabled():
            print(f"\n[readers] {line}", end="", file=sys.stderr, flush=True)

    return echo
