"""Fixtures of the tests with real pods."""

from __future__ import annotations

import os
import secrets
from collections.abc import Callable, Generator, Iterator
from pathlib import Path

import pytest

from tests.cluster.kind.cluster import KindCluster, running_cluster
from tests.cluster.kind.debian import UnavailableError
from tests.e2e.client_image import write_client_archive
from tests.e2e.evidence import keep_evidence
from tests.e2e.pods import Room

_RUNNING = pytest.StashKey[KindCluster]()


@pytest.fixture(scope="session")
def cluster(
    request: pytest.FixtureRequest,
    cluster_echo: Callable[[str], None],
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[KindCluster]:
    """A cluster of real pods, which has the client's image. `KEEP=1` leaves it up."""
    try:
        running = running_cluster(
            cluster_echo,
            workers=int(os.environ.get("WORKERS", "0")),
            keep=bool(os.environ.get("KEEP")),
        )
        with running as found:
            request.config.stash[_RUNNING] = found
            archive = write_client_archive(tmp_path_factory.mktemp("client"), cluster_echo)
            found.load(archive)
            yield found
    except UnavailableError as missing:
        if "CI" in os.environ:
            raise
        pytest.skip(str(missing))


@pytest.fixture
def new_room(cluster: KindCluster) -> Iterator[Callable[[], Room]]:
    """Makes namespaces that admit only restricted pods; deleted after the test, without waiting."""
    made: list[str] = []

    def make() -> Room:
        name = f"test-{secrets.token_hex(4)}"
        made.append(name)
        cluster.kubectl("create", "namespace", name)
        level = "pod-security.kubernetes.io/enforce=restricted"
        cluster.kubectl("label", "namespace", name, level)
        return Room(cluster, name)

    yield make
    if made:
        cluster.kubectl("delete", "namespace", "--wait=false", *made)


@pytest.fixture
def room(new_room: Callable[[], Room]) -> Room:
    """A namespace of the test."""
    return new_room()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Keep what there is about the pods when a test fails, and say where."""
    report = yield
    running = item.config.stash.get(_RUNNING, None)
    if report.failed and report.when != "teardown" and running is not None:
        folder: Path = keep_evidence(running, item.nodeid)
        report.sections.append(("logs, events and describe", str(folder)))
    return report
