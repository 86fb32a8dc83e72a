"""Compose files: all of every release is parsed, and unsupported keys are listed."""

from __future__ import annotations

import contextlib
import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pryv_operator.compose.error import ComposeError
from pryv_operator.compose.model import ComposeFile, ContainerPort, Mount, Port
from pryv_operator.compose.parse import parse_compose

#: The services of the current release, by role.
SERVICES = {
    "core": {"reverse_proxy", "core", "mfa", "preview", "hfs", "webhooks", "mongodb", "influxdb"},
    "reg-master": {"reverse_proxy", "register", "dns", "redis", "mail", "admin_panel"},
    "reg-slave": {"reverse_proxy", "dns", "redis"},
    "static": {"reverse_proxy", "app_web_auth3"},
}


def one(body: str, top: str = "") -> ComposeFile:
    """A compose file with one service."""
    lines = "".join(f"    {line}\n" for line in body.splitlines())
    return parse_compose(f"version: '3.5'\nservices:\n  core:\n    image: core:1\n{lines}{top}")


def test_every_release_is_parsed(shared_pryv: Path) -> None:
    files = sorted(shared_pryv.glob("releases/*/*/**/pryv.yml"))
    assert len(files) >= 28
    for path in files:
        found = parse_compose(path.read_text())
        assert found.services, path
        assert found.unknown_keys == (), path


@pytest.mark.parametrize("role", SERVICES)
def test_the_services_of_the_current_release(shared_pryv: Path, role: str) -> None:
    found = parse_compose(
        (shared_pryv / f"releases/1.9.2-cluster/expected/{role}/pryv.yml").read_text()
    )
    assert {each.name for each in found.services} == SERVICES[role]


def test_core(shared_pryv: Path) -> None:
    found = parse_compose(
        (shared_pryv / "releases/1.9.2-cluster/expected/core/pryv.yml").read_text()
    )
    core = next(each for each in found.services if each.name == "core")
    assert core.image == "docker.io/pryvio/core:1.9.2"
    assert core.environment == (
        ("NUM_PROCS", "4"),
        ("STARTING_PORT", "3000"),
    )  # Kubernetes sets HOSTNAME
    assert Mount("core/conf", "/app/conf", read_only=True) in core.mounts
    assert Mount("core/data", "/app/data", read_only=False) in core.mounts
    assert [mount.source for mount in core.mounts if mount.is_host_path] == ["/dev/log"]
    assert core.links == ("mongodb", "influxdb")


def test_dns_is_published_by_udp_whatever_the_address(shared_pryv: Path) -> None:
    found = parse_compose(
        (shared_pryv / "releases/1.9.2-cluster/expected/reg-master/pryv.yml").read_text()
    )
    dns = next(each for each in found.services if each.name == "dns")
    assert dns.ports == (Port(53, 5353, "udp"),)


def test_services_are_peers_when_they_share_a_network() -> None:
    found = parse_compose(
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


@pytest.mark.parametrize(
    "address", ["127.0.0.1", "127.9.9.9", "[::1]", "localhost", "[::ffff:127.0.0.1]"]
)
def test_ports_of_the_loopback_are_not_published(address: str) -> None:
    (found,) = one(f"ports: ['{address}:9000:9001']").services
    assert found.ports == found.bound_ports == ()
    assert found.loopback_ports == (Port(9000, 9001, "tcp"),)


@pytest.mark.parametrize("address", ["203.0.113.7", "10.0.0.1", "[2001:db8::1]"])
def test_ports_of_one_address_are_published_and_noted(address: str) -> None:
    (found,) = one(f"ports: ['{address}:9000:9001']").services
    assert found.ports == (Port(9000, 9001, "tcp"),)
    assert found.bound_ports == ((address.strip("[]"), Port(9000, 9001, "tcp")),)


@pytest.mark.parametrize("address", ["", "0.0.0.0:", "[::]:"])
def test_ports_of_every_address_are_published(address: str) -> None:
    (found,) = one(f"ports: ['{address}9000:9001']").services
    assert found.ports
    assert found.bound_ports == found.loopback_ports == ()


@pytest.mark.parametrize("body", ["environment: {A: '1', B: x=y}", "environment: [A=1, B=x=y]"])
def test_both_forms_of_environment(body: str) -> None:
    assert one(body).services[0].environment == (("A", "1"), ("B", "x=y"))


def test_double_dollar_is_a_dollar() -> None:
    assert one("environment: {A: 5$$}").services[0].environment == (("A", "5$"),)


@pytest.mark.parametrize("key", ["command", "entrypoint"])
@pytest.mark.parametrize(
    ("value", "words"),
    [
        ("npm run it", ("npm", "run", "it")),
        ("sh -c 'echo \"a b\"; exit'", ("sh", "-c", 'echo "a b"; exit')),
        ("a\\ b $$HOME", ("a b", "$HOME")),
        ("['sh', '-c', 'a  b']", ("sh", "-c", "a  b")),
        ("[run, 8080, $$HOME]", ("run", "8080", "$HOME")),
        (">-\n  one\n  two", ("one", "two")),
        ("", None),
    ],
)
def test_command_and_entrypoint_are_words(
    key: str, value: str, words: tuple[str, ...] | None
) -> None:
    """A string is split as by a shell, and a list is taken as it is: compose-spec, 05-services."""
    assert getattr(one(f"{key}: {value}").services[0], key) == words


def test_an_entry_point_may_have_no_arguments() -> None:
    (found,) = one("entrypoint: [run]\ncommand: []").services
    assert (found.entrypoint, found.command) == (("run",), ())


def test_merge_keys_are_read() -> None:
    """Own entries win, then the first map of several: https://yaml.org/type/merge.html."""
    found = parse_compose(
        "x-logging: &one {image: a, volumes: ['./core/data:/app/data']}\n"
        "x-two: &two {image: b, command: two, <<: *one}\n"
        "services:\n"
        "  first: {<<: *one}\n"
        "  second: {<<: [*two, *one], image: c, x-note: anything}\n"
    )
    assert found.unknown_keys == ()
    first, second = found.services
    assert first.image == "a"
    assert (second.image, second.command) == ("c", ("two",))
    assert first.mounts == second.mounts == (Mount("core/data", "/app/data", read_only=False),)


@pytest.mark.parametrize("source", ["/srv/core", "~", "~/core"])
def test_paths_of_the_host_are_told_apart(source: str) -> None:
    (mount,) = one(f"volumes: ['{source}:/app/data']").services[0].mounts
    assert mount.is_host_path


def test_unknown_keys_are_listed() -> None:
    found = one(
        "privileged: true\nhealthcheck: {test: x}\nrestart: on-failure\n"
        "networks: {front: {ipv4_address: 10.0.0.7, x-note: a}}\n"
        "ports: [{target: 80, published: 80, x-note: a, weight: 1}]\n"
        "volumes: ['./a:/a:rshared,z', {type: bind, source: ./b, target: /b,"
        " bind: {propagation: shared, selinux: z}}]\n"
        "tmpfs: ['/run:mode=755', relative]\nexpose: [80, none]\nlinks: ['db:a b']",
        "networks: {front: {driver: bridge, internal: true}}\n"
        "volumes: {data: {driver_opts: {type: nfs}}, other: }\nsecrets: {a: {file: ./a}}\n",
    )
    assert set(found.unknown_keys) == {
        "secrets",
        "networks.front.internal",
        "volumes.data.driver_opts",
        "services.core.privileged",
        "services.core.healthcheck",
        "services.core.restart",
        "services.core.networks.front.ipv4_address",
        "services.core.ports[0].weight",
        "services.core.volumes[0].rshared",
        "services.core.volumes[1].bind.propagation",
        "services.core.tmpfs[0].mode",
        "services.core.tmpfs[1]",
        "services.core.expose[1]",
        "services.core.links[0]",
    }


@pytest.mark.parametrize(
    "key",
    [
        *(
            "depends_on",
            "labels",
            "extra_hosts",
            "ulimits",
            "sysctls",
            "dns",
            "env_file",
            "secrets",
        ),
        *("configs", "extends", "network_mode", "profiles", "user", "deploy", "volumes_from"),
    ],
)
@pytest.mark.parametrize("value", ["text", "[a]", "{a: b}"])
def test_keys_without_a_meaning_in_pods_are_named_in_every_form(key: str, value: str) -> None:
    assert one(f"{key}: {value}").unknown_keys == (f"services.core.{key}",)


@pytest.mark.parametrize("key", ["always", "unless-stopped"])
def test_pods_are_always_restarted(key: str) -> None:
    assert one(f"restart: {key}").unknown_keys == ()


@pytest.mark.parametrize(
    "body",
    [
        "networks: [front, back]",
        "networks: {front: , back: {}}",
        "networks: {front: null, back: {aliases: []}}",
    ],
)
def test_both_forms_of_networks(body: str) -> None:
    assert one(body).services[0].networks == ("front", "back")


def test_a_service_is_known_by_its_aliases_on_a_common_network_and_by_links() -> None:
    found = parse_compose(
        "services:\n"
        "  db:\n    image: i\n    networks: {front: {aliases: [store]}, back: {aliases: [main]}}\n"
        "  web: {image: i, networks: [front], links: ['db:database', db]}\n"
        "  job: {image: i, networks: [back]}\n"
    )
    db, web, job = found.services
    assert found.names_of(db, web) == ("store", "database")
    assert found.names_of(db, job) == ("main",)
    assert found.names_of(web, db) == ()
    assert web.links == ("db", "db")


@pytest.mark.parametrize(
    ("body", "environment"),
    [
        (
            "environment: {A: , B: null, C: ~, D: '', E: 'null', F: x}",
            {"D": "", "E": "null", "F": "x"},
        ),
        ("environment: [A, B=, 'C=null', D=1]", {"B": "", "C": "null", "D": "1"}),
        (
            "environment: {A: true, B: 1.10, C: 010, D: 'on', E: '1.10'}",
            {"A": "true", "B": "1.1", "C": "8", "D": "on", "E": "1.10"},
        ),
        ("environment: [A=1.10, A=2]", {"A": "2"}),
        ("environment:", {}),
        ("environment: {A: '${X:-1.10}'}", {"A": "1.10"}),
    ],
)
def test_environment_is_as_compose_prints_it(body: str, environment: dict[str, str]) -> None:
    assert dict(one(body).services[0].environment) == environment


def test_variables_of_the_machine_are_empty_and_named() -> None:
    found = one(
        "environment: {A: a$X, B: '${Y}', C: , D: '${Z:-z}', HOSTNAME: $HOSTNAME}\n"
        "command: [run, '${FLAG}', $$HOME]\nports: ['${IP:-10.0.0.1}:53:5353/udp']\n"
        "expose: ['${P-80}']"
    )
    (core,) = found.services
    assert dict(core.environment) == {"A": "a", "B": "", "D": "z"}
    assert core.command == ("run", "", "$HOME")
    assert core.ports == (Port(53, 5353, "udp"),)
    assert core.exposed_ports == (ContainerPort(80, "tcp"),)
    assert set(found.unset_variables) == {
        ("services.core.environment", "X"),
        ("services.core.environment", "Y"),
        ("services.core.environment", "C"),
        ("services.core.command", "FLAG"),
    }


@pytest.mark.parametrize("environment", ["[HOSTNAME]", "['HOSTNAME=$HOSTNAME']", "{HOSTNAME: $X}"])
def test_the_host_name_is_set_by_kubernetes(environment: str) -> None:
    found = one(f"environment: {environment}")
    assert found.services[0].environment == found.unset_variables == ()


def test_nulls_are_keys_that_are_not_set() -> None:
    found = one(
        "command:\nentrypoint: null\nports: ~\nvolumes:\nnetworks:\nlinks:\nexpose:\ntmpfs:\n"
        "environment:\nrestart:",
        "networks:\nvolumes: ~\n",
    )
    assert found == parse_compose("services:\n  core:\n    image: core:1\n")


@pytest.mark.parametrize("entrypoint", ["[]", "''"])
def test_an_empty_entry_point_leaves_the_command(entrypoint: str) -> None:
    """Docker then runs the command itself, which Kubernetes calls ``command``."""
    (found,) = one(f"entrypoint: {entrypoint}\ncommand: run it").services
    assert (found.entrypoint, found.command) == (("run", "it"), None)


@pytest.mark.parametrize(
    ("body", "message"),
    {
        "port-too-large": (
            "ports: ['80:65536']",
            "services.core.ports: an entry is not of the form",
        ),
        "port-zero": ("ports: ['0:80']", "services.core.ports: an entry is not of the form"),
        "port-line-break": (
            'ports: ["80:80\\n"]',
            "services.core.ports: an entry is not of the form",
        ),
        "port-sctp": ("ports: ['80:80/sctp']", "services.core.ports: an entry is not of the form"),
        "ports-map": ("ports: {80: 80}", "services.core.ports: not a list"),
        "volume-named": (
            "volumes: ['data:/app/data']",
            "services.core.volumes: 'data' is neither in",
        ),
        "volume-above": (
            "volumes: ['./../x:/app']",
            "services.core.volumes: an entry is not of the form",
        ),
        "volume-relative-target": (
            "volumes: ['./x:app']",
            "services.core.volumes: an entry is not of the form",
        ),
        "environment-text": ("environment: A=1", "services.core.environment: neither"),
        "environment-nested": ("environment: {A: {B: c}}", "services.core.environment: neither"),
        "command-map": ("command: {a: b}", "services.core.command: neither a string nor"),
        "command-nested": ("command: [[a]]", "services.core.command: not a list of strings"),
        "command-quote": ("command: it's", "services.core.command: a quotation mark"),
        "command-empty": ("command: []", "services.core.command: an empty list"),
        "command-empty-text": ("command: ''", "services.core.command: an empty list"),
        "entrypoint-empty": ("entrypoint: []", "services.core.entrypoint: empty"),
        "image-of-the-machine": ("<<: {image: b}\ncommand: '${X?no}'", "services.core.command: $X"),
        "expression": ("environment: ['A=${B/x/y}']", "services.core.environment: not a valid"),
        "expression-open": ("command: ['${B']", "services.core.command: a ${ is not closed"),
        "expose-text": ("expose: text", "services.core.expose: not a list"),
        "environment-null": ("environment: [~]", "services.core.environment: neither"),
        "environment-name": ("environment: [=x]", "services.core.environment: a name is empty"),
        "null-key": ("~: x", "line 5: a key is null"),
        "entrypoint-quote": ("entrypoint: it's", "services.core.entrypoint: a quotation mark"),
        "merge-text": ("<<: text", "line 5: the merge key (<<) takes some maps only"),
        "twice": ("links: []\nlinks: []", "line 6: duplicate key 'links'"),
    }.values(),
)
def test_invalid_forms_are_reported_with_service_and_key(body: str, message: str) -> None:
    with pytest.raises(ComposeError) as raised:
        one(body)
    assert str(raised.value).startswith(message)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "services: not found, or not a map"),
        ("services: []", "services: not found, or not a map"),
        ("services: {}", "services: not found, or not a map"),
        ("services: {core: {}}", "services.core.image: not found"),
        ("services: {core: {image: a b}}", "services.core.image: not found"),
        ("services: {core: {image: $A/b}}", "services.core.image: $A is a variable of the machine"),
        ("services: {core: text}", "services.core: not a map"),
        ("services: {Core: {image: a}}", "services: 'Core' is not a valid service name"),
        ('services: {"core\\n": {image: a}}', "services: 'core\\n' is not a valid service name"),
        ("services: {core: ]", "line 1, column"),
        ("services: &a {core: *a}", "line 1, column"),
        ("? [a]\n: b", "line 1, column"),
        ("services: \ud800", "not valid YAML"),
    ],
)
def test_files_that_are_not_compose_files(text: str, message: str) -> None:
    with pytest.raises(ComposeError) as raised:
        parse_compose(text)
    assert str(raised.value).startswith(message)


@pytest.mark.parametrize("opening", ["[", "a: {", "- "])
def test_deep_nesting_is_refused(opening: str) -> None:
    """The C YAML loader recurses on the machine's stack."""
    with pytest.raises(ComposeError, match="nested deeper than"):
        parse_compose(opening * 15_000)


def test_large_files_are_refused_before_parsing() -> None:
    with pytest.raises(ComposeError, match="larger than 64 KiB"):
        parse_compose("services: {a: {image: a, volumes: [" + "a," * 40_000 + "]}}")


def test_numbers_of_services_and_entries_are_limited() -> None:
    with pytest.raises(ComposeError, match="services: more than 64 entries"):
        parse_compose(
            "services:\n" + "".join(f"  s{number}: {{image: a}}\n" for number in range(65))
        )
    with pytest.raises(ComposeError, match=r"services\.a\.volumes: more than 128 entries"):
        parse_compose("services:\n  a:\n    image: a\n    volumes: [" + "./x:/y," * 129 + "]\n")


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
        "expose",
        "tmpfs",
        "entrypoint",
        "type",
        "source",
        "target",
        "published",
        "aliases",
        "${A:-${B}}",
        "1-3:1-3/udp",
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
def test_any_text_is_parsed_or_refused(text: str) -> None:
    parsed_or_refused(text)


@given(st.dictionaries(_words, _values, max_size=5))
def test_any_service_is_parsed_or_refused(body: dict[str, object]) -> None:
    parsed_or_refused(json.dumps({"services": {"core": {"image": "a", **body}}}))


def parsed_or_refused(text: str) -> None:
    with contextlib.suppress(ComposeError):
        assert parse_compose(text).services


ADDRESSES = ["${BIND_IP}", "$BIND_IP", "${BIND_IP-}", "${BIND_IP:-}", "${BIND_IP:+10.0.0.1}"]


@pytest.mark.parametrize("address", ADDRESSES)
@pytest.mark.parametrize(
    "port",
    ["'{}:80:80'", "'{}:80-81:80-81/udp'", "{{target: 80, published: 80, host_ip: '{}'}}"],
)
def test_a_port_whose_address_the_machine_knows_is_not_published_to_everyone(
    port: str, address: str
) -> None:
    with pytest.raises(ComposeError, match=r"^services.core.ports: .*; write the (value|address)"):
        one(f"ports: [{port.format(address)}]")


@pytest.mark.parametrize("port", ["10.0.0.$LAST:80:80", "$PORT:80", "80:$PORT", "80:80/$PROTOCOL"])
def test_a_port_with_an_unset_variable_is_refused(port: str) -> None:
    with pytest.raises(ComposeError, match=r"^services.core.ports: \$[A-Z]+ is a variable of"):
        one(f"ports: ['{port}']")


def test_defaults_of_ports_are_read() -> None:
    ports = "'${IP:-127.0.0.1}:80:80', '${IP-10.0.0.1}:${PORT:-81}:81'"
    (service,) = one(f"ports: [{ports}]").services
    assert service.loopback_ports == (Port(80, 80, "tcp"),)
    assert service.bound_ports == (("10.0.0.1", Port(81, 81, "tcp")),)


@pytest.mark.parametrize(
    "reset", ["!reset null", "!reset", "!reset []", "!reset x", "!reset {a: b}"]
)
@pytest.mark.parametrize("key", ["command", "entrypoint", "ports", "volumes", "environment"])
def test_what_is_reset_is_not_set(key: str, reset: str) -> None:
    assert one(f"{key}: {reset}") == one("")
    merged = f"x-base: &base {{{key}: [a]}}\n"
    text = f"services:\n  core:\n    image: core:1\n    <<: *base\n    {key}: {reset}\n"
    assert parse_compose(merged + text) == one("")


def test_entries_that_are_reset_are_not_set() -> None:
    assert one("command: [a, !reset b, c]").services[0].command == ("a", "c")
    assert one("environment: {A: !reset b, C: d}") == one("environment: {C: d}")


@pytest.mark.parametrize(
    "body",
    [
        "command: {}null", "command: {}[a, b]", "command: {}a b", "environment: {}{{A: 1.10}}",
        "environment: {{A: {}1.10}}", "environment: {{A: {}'1.10'}}", "ports: {}['80:80']",
    ],
)  # fmt: skip
def test_what_overrides_is_read_without_its_tag(body: str) -> None:
    assert one(body.format("!override ")) == one(body.format(""))


@pytest.mark.parametrize("body", ["command: !other a", "ports: !x [a]", "environment: {A: !y {}}"])
def test_other_tags_are_refused_by_name(body: str) -> None:
    with pytest.raises(ComposeError, match=r"^line 5: tag '!\w+' is not supported; remove it$"):
        one(body)
