"""Fixtures of the tests with real pods."""

from __future__ import annotations

import datetime as dt
import os
import secrets
import time
from collections.abc import Callable, Generator, Iterator
from pathlib import Path
from typing import Any, Final

import pytest

from tests.cluster.kind.cluster import KindCluster, running_cluster
from tests.cluster.kind.debian import UnavailableError
from tests.e2e.client_image import write_client_archive
from tests.e2e.evidence import keep_evidence
from tests.e2e.images import build, operator_image
from tests.e2e.outside import SMTP_HOST, Outside, start_outside
from tests.e2e.platforms import Platform
from tests.e2e.pods import Room
from tests.unit.pki.chains import Link, issue

#: The namespace of the operator.
OPERATOR: Final = "pryv-system"
CHART: Final = operator_image.ROOT / "charts" / "pryv-operator"
_DOMAIN: Final = "two-cores.test"
_RUNNING = pytest.StashKey[KindCluster]()
#: Of a test, once it has failed.
FAILED = pytest.StashKey[bool]()


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


@pytest.fixture(scope="session")
def outside(cluster: KindCluster, cluster_echo: Callable[[str], None]) -> Outside:
    """The outside of the platforms; the nodes have the stand-ins for Pryv's images."""
    archive = build.ensure_archive(cluster_echo)
    cluster_echo("loading the stand-ins for Pryv's images into the nodes")
    cluster.load(archive)
    return start_outside(cluster)


@pytest.fixture(scope="session")
def installed(cluster: KindCluster, cluster_echo: Callable[[str], None]) -> Iterator[KindCluster]:
    """The operator from its image and its chart, in a namespace for restricted pods."""
    try:
        place = cluster.place if operator_image.missing_engine() else None
        image = operator_image.ensure_archive(cluster_echo, place)
    except operator_image.ImageError as missing:
        if "CI" in os.environ:
            raise
        pytest.skip(str(missing))
    cluster_echo("loading the operator's image into the nodes")
    cluster.load(image)
    cluster.kubectl("create", "namespace", OPERATOR)
    level = "pod-security.kubernetes.io/enforce=restricted"
    cluster.kubectl("label", "namespace", OPERATOR, level)
    cluster_echo("helm install")
    where = f"--namespace={OPERATOR}"
    cluster.helm("install", "pryv-operator", str(CHART), where, "--wait", "--timeout=3m")
    yield cluster
    if not os.environ.get("KEEP"):
        cluster.helm("uninstall", "pryv-operator", where, "--wait")
        cluster.kubectl("delete", "namespace", OPERATOR, "--wait=false")


@pytest.fixture(scope="session")
def authority() -> Link:
    """The authority of the platform's certificates, which no public one knows."""
    return issue("Authority of the tests", **_valid())


@pytest.fixture(scope="session")
def two_cores(
    installed: KindCluster,
    outside: Outside,
    authority: Link,
    cluster_echo: Callable[[str], None],
) -> Iterator[Platform]:
    """A platform with two cores and a reg-slave that is Ready; tests leave it Ready."""
    platform = Platform(installed, "two-cores", _DOMAIN)
    cluster_echo("kubectl apply: a platform with two cores and a reg-slave")
    started = time.monotonic()
    platform.create(_two_cores(authority), wildcard(authority, platform.domain))
    platform.wait_ready()
    cluster_echo(f"it is Ready after {time.monotonic() - started:.0f} s")
    outside.meet(platform, authority.pem)
    yield platform
    if not os.environ.get("KEEP"):
        platform.delete()


def wildcard(authority: Link, domain: str) -> dict[str, Any]:
    """The Secret with a new certificate for a domain and the hosts below it."""
    leaf = issue(domain, authority, dns_names=[domain, f"*.{domain}"], **_valid())
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "type": "kubernetes.io/tls",
        "metadata": {"name": "wildcard"},
        "stringData": {"tls.crt": leaf.pem, "tls.key": leaf.key_pem},
    }


def _two_cores(authority: Link) -> dict[str, Any]:
    return {
        "variables": {
            "PLATFORM_NAME": "Acme",
            "AUDIT_SYSLOG_FILTER": {
                "methods": {"include": ["accesses.create", "getAccessInfo"], "exclude": []}
            },
            "EMAIL_ACTIVATION": {"welcome": True, "resetPassword": True},
            "EMAIL_SENDER": {"name": "Acme", "address": f"noreply@{_DOMAIN}"},
            "EMAIL_SMTP_SETTINGS": {"host": SMTP_HOST, "port": 25, "secure": False},
        },
        "tls": {"secretName": "wildcard", "caBundle": authority.pem},
        "roles": {
            "reg-master": _with_cpu("dns", "register", "reverse-proxy", "redis"),
            "core": {
                "instances": [
                    {"name": "co1", "hosting": "geneva"},
                    {"name": "co2", "hosting": "zurich"},
                ],
                **_with_cpu("core", "hfs", "influxdb", "mongodb", "reverse-proxy"),
            },
            "static": _with_cpu("app-web-auth3", "reverse-proxy"),
            "reg-slave": _with_cpu("dns"),
        },
    }


def _with_cpu(*components: str) -> dict[str, Any]:
    """What these answer with while others start, all at once, on a small node."""
    resources = {"resources": {"requests": {"cpu": "15m"}}}
    return {"components": dict.fromkeys(components, resources)}


def _valid() -> dict[str, dt.datetime]:
    today = dt.datetime.now(dt.UTC)
    return {"begin": today - dt.timedelta(days=1), "end": today + dt.timedelta(days=60)}


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
    if report.failed:
        item.stash[FAILED] = True
    if report.failed and report.when != "teardown" and running is not None:
        folder: Path = keep_evidence(running, item.nodeid)
        report.sections.append(("logs, events and describe", str(folder)))
        terminal = item.config.pluginmanager.get_plugin("terminalreporter")
        if terminal is not None and call.excinfo is not None:
            terminal.write_line(f"\n{call.excinfo.exconly()}")
            terminal.write_line(f"logs, events and describe: {folder}")
    return report
