"""Compose files: every release's is understood, and whatever is not is named."""

from __future__ import annotations

import contextlib
import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pryv_operator.compose.model import ComposeFile, Mount, Port
from pryv_operator.compose.parse import ComposeError, parse

#: The services of the current release, by role.
SERVICES = {
    "core": {"reverse_proxy", "core", "mfa", "preview", "hfs", "webhooks", "mongodb", "influxdb"},
    "reg-master": {"reverse_proxy", "register", "dns", "redis", "mail", "admin_panel"},
    "reg-slave": {"reverse_proxy", "dns", "redis"},
    "static": {"reverse_proxy", "app_web_auth3"},
}


def one(body: str, top: str = "") -> ComposeFile:
    """A file with one service."""
    lines = "".join(f"    {line}\n" for line in body.splitlines())
    return parse(f"version: '3.5'\nservices:\n  core:\n    image: core:1\n{lines}{top}")


def test_every_release_is_understood(shared_pryv: Path) -> None:
    files = sorted(shared_pryv.glob("releases/*/*/**/pryv.yml"))
    assert len(files) >= 28
    for path in files:
        found = parse(path.read_text())
        assert found.services, path
        assert found.unknown == (), path


@pytest.mark.parametrize("role", SERVICES)
def test_the_services_of_the_current_release(shared_pryv: Path, role: str) -> None:
    found = parse((shared_pryv / f"releases/1.9.2-cluster/expected/{role}/pryv.yml").read_text())
    assert {each.name for each in found.services} == SERVICES[role]


def test_what_core_says(shared_pryv: Path) -> None:
    found = parse((shared_pryv / "releases/1.9.2-cluster/expected/core/pryv.yml").read_text())
    core = next(each for each in found.services if each.name == "core")
    assert core.image == "docker.io/pryvio/core:1.9.2"
    assert core.environment == (
        ("NUM_PROCS", "4"),
        ("STARTING_PORT", "3000"),
    )  # a pod has a HOSTNAME already
    assert Mount("core/conf", "/app/conf", read_only=True) in core.mounts
    assert Mount("core/data", "/app/data", read_only=False) in core.mounts
    assert [mount.source for mount in core.mounts if mount.of_machine] == ["/dev/log"]
    assert core.links == ("mongodb", "influxdb")


def test_the_dns_is_published_by_udp_with_any_address_in_front(shared_pryv: Path) -> None:
    found = parse((shared_pryv / "releases/1.9.2-cluster/expected/reg-master/pryv.yml").read_text())
    dns = next(each for each in found.services if each.name == "dns")
    assert dns.ports == (Port(53, 5353, "udp"),)


def test_services_are_peers_when_they_share_a_network() -> None:
    found = parse(
        "services:\n"
        "  a: {image: i, networks: [front]}\n  b: {image: i, networks: [front, back]}\n"
        "  c: {image: i, networks: [back]}\n  d: {image: i}\n  e: {image: i}\n"
    )
    peers = {each.name: [peer.name for peer in found.peers(each)] for each in found.services}
    assert peers == {"a": ["b"], "b": ["a", "c"], "c": ["b"], "d": ["e"], "e": ["d"]}


@pytest.mark.parametrize(
    ("text", "port"),
    [
        ("443:443", Port(443, 443, "tcp")),
        ("80:80/tcp", Port(80, 80, "tcp")),
        ("203.0.113.7:53:5353/udp", Port(53, 5353, "udp")),
        ("REG_MASTER_IP_ADDRESS:6379:6379", Port(6379, 6379, "tcp")),
    ],
)
def test_ports(text: str, port: Port) -> None:
    assert one(f"ports: ['{text}']").services[0].ports == (port,)


@pytest.mark.parametrize("body", ["environment: {A: '1', B: x=y}", "environment: [A=1, B=x=y]"])
def test_both_forms_of_environment(body: str) -> None:
    assert one(body).services[0].environment == (("A", "1"), ("B", "x=y"))


def test_two_dollars_are_one() -> None:
    assert one("environment: {A: 5$$}").services[0].environment == (("A", "5$"),)


def test_a_command_is_kept() -> None:
    assert one("command: npm run it").services[0].command == "npm run it"


def test_what_is_not_known_is_named() -> None:
    found = one("privileged: true\nhealthcheck: {test: x}", "volumes: {}\n")
    assert found.unknown == (
        "the key 'volumes'",
        "the key 'privileged' of service core",
        "the key 'healthcheck' of service core",
    )


@pytest.mark.parametrize(
    ("body", "said"),
    {
        "port-range": ("ports: ['80-90:80-90']", "service core: a port is written"),
        "port-too-large": ("ports: ['80:65536']", "service core: a port is written"),
        "port-zero": ("ports: ['0:80']", "service core: a port is written"),
        "port-alone": ("ports: ['80']", "service core: a port is written"),
        "port-line-break": ('ports: ["80:80\\n"]', "service core: a port is written"),
        "port-sctp": ("ports: ['80:80/sctp']", "service core: a port is written"),
        "ports-map": ("ports: {80: 80}", "service core: ports is no list of strings"),
        "ports-long-form": ("ports: [{target: 80}]", "service core: ports is no list of strings"),
        "networks-map": ("networks: {front: {}}", "service core: networks is no list of strings"),
        "volume-named": (
            "volumes: ['data:/app/data']",
            "service core: the volume 'data' is neither below",
        ),
        "volume-above": ("volumes: ['./../x:/app']", "service core: a volume is written"),
        "volume-relative-target": ("volumes: ['./x:app']", "service core: a volume is written"),
        "volume-option": ("volumes: ['./x:/app:z']", "service core: a volume is written"),
        "environment-text": ("environment: A=1", "service core: environment is neither"),
        "environment-nested": ("environment: {A: {B: c}}", "service core: environment is neither"),
        "environment-of-the-machine": (
            "environment: {A: $PATH}",
            "service core: environment uses $PATH",
        ),
        "environment-name-alone": (
            "environment: [SOME_NAME]",
            "service core: environment uses $SOME_NAME",
        ),
        "command-list": ("command: [a, b]", "service core: command is one string"),
        "twice": ("links: []\nlinks: []", "line 6: the key 'links' stands twice"),
    }.values(),
)
def test_a_bad_form_is_named_with_service_and_key(body: str, said: str) -> None:
    with pytest.raises(ComposeError) as raised:
        one(body)
    assert str(raised.value).startswith(said)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "it has no map of services"),
        ("services: []", "it has no map of services"),
        ("services: {}", "it has no map of services"),
        ("services: {core: {}}", "service core has no image"),
        ("services: {core: {image: a b}}", "service core has no image"),
        ("services: {core: text}", "service core is no map"),
        ("services: {Core: {image: a}}", "'Core' is no name for a service"),
        ('services: {"core\\n": {image: a}}', "'core\\n' is no name for a service"),
        ("services: {core: ]", "it is no valid YAML (line 1, column"),
        ("services: &a {core: *a}", "it is no valid YAML (line 1, column"),
        ("? [a]\n: b", "it is no valid YAML (line 1, column"),
        ("services: \ud800", "it is no valid YAML"),
    ],
)
def test_what_is_no_compose_file(text: str, said: str) -> None:
    with pytest.raises(ComposeError) as raised:
        parse(text)
    assert str(raised.value).startswith(said)


@pytest.mark.parametrize("opening", ["[", "a: {", "- "])
def test_a_deep_text_does_not_end_the_process(opening: str) -> None:
    """The fast YAML loader recurses on the machine's stack."""
    with pytest.raises(ComposeError, match="nested deeper than"):
        parse(opening * 15_000)


def test_a_large_file_is_refused_before_it_is_read() -> None:
    with pytest.raises(ComposeError, match="larger than 64 KiB"):
        parse("services: {a: {image: a, volumes: [" + "a," * 40_000 + "]}}")


def test_what_no_release_has_so_many_of() -> None:
    with pytest.raises(ComposeError, match="more than 64 services"):
        parse("services:\n" + "".join(f"  s{number}: {{image: a}}\n" for number in range(65)))
    with pytest.raises(ComposeError, match="service a: volumes has more than 128 entries"):
        parse("services:\n  a:\n    image: a\n    volumes: [" + "./x:/y," * 129 + "]\n")


_words = st.sampled_from(
    [
        "services",
        "core",
        "image",
        "ports",
        "volumes",
        "environment",
        "networks",
        "links",
        "command",
        "80:80",
        "./x:/y:ro",
        "A=1",
        "$X",
    ]
)
_values = st.recursive(
    _words | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_words, inner, max_size=4),
    max_leaves=12,
)


@given(st.text(st.characters(exclude_categories=[])))
def test_any_text_is_a_compose_file_or_an_error(text: str) -> None:
    parsed_or_refused(text)


@given(st.dictionaries(_words, _values, max_size=5))
def test_any_service_is_understood_or_refused(body: dict[str, object]) -> None:
    parsed_or_refused(json.dumps({"services": {"core": {"image": "a", **body}}}))


def parsed_or_refused(text: str) -> None:
    with contextlib.suppress(ComposeError):
        assert parse(text).services
