"""An import tries its own output: what it does not name as refused is valid and renders."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from pryv_operator.api import labels_annotations as keys
from pryv_operator.desired.inputs import Inputs
from pryv_operator.importer.import_leader import Imported
from pryv_operator.importer.notes import ImportRefusedError
from pryv_operator.offline.documents import read_documents
from pryv_operator.offline.preview import prepare_inputs, render_files, render_objects
from pryv_operator.templates.builtin import load_release
from pryv_operator.templates.leader_folder import Leader
from tests.examples import examples
from tests.unit.importer.leaders import COMPOSE, current, imported, spec
from tests.unit.importer.test_credentials import PLANTED, planted
from tests.unit.pki.chains import DAY, NOW, Link, issue_chain, joined

VARIABLES = load_release().variables
#: Variables that a resource can hold null for, as its JSON text.
NULLABLE = sorted(
    name
    for name, variable in VARIABLES.items()
    if variable.type in ("object", "array", "any")
    and name != "HOSTINGS_AND_CORES"  # no platform runs without a core
)
TEMPLATES = pytest.mark.parametrize("release", [None, "1.9.2"], ids=["own", "built-in"])


def applied(of: Imported) -> list[tuple[str, str]]:
    """The files as ``kubectl apply`` sends them: nulls in the resource are removed."""
    resource = without_nulls(yaml.safe_load(of.text("platform.yaml")))
    others = [(file.name, file.text) for file in of.files if file.name.endswith(".yaml")]
    return [
        (name, yaml.safe_dump(resource) if name == "platform.yaml" else text)
        for name, text in others
    ]


def without_nulls(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: without_nulls(child) for key, child in value.items() if child is not None}
    return [without_nulls(child) for child in value] if isinstance(value, list) else value


def inputs_of(of: Imported) -> Inputs:
    """The inputs of the applied platform."""
    return prepare_inputs(read_documents(applied(of)), show_secrets=True).inputs


def files_of(of: Imported) -> dict[str, bytes]:
    """The files of the applied platform: role/path → content."""
    return {
        f"{role}/{file.path}": file.content
        for role, rendered in render_files(inputs_of(of)).by_role.items()
        for file in rendered
    }


# --- nulls ---


def test_null_reaches_the_files_of_the_own_templates() -> None:
    result = imported(current(nulls=NULLABLE))
    assert result.refused == ()
    rendered = files_of(result)["core/core/conf/all.conf"].decode()
    assert {name: f'"{name.lower()}" = null\n' in rendered for name in NULLABLE} == dict.fromkeys(
        NULLABLE, True
    )


def test_null_survives_apply_for_the_built_in_release() -> None:
    result = imported(current(nulls=NULLABLE), release="1.9.2")
    assert result.refused == ()
    declared = {name: spec(result)["variables"].get(name) for name in NULLABLE}
    omitted = [name for name, text in declared.items() if text is None]
    assert omitted == ["EMAIL_SMTP_SETTINGS", "INVITATION_TOKENS", "MFA_ENDPOINTS"]
    assert {text for name, text in declared.items() if name not in omitted} == {"null"}
    assert render_objects(inputs_of(result)).objects


def test_null_of_dns_and_register_is_what_the_leader_inserted() -> None:
    nulls = ["HOSTINGS_PROVIDERS", "NAME_SERVER_ENTRIES", "DNS_CUSTOM_ENTRIES"]
    rendered = files_of(imported(current(nulls=nulls), release="1.9.2"))
    dns = json.loads(rendered["reg-master/dns/conf/dns.json"])["dns"]
    register = json.loads(rendered["reg-master/register/conf/register.json"])
    assert dns["nameserver"] is None
    assert dns["customEntries"] is None
    assert '"providers":null' in json.dumps(register, separators=(",", ":"))


def test_null_inside_a_value_survives_apply() -> None:
    entries = {"www": {"ip": "203.0.113.9"}, "old": None}
    result = imported(current(DNS_CUSTOM_ENTRIES=entries), release="1.9.2")
    assert json.loads(spec(result)["variables"]["DNS_CUSTOM_ENTRIES"]) == entries
    dns = json.loads(files_of(result)["reg-master/dns/conf/dns.json"])["dns"]
    assert dns["customEntries"] == entries


def test_null_beside_a_secret_is_omitted() -> None:
    smtp = {"host": "smtp.acme.test", "auth": {"user": "me", "pass": "the-password"}, "dkim": None}
    result = imported(current(EMAIL_SMTP_SETTINGS=smtp), release="1.9.2")
    assert "dkim" not in spec(result)["variables"]["EMAIL_SMTP_SETTINGS"]
    assert any(each.startswith("EMAIL_SMTP_SETTINGS: ") for each in result.check)
    assert result.refused == ()


@TEMPLATES
@pytest.mark.parametrize("value", [None, "[]", '[{"name": "ns1.acme.test", "ip": "203.0.113.1"}]'])
def test_computed_value_of_another_type_than_the_leaders(
    value: str | None, release: str | None
) -> None:
    """The operator's list replaces a text or null of the templates, which is no wrong type."""
    nulls = ["NAME_SERVER_ENTRIES"] if value is None else []
    leader = current(nulls=nulls, **({} if value is None else {"NAME_SERVER_ENTRIES": value}))
    assert imported(leader, release=release).refused == ()


# --- domains ---


@pytest.mark.parametrize(
    ("domain", "name"),
    [
        ("Pryv.Acme.TEST", "pryv.acme.test"),
        ("pryv.acme.test.", "pryv.acme.test"),
        ("santé.acme.test", "xn--sant-epa.acme.test"),
        ("SANTÉ。acme.test", "xn--sant-epa.acme.test"),
        ("医療.例え.テスト", "xn--ekr082f.xn--r8jz45g.xn--zckzah"),
        ("xn--sant-epa.acme.test", "xn--sant-epa.acme.test"),
        ("ab--cd.acme.test", "ab--cd.acme.test"),
        ("PR--yv.acme.test.", "pr--yv.acme.test"),
    ],
)
def test_domain_is_written_as_dns_has_it(domain: str, name: str) -> None:
    result = imported(current(DOMAIN=domain))
    assert spec(result)["domain"] == name
    assert result.refused == ()


@pytest.mark.parametrize(
    "domain",
    [
        *("https://pryv.acme.test", "pryv.acme.test:443", "pryv_acme.test", "acme", "10.0.0.1"),
        *("a..b", "-a.test", "a b.test", "a" * 64 + ".test", "xn--a.test", "\u2764\u200d.test"),
    ],
)
def test_what_cannot_be_a_domain_is_named(domain: str) -> None:
    with pytest.raises(ImportRefusedError, match=r'^DOMAIN: ".*" is not a valid DNS name'):
        imported(current(DOMAIN=domain))


# --- what would be refused ---


@pytest.mark.parametrize(
    ("compose", "message"),
    [
        (b"services: [", "core/pryv.yml"),
        (b"services:\n  core: {}\n", "core/pryv.yml"),
        (b"services:\n  core:\n    image: x\n    ports: ['a:b']\n", "core/pryv.yml"),
    ],
)
def test_compose_file_that_cannot_be_run_is_named(compose: bytes, message: str) -> None:
    result = imported(current(files={"data/core/pryv.yml": compose}))
    assert any(message in each for each in result.refused)
    assert "## Would be refused" in result.text("report.md")


@TEMPLATES
def test_value_that_a_service_does_not_start_with_is_named(release: str | None) -> None:
    extension = {
        "data/core/core/conf/custom-extensions/customAuthStepFn.js": b"CUSTOM_AUTH_FUNCTION"
    }
    leader = current(files=extension, CUSTOM_AUTH_FUNCTION="return 1", TEMPLATE_VERSION="1.9.0")
    refused = imported(leader, release=release).refused
    assert any("CUSTOM_AUTH_FUNCTION" in each for each in refused)


@pytest.mark.parametrize("value", ["none", 5, ["a"], True])
@TEMPLATES
def test_value_that_the_schema_rejects_is_named(value: Any, release: str | None) -> None:
    smtp = {"host": "smtp.acme.test", "auth": value}
    result = imported(current(EMAIL_SMTP_SETTINGS=smtp), release=release)
    written = spec(result).get("variables", {}).get("EMAIL_SMTP_SETTINGS", {})
    assert "auth" not in written or any(
        "EMAIL_SMTP_SETTINGS.auth: must be an object" in each for each in result.refused
    )


def test_missing_domain_is_named_in_words() -> None:
    (refused,) = imported(current(DOMAIN="REPLACE_ME")).refused
    assert "spec.domain: must be a DNS name in lower case" in refused


def test_warnings_of_the_operator_are_in_the_report() -> None:
    compose = COMPOSE % (b"core", b"core", b"core") + b"    cgroup_parent: x\n"
    result = imported(current(files={"data/core/pryv.yml": compose}))
    assert result.refused == ()
    assert any("cgroup_parent" in each for each in result.warnings)
    assert "## Warnings" in result.text("report.md")


# --- the pending cut-over ---


@TEMPLATES
def test_pending_cut_over_is_marked_and_reported(release: str | None) -> None:
    result = imported(current(), release=release)
    resource = yaml.safe_load(result.text("platform.yaml"))
    assert resource["metadata"]["annotations"] == {keys.CUT_OVER: "pending"}
    report = result.text("report.md")
    cut_over = report[report.index("## Cut over") :]
    assert "its stores are empty" in cut_over
    assert "docs/migrate.md" in cut_over


# --- any configuration ---


def _values() -> Iterator[st.SearchStrategy[Any]]:
    texts = st.sampled_from(["", "null", "12", "a b", "é", "https://acme.test/?a=b", "[]", "{}"])
    yield texts
    yield st.none()
    yield st.integers(-1, 70)
    yield st.booleans()
    yield st.lists(texts | st.none(), max_size=2)
    yield st.dictionaries(
        st.sampled_from(["ip", "name", "token", "api-key", "auth", "url", "host", "a b"]),
        texts | st.none() | st.integers(0, 9),
        max_size=3,
    )


@st.composite
def leaders(draw: st.DrawFn) -> Leader:
    """Leaders with any values of a few variables, and credentials in several places."""
    names = sorted(VARIABLES.keys() - {"HOSTINGS_AND_CORES", "DOMAIN"})
    values = draw(st.dictionaries(st.sampled_from(names), st.one_of(*_values()), max_size=4))
    for variable, path, value in draw(st.lists(st.sampled_from(PLANTED), max_size=2)):
        values[variable] = planted(variable, path, value)
    values["DOMAIN"] = draw(st.sampled_from(["pryv.acme.test", "santé.test", "a_b.test", "12"]))
    return current(
        nulls=[name for name, value in values.items() if value is None],
        **{name: value for name, value in values.items() if value is not None},
    )


@settings(max_examples=examples(150), deadline=None)
@given(leaders(), st.sampled_from([None, "1.9.2"]))
def test_what_is_not_named_as_refused_is_valid_and_renders(
    leader: Leader, release: str | None
) -> None:
    try:
        result = imported(leader, release=release)
    except ImportRefusedError:
        return
    if not result.refused:
        assert render_objects(inputs_of(result)).objects
        assert files_of(result)


@pytest.mark.parametrize(
    ("variable", "path", "value"), PLANTED, ids=[".".join((v, *p)) for v, p, _ in PLANTED]
)
def test_credential_in_any_place_is_taken(variable: str, path: tuple[str, ...], value: Any) -> None:
    result = imported(current(**{variable: planted(variable, path, value)}), release="1.9.2")
    assert result.refused == ()
    assert render_objects(inputs_of(result)).objects


# --- certificates ---

CHAIN = issue_chain(["pryv.acme.test", "*.pryv.acme.test"])
LEAF, ISSUING, INTERMEDIATE, ROOT = CHAIN
OTHER = issue_chain(["pryv.acme.test"])[0]


def with_certificate(chain: str, key: str = LEAF.key_pem, role: str = "core") -> Leader:
    folder = f"data/{role}/nginx/conf/secret/pryv.acme.test"
    return current(
        files={f"{folder}-bundle.crt": chain.encode(), f"{folder}-key.pem": key.encode()}
    )


def cut_off(*links: Link) -> str:
    return joined(links)[:-60]


@pytest.mark.parametrize("role", ["core", "static"])
@pytest.mark.parametrize(
    ("chain", "key", "place"),
    [
        ("hello", LEAF.key_pem, "tls.crt: "),
        ("", LEAF.key_pem, "tls.crt: "),
        (cut_off(LEAF, ISSUING, INTERMEDIATE), LEAF.key_pem, "tls.crt: "),
        (joined([ISSUING, INTERMEDIATE, LEAF]), LEAF.key_pem, "leaf first"),
        (joined([LEAF, ISSUING]), OTHER.key_pem, "tls.key does not belong"),
        (joined([LEAF, ISSUING]), LEAF.key_pem[:-60], "tls.key: "),
    ],
)
def test_certificate_that_the_cluster_refuses(chain: str, key: str, place: str, role: str) -> None:
    result = imported(with_certificate(chain, key, role), now=NOW)
    (refused,) = result.refused
    assert refused.startswith('Secret "pryv-certificate')
    assert place in refused
    assert f"- {refused}" in result.text("report.md")


def test_certificate_that_the_cluster_takes() -> None:
    assert imported(with_certificate(joined([LEAF, ISSUING, INTERMEDIATE])), now=NOW).refused == ()


def test_dates_of_a_certificate_are_compared_with_the_given_time() -> None:
    leader = with_certificate(joined([LEAF, ISSUING, INTERMEDIATE]))
    messages = {
        days: [each for each in imported(leader, now=NOW + days * DAY).warnings if "expire" in each]
        for days in (0, 100_000)
    }
    assert messages[0] == []
    assert all(" expired on " in each for each in messages[100_000])
    assert messages[100_000]


def test_certificate_is_refused_along_with_what_else_is_wrong() -> None:
    leader = with_certificate("hello")
    broken = read_leader_with(leader, DNS_ROOT_DOMAIN_A_RECORD="nonsense")
    assert len(imported(broken, release="1.9.2", now=NOW).refused) > 1


def read_leader_with(leader: Leader, **values: Any) -> Leader:
    return replace(leader, values={**leader.values, **values})
