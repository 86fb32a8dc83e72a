"""nginx reads the files of every reverse proxy, and routes as the golden files say."""

from __future__ import annotations

import datetime as dt
import json
import re
import ssl
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from typing import Any

import pytest

from pryv_operator.api import names
from pryv_operator.pki.authority import CERTIFICATE_LIFETIME
from tests.cluster.run_folder import RunFolder
from tests.cluster.waiting import wait_until
from tests.readers.conftest import GOLDEN
from tests.readers.nginx import RunningNginx, check, localise, running_nginx
from tests.readers.platforms import ALL, BUILT_IN, ReadPlatform, read_platform
from tests.readers.ports import LOOPBACK
from tests.readers.public_site import PublicSite, public_site
from tests.readers.routing import ask, routing_table

PROXY = "reverse-proxy"
#: Instances with a reverse proxy, by kind of platform.
CLUSTER = ("reg", "co1", "co2", "sw", "reg-slave")
PROXIES = [
    pytest.param(platform, instance, id=f"{platform}/{instance}")
    for platform in ALL
    for instance in (("single",) if "single" in platform else CLUSTER)
    if platform in BUILT_IN or instance != "co2"
]
#: Requests that only the leader's templates know: the leader, its followers and the admin panel
#: are gone (`NO_FOLLOWER`, `NO_ADMIN_PANEL` in tests/unit/templates/intended_differences.py).
LEADERS_OWN = re.compile(r" https://(?:(?:lead|adm)\.DOMAIN\b|DOMAIN/|[\w.]+/notify\b)")
#: Requests for the pages of another host: `NO_LOGIN` in the same file.
PAGES = re.compile(r" https://(?:mfa\.DOMAIN/|alice\.DOMAIN/(?:\?\S*)? )")


@contextmanager
def serving(
    platform: ReadPlatform, instance: str, folder: RunFolder, public_pages: PublicSite
) -> Iterator[RunningNginx]:
    pod = platform.pod(instance, PROXY)
    files = localise(pod, folder.path / f"{platform.name}-{instance}")
    with running_nginx(pod, files, folder, public_pages) as running:
        yield running


def client(platform: ReadPlatform) -> ssl.SSLContext:
    """A TLS client that trusts the platform's authority, and nobody else."""
    return ssl.create_default_context(cadata=platform.authority)


@pytest.mark.parametrize(("name", "instance"), PROXIES)
def test_every_request_is_routed_as_the_golden_file_says(
    name: str,
    instance: str,
    run_folder: RunFolder,
    public_pages: PublicSite,
    golden: Callable[[str, str], None],
) -> None:
    platform = read_platform(name)
    with serving(platform, instance, run_folder, public_pages) as running:
        table = routing_table(running, platform.domain, client(platform))
    # All cores route alike.
    golden(f"{name}/{'core' if instance.startswith('co') else instance}.txt", table)
    log = running.process.log()
    assert "[emerg]" not in log
    assert "[crit]" not in log


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        ("builtin-cluster/core", "1.9.2-cluster/core"),
        ("builtin-cluster/reg", "1.9.2-cluster/reg"),
        ("builtin-cluster/sw", "1.9.2-cluster/sw"),
        ("builtin-singlenode/single", "1.9.2-single-node/single"),
    ],
)
def test_the_built_in_release_routes_as_pryvs_own_templates(ours: str, theirs: str) -> None:
    """The bare domain gets the first server, which is the leader's in Pryv's reg-master."""

    def lines(name: str) -> list[str]:
        text = (GOLDEN / f"{name}.txt").read_text()
        return [
            line
            for line in text.splitlines()
            if not LEADERS_OWN.search(line) and not PAGES.search(line)
        ]

    assert lines(ours) == lines(theirs)


@pytest.mark.parametrize(("name", "instance"), PROXIES)
def test_nginx_takes_the_configuration_without_a_word(
    name: str, instance: str, run_folder: RunFolder
) -> None:
    platform = read_platform(name)
    files = localise(platform.pod(instance, PROXY), run_folder.path / f"check-{name}-{instance}")
    said = check(files)
    if platform.is_builtin:
        assert "[warn]" not in said


@pytest.mark.parametrize(("name", "instance"), PROXIES)
def test_upstreams_are_services_of_the_same_instance(
    name: str, instance: str, run_folder: RunFolder
) -> None:
    """An upstream host that cannot be resolved keeps nginx from starting; the leader is gone."""
    platform = read_platform(name)
    pod = platform.pod(instance, PROXY)
    files = localise(pod, run_folder.path / f"hosts-{name}-{instance}")
    assert {host: pod.hosts.get(host) for host in files.hosts} == {
        host: LOOPBACK
        if host.startswith("config-")
        else names.workload(platform.inputs.platform.name, instance, host)
        for host in files.hosts
    }


@pytest.mark.parametrize("name", BUILT_IN)
def test_nginx_serves_while_public_hosts_cannot_be_resolved(
    name: str, run_folder: RunFolder, public_pages: PublicSite
) -> None:
    platform = read_platform(name)
    instance = "single" if name == "builtin-singlenode" else "co1"
    pod = platform.pod(instance, PROXY)
    files = localise(pod, run_folder.path / f"deaf-{name}")
    with running_nginx(pod, files, run_folder, public_pages, public_hosts=frozenset()) as running:
        host, tls = f"alice.{platform.domain}", client(platform)
        assert ask(running, 443, host, "GET", "/events", tls).status == 200
        assert ask(running, 443, host, "GET", "/", tls).status == 502


EARLIER = dt.datetime.now(dt.UTC) - 2 * CERTIFICATE_LIFETIME
IMPOSTORS: dict[str, dict[str, Any]] = {
    "unknown-authority": {"trusted": False},
    "another-host": {"host": "impostor.github.io"},
    "expired": {"issued": EARLIER},
}


IMPOSTORS_SAID = {
    "unknown-authority": "upstream SSL certificate verify error: .*(self.signed|issuer)",
    "another-host": "upstream SSL certificate does not match",
    "expired": "upstream SSL certificate verify error: .*expired",
}


@pytest.mark.parametrize("impostor", IMPOSTORS)
@pytest.mark.parametrize(
    ("name", "instance", "prefix"),
    [
        ("builtin-cluster", "co1", "alice"),
        ("builtin-cluster", "sw", "mfa"),
        ("builtin-singlenode", "single", "alice"),
        ("builtin-singlenode", "single", "mfa"),
    ],
)
def test_pages_from_outside_come_from_their_host_or_not_at_all(
    name: str, instance: str, prefix: str, impostor: str, run_folder: RunFolder
) -> None:
    platform = read_platform(name)
    site = public_site(run_folder, f"{name}-{prefix}-{impostor}", **IMPOSTORS[impostor])
    files = localise(platform.pod(instance, PROXY), run_folder.path / f"{impostor}-{name}-{prefix}")
    with running_nginx(platform.pod(instance, PROXY), files, run_folder, site) as running:
        answer = ask(running, 443, f"{prefix}.{platform.domain}", "GET", "/", client(platform))
        assert answer.status == 502
    log = (files.folder / "app/log/nginx.error.log").read_text()
    assert re.search(IMPOSTORS_SAID[impostor], log), log


#: Suites of TLS 1.2 for the key of the private authority's certificate, and whether the built-in
#: files offer them.
SUITES = {
    "ECDHE-ECDSA-AES128-GCM-SHA256": True,
    "ECDHE-ECDSA-AES256-GCM-SHA384": True,
    "ECDHE-ECDSA-CHACHA20-POLY1305": True,
    "ECDHE-ECDSA-AES128-SHA256": False,
    "ECDHE-ECDSA-AES256-SHA384": False,
    "ECDHE-ECDSA-AES256-SHA": False,
}


def test_only_authenticated_encryption(run_folder: RunFolder, public_pages: PublicSite) -> None:
    platform = read_platform(next(iter(BUILT_IN)))
    host = f"alice.{platform.domain}"
    with serving(platform, "co1", run_folder, public_pages) as running:
        for suite, offered in SUITES.items():
            tls = client(platform)
            tls.maximum_version = ssl.TLSVersion.TLSv1_2
            tls.set_ciphers(suite)
            refused = nullcontext() if offered else pytest.raises(ssl.SSLError)
            with refused:
                assert ask(running, 443, host, "GET", "/events", tls).status == 200


def test_answers_of_the_api_are_not_compressed(
    run_folder: RunFolder, public_pages: PublicSite
) -> None:
    """Their length would give away what is in them (BREACH)."""
    platform = read_platform(next(iter(BUILT_IN)))
    with serving(platform, "co1", run_folder, public_pages) as running:
        host, tls = f"alice.{platform.domain}", client(platform)
        answer = ask(running, 443, host, "GET", "/events", tls, accept_encoding="gzip")
    assert answer.status == 200
    assert "json" in answer.headers["content-type"]
    assert "content-encoding" not in answer.headers


#: What a browser or a client of the API may send with a login in it.
LOGIN = {
    "authorization": "hidden",
    "cookie": "sso=hidden",
    "referer": "https://alice.pryv.example/?auth=hidden",
    "x_custom": "hidden",
    "if_none_match": '"1"',
}


@pytest.mark.parametrize("method", ["GET", "HEAD"])
@pytest.mark.parametrize("target", ["/", "/?auth=hidden"])
@pytest.mark.parametrize(
    ("name", "instance", "prefix", "page"),
    [
        ("builtin-cluster", "co1", "alice", "/app-web/"),
        ("builtin-cluster", "sw", "mfa", "/app-web-mfa/"),
        ("builtin-singlenode", "single", "alice", "/app-web/"),
        ("builtin-singlenode", "single", "mfa", "/app-web-mfa/"),
    ],
)
def test_no_login_leaves_the_platform(
    name: str,
    instance: str,
    prefix: str,
    page: str,
    target: str,
    method: str,
    run_folder: RunFolder,
    public_pages: PublicSite,
) -> None:
    platform = read_platform(name)
    host = f"{prefix}.{platform.domain}"
    with serving(platform, instance, run_folder, public_pages) as running:
        answer = ask(running, 443, host, method, target, client(platform), **LOGIN)
        (seen,) = running.seen_by_public_site
    assert answer.status == 200
    assert (seen["method"], seen["target"]) == (method, page)
    # Versions of nginx differ in the header Connection, which they write themselves.
    assert {key: text for key, text in seen["headers"].items() if key != "connection"} == {
        "host": "pryv.github.io",
        "accept-encoding": "identity",
        "if-none-match": '"1"',
    }
    assert "hidden" not in str(seen)
    assert not seen["body"]


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS"])
@pytest.mark.parametrize(
    ("name", "instance"), [("builtin-cluster", "co1"), ("builtin-singlenode", "single")]
)
def test_core_gets_all_other_requests_as_they_are(
    name: str, instance: str, method: str, run_folder: RunFolder, public_pages: PublicSite
) -> None:
    platform = read_platform(name)
    host = f"alice.{platform.domain}"
    with serving(platform, instance, run_folder, public_pages) as running:
        answer = ask(running, 443, host, method, "/?auth=hidden", client(platform), **LOGIN)
        assert not running.seen_by_public_site
    seen = json.loads(answer.body)
    assert seen["upstream"].startswith("core")
    assert (seen["method"], seen["target"]) == (method, "/?auth=hidden")
    sent = {key.replace("_", "-"): text for key, text in LOGIN.items()}
    assert seen["headers"].items() >= {**sent, "host": host}.items()
    assert seen["body"] == ("{}" if method == "POST" else "")


@pytest.mark.parametrize(
    ("name", "instance"), [("builtin-cluster", "sw"), ("builtin-singlenode", "single")]
)
def test_the_pages_of_mfa_take_nothing(
    name: str, instance: str, run_folder: RunFolder, public_pages: PublicSite
) -> None:
    platform = read_platform(name)
    host = f"mfa.{platform.domain}"
    with serving(platform, instance, run_folder, public_pages) as running:
        assert ask(running, 443, host, "POST", "/", client(platform)).status == 405
        assert not running.seen_by_public_site


@pytest.mark.parametrize("target", ["/events", "/events/abc/series"])
@pytest.mark.parametrize(
    ("name", "instance"), [("builtin-cluster", "co1"), ("builtin-singlenode", "single")]
)
def test_what_was_away_is_asked_soon_after_it_is_back(
    name: str, instance: str, target: str, run_folder: RunFolder, public_pages: PublicSite
) -> None:
    """As after a restart of core or hfs: Ready has to mean that clients are answered."""
    platform = read_platform(name)
    host = f"alice.{platform.domain}"
    with serving(platform, instance, run_folder, public_pages) as running:

        def status() -> int:
            return ask(running, 443, host, "GET", target, client(platform)).status

        sockets = list(running.files.sockets.values())
        for each in sockets:
            each.rename(each.with_suffix(".away"))
        assert {status() for _ in range(30)} == {502}
        for each in sockets:
            each.with_suffix(".away").rename(each)
        wait_until(lambda: status() == 200, "an answer", seconds=10)
