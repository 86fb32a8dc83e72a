"""The built-in release 1.9.2 says the same as the leader's templates, and holds for any value."""

from __future__ import annotations

import base64
import copy
import json
import re
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import Any

import certifi
import crossplane
import hjson
import pytest
import yaml
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.x509.oid import NameOID
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pryv_operator.api import secret_variables
from pryv_operator.leader.taint import Value
from pryv_operator.rendering.files import render
from pryv_operator.templates.builtin import load_release
from tests.examples import examples
from tests.unit.templates.intended_differences import (
    DIFFERENCES,
    OWN_FILES,
    Difference,
    ffdhe2048_prime,
)

REPOSITORY = Path(__file__).parents[3]
RELEASE = REPOSITORY / "operator/pryv_operator/templates/releases/1.9.2"
FACTS = REPOSITORY.parent / "shared/pryv"
SINGLE = "singlenode"

Variables = Mapping[str, Any]
Rendered = Mapping[str, Mapping[str, bytes]]

FILE_COUNTS = {"core": 13, "reg-master": 20, "reg-slave": 6, "static": 6, SINGLE: 30}
CLUSTER_DNS = "10.96.0.10"


# --- rendering ------------------------------------------------------------------------------------


def render_release(variables: Variables, *roles: str) -> dict[str, dict[str, bytes]]:
    """Rendered files of some roles (default: all) with a complete map of variables."""
    values = {name: Value(value) for name, value in variables.items()}
    rendered = render(load_release("1.9.2"), values, roles or None)
    return {role: {file.path: file.content for file in files} for role, files in rendered.items()}


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def _substitution(variables: Variables) -> Any:
    names = re.compile("|".join(sorted(map(re.escape, variables), key=len, reverse=True)))

    def put_in(match: re.Match[str]) -> str:
        value = variables[match.group()]
        return resolve(value if isinstance(value, str) else _json(value))

    def resolve(text: str) -> str:
        return names.sub(put_in, text)

    return resolve


# --- variables ------------------------------------------------------------------------------------


@cache
def declared() -> dict[str, dict[str, Any]]:
    variables: dict[str, dict[str, Any]] = yaml.safe_load((RELEASE / "variables.yaml").read_text())[
        "variables"
    ]
    return variables


def domain_only(**given_values: Any) -> dict[str, Any]:
    """Values of a platform that only has a domain: defaults, and what the operator computes."""
    defaults = {
        name: copy.deepcopy(entry["default"])
        for name, entry in declared().items()
        if "default" in entry
    }
    secrets = {
        name: f"{name.lower().replace('_', '')}0123456789"
        for name, entry in declared().items()
        if "secret" in entry
    }
    computed = {
        "DOMAIN": "pryv.example.org",
        "STATIC_WEB_IP_ADDRESS": "198.51.100.1",
        "REG_MASTER_IP_ADDRESS": "198.51.100.2",
        "REG_MASTER_VPN_IP_ADDRESS": "198.51.100.2",
        "REG_SLAVE_IP_ADDRESS": "",
        "REG_SLAVE_ENABLED": False,
        "SINGLE_MACHINE_IP_ADDRESS": "",
        "CLUSTER_DNS_IP_ADDRESS": CLUSTER_DNS,
        "DNS_ROOT_DOMAIN_A_RECORD": "198.51.100.1",
        "HOSTINGS_AND_CORES": {"hosting1": {"co1": {"ip": "198.51.100.3"}}},
        "HOSTINGS_PROVIDERS": {
            "hosting1": {"name": "hosting1", "url": "https://pryv.example.org", "description": ""}
        },
        "NAME_SERVER_ENTRIES": [{"name": "dns1.pryv.example.org", "ip": "198.51.100.2"}],
    }
    return {**defaults, **secrets, **computed, **given_values}


def single_machine(**given_values: Any) -> dict[str, Any]:
    """The same for a single-node platform, without the machines that only a cluster has."""
    computed = {
        "SINGLE_MACHINE_IP_ADDRESS": "198.51.100.7",
        "DNS_ROOT_DOMAIN_A_RECORD": "SINGLE_MACHINE_IP_ADDRESS",
        "NAME_SERVER_ENTRIES": [{"name": "dns1.DOMAIN", "ip": "SINGLE_MACHINE_DNS_IP_ADDRESS"}],
        "HOSTINGS_AND_CORES": {},
        "HOSTINGS_PROVIDERS": {},
        "STATIC_WEB_IP_ADDRESS": "",
        "REG_MASTER_IP_ADDRESS": "",
        "REG_MASTER_VPN_IP_ADDRESS": "",
    }
    return domain_only(**computed) | given_values


def one_platform(role: str) -> dict[str, Any]:
    """Values of a platform with that role that only has a domain."""
    return single_machine() if role == SINGLE else domain_only()


@cache
def leaders_values(role: str) -> Mapping[str, Any]:
    """The configured values of the leader's reference installation with that role."""
    conf = _reference(role) / "config-leader/conf"
    groups = yaml.safe_load((conf / "platform.yml").read_text())["vars"].values()
    internals = json.loads((conf / "config-leader.json").read_text())["internals"]
    filled: dict[str, Any] = {
        name: setting["value"] for group in groups for name, setting in group["settings"].items()
    }
    return MappingProxyType(
        one_platform(role) | {"REG_SLAVE_ENABLED": role != SINGLE} | internals | filled
    )


def _reference(role: str) -> Path:
    leader = FACTS / ("releases/1.9.2-single-node" if role == SINGLE else "releases/1.9.2-cluster")
    if not leader.is_dir():
        pytest.skip(
            f"the leader's reference files are not here ({leader.relative_to(REPOSITORY.parent)})"
        )
    return leader


def other_value(name: str, value: Any) -> Any:
    """Another value of the same kind, so that a variable in the wrong place is noticed."""
    match value:
        case bool():
            other: Any = not value
        case int():
            other = value + 7
        case str() if name.endswith("IP_ADDRESS") or name in {
            "DNS_ROOT_DOMAIN_A_RECORD",
            "DOMAIN",
            "TEMPLATE_VERSION",
        }:
            other = f"{value}7"
        case str():
            other = value if value.startswith("[") else f"{value}-other"
        case list():
            other = [*value, "one-more"]
        case dict():
            other = {**value, "oneMore": {"x": [True, None, 1.5]}}
        case _:
            other = ["token"]
    return other


# --- parsed forms ---------------------------------------------------------------------------------


def parsed(path: str, content: bytes, domain: str, tmp_path: Path) -> Any:
    """The meaning of a file, whatever its notation: comparable with ``==``."""
    name = path.rpartition("/")[2]
    suffix = name.rpartition(".")[2]
    parsers: dict[str, Callable[[str], Any]] = {
        "pryv.yml": lambda text: _compose_form(yaml.safe_load(text)),
        "redis.conf": _redis_form,
        "pem": lambda text: dict(zip(("prime", "generator"), _der_integers(text), strict=True)),
        "yml": yaml.safe_load,
        "json": lambda text: json.loads(text, object_pairs_hook=_no_key_twice),
        "hjson": lambda text: json.loads(json.dumps(hjson.loads(text))),
        "conf": lambda text: _nginx_form(_nginx_directives(text, tmp_path), domain),
        "pug": str,
        "js": str,
    }
    return parsers.get(name, parsers[suffix])(content.decode())


def _no_key_twice(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    keys = [key for key, _ in pairs]
    assert len(set(keys)) == len(keys), f"a key stands twice in {keys}"
    return dict(pairs)


def _compose_form(document: Any) -> Any:
    """A compose file whose lists have no order."""
    for service in document["services"].values():
        for key, value in service.items():
            if isinstance(value, list):
                service[key] = sorted(value)
    return document


def _redis_form(text: str) -> dict[str, list[list[str]]]:
    form: dict[str, list[list[str]]] = {}
    for line in text.splitlines():
        if line.strip() and not line.lstrip().startswith("#"):
            name, *arguments = line.split()
            form.setdefault(name, []).append(arguments)
    return form


def _der_integers(pem: str) -> list[int]:
    """The integers of a PEM that holds one DER sequence of integers."""
    der = base64.b64decode(
        "".join(line for line in pem.splitlines() if not line.startswith("-----"))
    )

    def element(at: int) -> tuple[int, bytes, int]:
        length, start = der[at + 1], at + 2
        if length & 0x80:
            octets = length & 0x7F
            length, start = int.from_bytes(der[start : start + octets]), start + octets
        return der[at], der[start : start + length], start

    _, body, at = element(0)
    assert at + len(body) == len(der)
    integers = []
    while at < len(der):
        tag, value, start = element(at)
        assert tag == 2
        integers.append(int.from_bytes(value))
        at = start + len(value)
    return integers


def _nginx_directives(text: str, tmp_path: Path) -> list[dict[str, Any]]:
    file = tmp_path / "parsed.conf"
    file.write_text(text)
    payload = crossplane.parse(str(file), single=True, check_ctx=False, strict=False)
    assert payload["status"] == "ok", payload["errors"]
    directives: list[dict[str, Any]] = payload["config"][0]["parsed"]
    return directives


def _nginx_form(directives: Sequence[Mapping[str, Any]], domain: str) -> dict[str, Any]:
    """Directives by name; blocks by name and arguments; ordered where nginx needs it."""
    form: dict[str, Any] = {}
    for directive in directives:
        name = directive["directive"]
        arguments = [argument.replace(domain, "DOMAIN") for argument in directive["args"]]
        block = [_nginx_form(directive["block"], domain)] if "block" in directive else []
        if name in {"set", "if", "rewrite", "return", "break"}:
            form.setdefault("(in order)", []).append([name, *arguments, *block])
        elif name == "location" and arguments[0].startswith("~"):
            form.setdefault("(regular expressions)", []).append([*arguments, *block])
        elif block:
            if name == "server":
                arguments = block[0].get("server_name", block[0]["listen"])[0]
            key = " ".join([name, *arguments])
            assert key not in form, f"{key} stands twice"
            form[key] = block[0]
        else:
            form.setdefault(name, []).append(arguments)
    if "proxy_set_header" in form:
        form["proxy_set_header"].sort()
    return form


def _files(folder: Path) -> list[str]:
    return sorted(str(file.relative_to(folder)) for file in folder.rglob("*") if file.is_file())


def _release_files() -> list[str]:
    """Those that the leader has, too."""
    found = [
        file.removesuffix(".j2")
        for file in _files(RELEASE)
        if file.partition("/")[0] in FILE_COUNTS
    ]
    return [file for file in found if file not in OWN_FILES]


def _kept(path: str) -> bool:
    """Whether a follower writes a file (role/path): at the root, in <x>/conf/ or <x>/templates/."""
    _, *folders, name = path.split("/")
    return name != ".gitkeep" and (
        not folders or (len(folders) > 1 and folders[1] in {"conf", "templates"})
    )


# --- the same as the leader -----------------------------------------------------------------------


def test_files_are_those_that_a_follower_writes() -> None:
    files = _release_files()
    assert {
        role: sum(file.startswith(f"{role}/") for file in files) for role in FILE_COUNTS
    } == FILE_COUNTS
    references = [_reference(role) / "expected" for role in ("core", SINGLE)]
    assert sorted(files) == sorted(
        file for reference in references for file in _files(reference) if _kept(file)
    )


@cache
def as_the_leader_was_filled(role: str) -> Mapping[str, bytes]:
    return render_release(leaders_values(role), role)[role]


@pytest.mark.parametrize("file", _release_files())
def test_files_mean_the_same_as_the_leaders(file: str, tmp_path: Path) -> None:
    role, _, path = file.partition("/")
    domain = leaders_values(role)["DOMAIN"]
    theirs = parsed(path, (_reference(role) / "expected" / file).read_bytes(), domain, tmp_path)
    ours = parsed(path, as_the_leader_was_filled(role)[path], domain, tmp_path)
    assert ours == with_differences(file, theirs)


@cache
def other_values(role: str) -> Mapping[str, Any]:
    values = leaders_values(role)
    ours = {name for name in values if name.endswith("_DNS_IP_ADDRESS")}
    fixed = {"REG_SLAVE_ENABLED", "LICENSE_NAME", *ours}
    return MappingProxyType(
        {
            name: value if name in fixed else other_value(name, value)
            for name, value in values.items()
        }
    )


@pytest.mark.parametrize("file", [file for file in _release_files() if not file.endswith(".pem")])
def test_files_mean_the_same_with_other_values(file: str, tmp_path: Path) -> None:
    role, _, path = file.partition("/")
    values = other_values(role)
    substituted = _substitution(values)(
        (_reference(role) / "config-leader/data" / file).read_text()
    )
    theirs = parsed(path, substituted.encode(), values["DOMAIN"], tmp_path)
    ours = parsed(path, render_release(values, role)[role][path], values["DOMAIN"], tmp_path)
    assert ours == with_differences(file, theirs)


def with_differences(file: str, form: Any) -> Any:
    for difference in DIFFERENCES:
        if difference.file == file:
            difference.edit.apply(form)
    return form


@pytest.mark.parametrize(
    "difference", DIFFERENCES, ids=lambda difference: f"{difference.file}:{difference.edit.path}"
)
def test_every_difference_names_a_file_and_a_reason(difference: Difference) -> None:
    assert difference.file in _release_files()
    assert len(difference.reason) > 10


@pytest.mark.parametrize("role", FILE_COUNTS)
def test_the_dh_group_is_rfc_7919_ffdhe2048(role: str) -> None:
    pem = render_release(one_platform(role), role)[role]["nginx/conf/secret/dhsecure.pem"].decode()
    assert pem.startswith("-----BEGIN DH PARAMETERS-----\n")
    assert pem.endswith("-----END DH PARAMETERS-----\n")
    assert _der_integers(pem) == [ffdhe2048_prime(), 2]
    assert f"{ffdhe2048_prime():x}".endswith("886b423861285c97ffffffffffffffff")


def test_own_files_are_in_the_release_and_have_a_reason() -> None:
    files = {file.removesuffix(".j2") for file in _files(RELEASE)}
    assert files >= OWN_FILES.keys()
    assert all(len(reason) > 10 for reason in OWN_FILES.values())


def test_pages_from_outside_are_certified_by_the_authorities_of_their_host() -> None:
    """`dig github.io CAA` names DigiCert, Let's Encrypt, and Sectigo, for which USERTrust signs.

    certifi has Mozilla's list.
    """
    found = Path(RELEASE / "_shared/web-apps-ca.pem").read_text()
    roots = x509.load_pem_x509_certificates(found.encode())
    assert {_organization(root) for root in roots} == {
        "DigiCert Inc",
        "DigiCert, Inc.",
        "Internet Security Research Group",
        "Sectigo Limited",
        "The USERTRUST Network",
    }
    trusted = Path(certifi.where()).read_text()
    for root in roots:
        assert root.public_bytes(serialization.Encoding.PEM).decode() in trusted
        root.verify_directly_issued_by(root)
    for role in ("core", "static", SINGLE):
        rendered = render_release(one_platform(role), role)[role]
        assert rendered["nginx/conf/web-apps-ca.pem"].decode() == found


def _organization(certificate: x509.Certificate) -> str:
    (name,) = certificate.subject.get_attributes_for_oid(NameOID.ORGANIZATION_NAME)
    return str(name.value)


# --- the variables --------------------------------------------------------------------------------


def _table_rows(heading: str) -> list[list[str]]:
    if not FACTS.is_dir():
        pytest.skip("the facts about Pryv's variables are not here (shared/pryv)")
    text = (FACTS / "variables.md").read_text()
    section = text[text.index(heading) :].split("\n## ", 1)[0]
    return [
        [cell.strip() for cell in line.strip("|").split(" | ")]
        for line in section.splitlines()
        if line[:2] == "| "
    ][1:]


def test_every_variable_of_the_release_is_declared() -> None:
    table = {row[1] for row in _table_rows("# Pryv.io 1.9.x") if row[0].isupper()}
    internals = {row[0] for row in _table_rows("## `internals`")} - {"configLeaderTokenSecret"}
    single = {
        row[0] for row in _table_rows("## Single-node differences") if row[1] == "only single-node"
    }
    ours = {
        f"{role}_DNS_IP_ADDRESS"
        for role in ("REG_MASTER", "REG_SLAVE", "SINGLE_MACHINE", "CLUSTER")
    } | {"REG_SLAVE_ENABLED"}
    assert len(table) > 70
    assert len(single) == 2
    assert set(declared()) == table | internals | single | ours
    assert internals <= {name for name, entry in declared().items() if entry.get("secret")}


def test_every_name_of_2019_is_an_alias() -> None:
    known = set(declared())
    for entry in declared().values():
        known.update(entry.get("aliases", []), entry.get("aliasPaths", {}))
    seed = {row[0] for row in _table_rows("## Seed-era flat variables")}
    of_instances = {
        "CORE_1_IP_ADDRESS",
        "CORE_2_IP_ADDRESS",
        "CORE_HOSTING_1",
        "CORE_HOSTING_2",
    }  # test_computed.py shows where those lead
    assert seed - known == of_instances


def test_defaults_are_those_of_the_release() -> None:
    filled = leaders_values("core")
    rows = [
        row
        for row in _table_rows("# Pryv.io 1.9.x")
        if row[0].isupper() and row[0] != "EMAIL_TEMPLATES"
    ]
    ours = {"HOSTINGS_PROVIDERS"}
    facts = {row[1] for row in rows if "REPLACE_ME" not in row[3]} - ours
    assert len(facts) > 45
    for name in facts:
        default, theirs = declared()[name]["default"], filled[name]
        if not isinstance(default, str) and isinstance(theirs, str):
            theirs = json.loads(theirs)
        assert default == theirs, name


TYPES: dict[str, tuple[type, ...]] = {
    "string": (str,),
    "number": (int, float),
    "integer": (int,),
    "boolean": (bool,),
    "object": (dict,),
    "array": (list,),
    "any": (object,),
}
KEYS = {
    "type",
    "description",
    "default",
    "required",
    "computed",
    "secret",
    "secretPaths",
    "aliases",
    "aliasPaths",
    "minimum",
    "maximum",
    "enum",
}


@pytest.mark.parametrize("name", declared())
def test_declaration_of_a_variable(name: str) -> None:
    entry = declared()[name]
    assert set(entry) <= KEYS
    assert re.fullmatch(r"[A-Z].{15,}\.", entry["description"])
    assert sum(key in entry for key in ("default", "required", "computed", "secret")) == 1
    if "default" not in entry:
        return
    default = entry["default"]
    assert isinstance(default, TYPES[entry["type"]])
    assert isinstance(default, bool) == (entry["type"] == "boolean")
    assert default in entry.get("enum", [default])
    if isinstance(default, int):
        assert entry.get("minimum", default) <= default <= entry.get("maximum", default)


def test_secret_variables() -> None:
    assert {name for name, entry in declared().items() if "secret" in entry} == {
        "SSO_COOKIE_SIGN_SECRET",
        "FILES_READ_TOKEN_SECRET",
        "CORE_SYSTEM_KEY",
        "CORE_MAIL_KEY",
        "REGISTER_SYSTEM_KEY_1",
        "REGISTER_ADMIN_KEY",
    }
    assert {
        name: entry["secretPaths"] for name, entry in declared().items() if "secretPaths" in entry
    } == {
        "EMAIL_SMTP_SETTINGS": list(secret_variables.SECRET_PATHS["EMAIL_SMTP_SETTINGS"]),
        "MFA_ENDPOINTS": ["*.headers.authorization"],
    }


# --- a platform of which only the domain is known -------------------------------------------------


@pytest.mark.parametrize("role", FILE_COUNTS)
def test_a_domain_is_enough(role: str, tmp_path: Path) -> None:
    for path, content in render_release(one_platform(role), role)[role].items():
        assert b"REPLACE" not in content, path
        if f"{role}/{path}" not in OWN_FILES:
            parsed(path, content, "pryv.example.org", tmp_path)
        unresolved = {name for name in declared() if name.encode() in content}
        assert not unresolved, path


@pytest.mark.parametrize("given", [{}, {"SINGLE_MACHINE_DNS_IP_ADDRESS": "198.51.100.8"}])
def test_every_host_of_a_single_node_is_that_machine(given: dict[str, str]) -> None:
    rendered = render_release(single_machine(**given), SINGLE)[SINGLE]
    machine, dns = "198.51.100.7", given.get("SINGLE_MACHINE_DNS_IP_ADDRESS", "198.51.100.7")
    for path in ("register/conf/register.json", "dns/conf/dns.json"):
        zone = json.loads(rendered[path])["dns"]
        hosts = zone["staticDataInDomain"]
        assert {"reg", "access", "sw", "mfa", "mail", "co1"} <= set(hosts)
        assert (hosts.pop("local"), hosts.pop("dns1")) == ({"ip": machine}, {"ip": dns})
        assert all(host == {"alias": {"name": "local.pryv.example.org"}} for host in hosts.values())
        assert zone["nameserver"] == [{"name": "dns1.pryv.example.org", "ip": dns}]
        assert zone["domain_A"] == machine


def test_a_single_node_publishes_https_and_dns_only() -> None:
    services = yaml.safe_load(render_release(single_machine(), SINGLE)[SINGLE]["pryv.yml"])[
        "services"
    ]
    published = {name: service["ports"] for name, service in services.items() if "ports" in service}
    assert published == {"reverse_proxy": ["443:443"], "dns": ["198.51.100.7:53:5353/udp"]}
    assert len(services) == 13


def test_services_of_a_single_node_call_each_other_directly() -> None:
    rendered = render_release(single_machine(), SINGLE)[SINGLE]
    for path in (
        "core/conf/core.yml",
        "preview/conf/preview.yml",
        "webhooks/conf/webhooks.yml",
        "hfs/conf/hfs.yml",
    ):
        assert (
            yaml.safe_load(rendered[path])["serviceInfoUrl"] == "http://register:9000/service/info"
        )
    core = yaml.safe_load(rendered["core/conf/core.yml"])["services"]
    assert (core["register"]["url"], core["email"]["url"]) == (
        "http://register:9000",
        "http://mail:9000/sendmail/",
    )


@pytest.mark.parametrize("role", ["reg-master", SINGLE])
def test_disabled_e_mails_require_no_settings(role: str) -> None:
    values = one_platform(role)
    assert values["EMAIL_ACTIVATION"] == {"welcome": False, "resetPassword": False}
    mail = json.loads(render_release(values, role)[role]["mail/conf/mail.json"])
    assert mail["smtp"] == {"host": "localhost", "port": 587}
    assert mail["email"]["message"]["from"] == {
        "name": "pryv.example.org",
        "address": "no-reply@pryv.example.org",
    }


@pytest.mark.parametrize("enabled", [False, True])
def test_the_second_registry_is_in_the_zone_only_if_enabled(enabled: bool) -> None:
    values = domain_only(
        REG_SLAVE_ENABLED=enabled, REG_SLAVE_IP_ADDRESS="198.51.100.9" if enabled else ""
    )
    values |= {"REG_MASTER_DNS_IP_ADDRESS": "198.51.100.20"}
    for path in ("register/conf/register.json", "dns/conf/dns.json"):
        names = json.loads(render_release(values)["reg-master"][path])["dns"]["staticDataInDomain"]
        assert names["reg"] == {"ip": "198.51.100.2"}
        assert names["dns1"] == {"ip": "198.51.100.20"}
        assert (
            names.get("reg2") == names.get("dns2") == ({"ip": "198.51.100.9"} if enabled else None)
        )


@pytest.mark.parametrize(
    ("address", "port"),
    [
        ("198.51.100.2", "198.51.100.2:53:5353/udp"),
        ("2001:db8::2", "[2001:db8::2]:53:5353/udp"),
        ("", "53:5353/udp"),
    ],
)
def test_dns_is_published_at_any_kind_of_address(address: str, port: str) -> None:
    variables = ("REG_MASTER_IP_ADDRESS", "REG_SLAVE_IP_ADDRESS", "SINGLE_MACHINE_IP_ADDRESS")
    rendered = render_release(domain_only(**dict.fromkeys(variables, address)))
    for role in ("reg-master", "reg-slave", SINGLE):
        assert yaml.safe_load(rendered[role]["pryv.yml"])["services"]["dns"]["ports"] == [port]


@pytest.mark.parametrize(
    ("address", "resolver"),
    [
        (CLUSTER_DNS, [[CLUSTER_DNS, "ipv6=off", "valid=30s"]]),
        ("fd00::a", [["[fd00::a]", "valid=30s"]]),
        ("", None),
    ],
)
def test_nginx_resolves_with_the_cluster_dns(address: str, resolver: Any, tmp_path: Path) -> None:
    rendered = render_release(domain_only(CLUSTER_DNS_IP_ADDRESS=address))
    for core, static in (("core", "static"), (SINGLE, SINGLE)):
        api = parsed(
            "x.conf", rendered[core]["nginx/conf/site-443.conf"], "pryv.example.org", tmp_path
        )
        mfa = parsed(
            "x.conf", rendered[static]["nginx/conf/site-443-mfa.conf"], "pryv.example.org", tmp_path
        )
        assert (
            api["server *.DOMAIN"].get("resolver")
            == mfa["server mfa.DOMAIN"].get("resolver")
            == resolver
        )


@pytest.mark.parametrize("role", FILE_COUNTS)
def test_the_nginx_configuration_is_complete(role: str, tmp_path: Path) -> None:
    (tmp_path / "mime.types").write_text("types { text/html html; }\n")
    for path, content in render_release(one_platform(role), role)[role].items():
        if path.startswith("nginx/conf/"):
            file = tmp_path / path.removeprefix("nginx/conf/")
            file.parent.mkdir(exist_ok=True)
            text = (
                content.decode()
                .replace("/app/conf", str(tmp_path))
                .replace("/etc/nginx", str(tmp_path))
            )
            file.write_text(text)
    payload = crossplane.parse(str(tmp_path / "nginx.conf"))
    assert payload["errors"] == []
    directives = [found for config in payload["config"] for found in _flat(config["parsed"])]
    upstreams = {found["args"][0] for found in directives if found["directive"] == "upstream"}
    for found in directives:
        if found["directive"] == "proxy_pass":
            host = found["args"][0].removeprefix("http://").split("/")[0]
            assert host == "$web_apps" or host in upstreams
    assert not [
        found
        for found in directives
        if "github.io" in str(found["args"]) and found["directive"] == "proxy_pass"
    ]


def _flat(directives: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    return [
        found
        for directive in directives
        for found in (directive, *_flat(directive.get("block", ())))
    ]


@pytest.mark.parametrize("language", ["en", "fr", "de"])
@pytest.mark.parametrize(
    ("template", "variables"),
    [("reset-password", {"RESET_URL", "RESET_TOKEN"}), ("welcome-email", {"USERNAME", "EMAIL"})],
)
def test_e_mail_templates_use_the_variables_of_the_mail_service(
    template: str, variables: set[str], language: str
) -> None:
    mails = render_release(domain_only())["reg-master"]
    body = mails[f"mail/templates/{template}/{language}/html.pug"].decode()
    subject = mails[f"mail/templates/{template}/{language}/subject.pug"].decode()
    assert set(re.findall(r"#\{(\w+)\}", body)) == variables
    assert "pryv.example.org" in body
    assert "pryv.me" not in body
    assert re.fullmatch(r"= `[^`$#]+`", subject)


# --- any value ------------------------------------------------------------------------------------

any_text = st.text(max_size=40).filter(lambda text: not any(name in text for name in declared()))
awkward_text = st.text("ab\"'\\\n\t;:{}[]#&*!|>%@`,é☃ -?=$", max_size=30)
few = settings(
    max_examples=examples(25),
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)


@few
@given(name=any_text, support=any_text)
def test_any_text_is_preserved_in_json(name: str, support: str) -> None:
    sender = {"name": name, "address": support}
    rendered = render_release(
        domain_only(PLATFORM_NAME=name, SUPPORT_URL=support, EMAIL_SENDER=sender)
    )
    for path in ("register/conf/register.json", "dns/conf/dns.json"):
        service = json.loads(rendered["reg-master"][path])["service"]
        assert (service["name"], service["support"]) == (name, support)
    assert (
        json.loads(rendered["reg-master"]["mail/conf/mail.json"])["email"]["message"]["from"]
        == sender
    )


@few
@given(apps=awkward_text, mode=awkward_text)
def test_any_text_is_preserved_in_yaml(apps: str, mode: str) -> None:
    core = render_release(domain_only(TRUSTED_APPS=apps, MFA_MODE=mode))["core"]
    assert yaml.safe_load(core["core/conf/core.yml"])["auth"]["trustedApps"] == apps
    assert yaml.safe_load(core["mfa/conf/mfa.yml"])["sms"]["mode"] == mode


@few
@given(url=st.text("ab\"';{}# /:", min_size=1, max_size=30))
def test_any_text_is_preserved_in_nginx(url: str, tmp_path: Path) -> None:
    static = render_release(domain_only(APP_WEB_AUTH_URL=url))["static"]
    form = parsed("x.conf", static["nginx/conf/site-443.conf"], "pryv.example.org", tmp_path)
    assert form["server sw.DOMAIN"]["location /access/"]["proxy_pass"] == [[url]]


streams = st.lists(
    st.fixed_dictionaries({"id": awkward_text, "isShown": st.booleans()}), max_size=3
)


@few
@given(streams=streams, indent=st.sampled_from([None, 0, 2, 4]), as_text=st.booleans())
def test_streams_may_be_a_list_or_json_text(
    streams: list[Any], indent: int | None, as_text: bool
) -> None:
    value = json.dumps(streams, indent=indent, ensure_ascii=False) if as_text else streams
    values = domain_only(
        ACCOUNT_SYSTEM_STREAMS=value, OTHER_SYSTEM_STREAMS=value, CUSTOM_DATA_STORES=value
    )
    custom = yaml.safe_load(render_release(values)["core"]["core/conf/core.yml"])["custom"]
    assert custom == {
        "systemStreams": {"account": streams, "other": streams},
        "dataStores": streams,
    }
