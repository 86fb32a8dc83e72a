"""Values that a service does not start with, or answers wrongly with.

The facts: service-register ``src/config.js`` (``validateConfiguration``), ``src/dns/ndns.js``
(``writeA``, TXT in ``writeRR``), ``src/dns/server_for_name.js``; service-core
``config/config-validation.js``, ``config/components/systemStreams``, ``utils/src/extension.js``
and ``business/src/integrity/integrity.js``.
"""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pryv_operator.api.reasons import Reason
from pryv_operator.desired.state import Desired, compute_desired
from pryv_operator.rendering.register_checks import register_faults
from pryv_operator.templates.builtin import load_release
from tests.unit.builders import inputs, platform, state, texts

_STREAM = {"id": "insurance", "type": "insurance/string"}


def streams(*of: dict[str, Any]) -> str:
    return json.dumps(of)


def custom(record: Any, name: str = "www") -> dict[str, Any]:
    return {"DNS_CUSTOM_ENTRIES": {name: record}}


REFUSED = [
    ({"HOSTINGS_PROVIDERS": {"hosting1": provider}}, "HOSTINGS_PROVIDERS.hosting1.url")
    for provider in (
        {},
        {"name": "Hosting"},
        {"url": "https://www.example.com/"},
        {"url": "https://www.example.com/path"},
        {"url": "https://www.example.com:8443"},
        {"url": "www.example.com"},
        {"url": 12},
    )
]
REFUSED += [
    ({"INVITATION_TOKENS": ["valid-token", token]}, "INVITATION_TOKENS[1]")
    for token in ("four", "x" * 100, 12345, None, ["token"])
]
REFUSED += [({"INVITATION_TOKENS": "valid-token"}, "INVITATION_TOKENS")]
REFUSED += [
    ({"DNS_MX_RECORDS": [record]}, f"DNS_MX_RECORDS[0]{field}")
    for record, field in (
        ({"name": "mx.example.com"}, ".priority"),
        ({"name": "mx.example.com", "priority": "10"}, ".priority"),
        ({"name": "mx_1.example.com", "priority": 10}, ".name"),
        ({"name": "mx.example.com.", "priority": 10}, ".name"),
        ({"priority": 10}, ".name"),
        ({"name": "mx.example.com", "priority": 10, "ip": "2001:db8::1"}, ".ip"),
        ({"name": "mx.example.com", "priority": 10, "ip": ["192.0.2.1"]}, ".ip"),
        ("mx.example.com", ""),
    )
]
REFUSED += [
    ({"DNS_ROOT_DOMAIN_A_RECORD": address}, "DNS_ROOT_DOMAIN_A_RECORD")
    for address in ("www.example.com", "2001:db8::1", "192.0.2", "192.0.2.256", "https://a.b")
]
REFUSED += [
    (custom({"ip": "192.0.2.1"}, "WWW"), "DNS_CUSTOM_ENTRIES.WWW"),
    (custom({"ip": 12}), "DNS_CUSTOM_ENTRIES.www.ip"),
    (custom({"ip": ["192.0.2.1", "a"]}), "DNS_CUSTOM_ENTRIES.www.ip[1]"),
    (custom("192.0.2.1"), "DNS_CUSTOM_ENTRIES.www"),
    (custom({"alias": "example.com"}), "DNS_CUSTOM_ENTRIES.www.alias"),
    (custom({"alias": {"name": 1}}), "DNS_CUSTOM_ENTRIES.www.alias.name"),
    (custom({"description": "x" * 256}), "DNS_CUSTOM_ENTRIES.www.description"),
    (custom({"description": ["v=spf1", 1]}), "DNS_CUSTOM_ENTRIES.www.description[1]"),
    ({"DNS_ROOT_TXT_ARRAY": ["v=spf1", "x" * 256]}, "DNS_ROOT_TXT_ARRAY[1]"),
    ({"DNS_ROOT_TXT_ARRAY": ["é"]}, "DNS_ROOT_TXT_ARRAY[0]"),
    ({"DNS_ROOT_TXT_ARRAY": [12]}, "DNS_ROOT_TXT_ARRAY[0]"),
]
REFUSED += [
    ({name: value}, name)
    for name, value in (
        ("TRUSTED_APPS", "*@https://REPLACE.example.com"),
        ("PASSWORD_RESET_URL", "https://REPLACEMENT.example.com"),
        ("WEBHOOKS_SETTINGS", {"minIntervalMs": 5000, "note": ["REPLACE this"]}),
        ("PLATFORM_NAME", "REPLACE Clinic"),  # core reads the service information
    )
]
REFUSED += [
    ({"ACCOUNT_SYSTEM_STREAMS": streams(_STREAM, stream)}, f"ACCOUNT_SYSTEM_STREAMS[1]{field}")
    for stream, field in (
        ({"type": "email/string"}, ".id"),
        ({"id": 12, "type": "email/string"}, ".id"),
        ({"id": "x", "type": "email/string"}, ".name"),
        ({"id": "phone"}, ".type"),
        ({"id": "phone", "type": "phone"}, ".type"),
        ({"id": "phone", "type": "Phone/String"}, ".type"),
        ({"id": "phone", "type": "phone/string", "isUnique": True}, ".isIndexed"),
        ({"id": "phone", "type": "phone/string", "isShown": "yes"}, ".isShown"),
        (_STREAM, ".id"),
        (_STREAM | {"id": ":system:insurance"}, ".id"),
        (
            {"id": "top", "type": "a/b", "children": [{"id": "in", "type": "b"}]},
            ".children[0].type",
        ),
    )
]
REFUSED += [
    ({"OTHER_SYSTEM_STREAMS": streams(_STREAM | {flag: value})}, f"OTHER_SYSTEM_STREAMS[0].{flag}")
    for flag, value in (("isIndexed", True), ("isShown", False), ("isEditable", False))
]
REFUSED += [
    ({"CUSTOM_AUTH_FUNCTION": script}, "CUSTOM_AUTH_FUNCTION")
    for script in (
        "function f(context, callback) { callback(); }",
        "module.exports = {};",
        "module.exports = function (a, b) { b(",
    )
]
REFUSED += [
    ({"INTEGRITY_SETTINGS": {"isActive": {"events": True}, "algorithm": "sha3"}},
     "INTEGRITY_SETTINGS.algorithm"),
    ({"INTEGRITY_SETTINGS": {"isActive": {"attachments": True}, "algorithm": "SHA256"}},
     "INTEGRITY_SETTINGS.algorithm"),
]  # fmt: skip


def messages(found: Desired) -> list[str]:
    return [each.message for each in found.problems]


@pytest.mark.parametrize(("variables", "field"), REFUSED, ids=str)
def test_what_a_service_cannot_use_is_refused(variables: dict[str, Any], field: str) -> None:
    found = state(variables=variables)
    assert [each.reason for each in found.problems] == [Reason.INVALID_VARIABLE]
    assert messages(found)[0].startswith(f"spec.variables.{field}: ")
    assert not found.objects


ACCEPTED = [
    {"HOSTINGS_PROVIDERS": {"hosting1": {"url": "http://www.example.com"}}},
    {"HOSTINGS_PROVIDERS": {"hosting1": {"url": "https://sw.DOMAIN"}}},
    {"INVITATION_TOKENS": ["12345", "x" * 99]},
    {"INVITATION_TOKENS": []},
    {"DNS_MX_RECORDS": [{"name": "mx.example.com", "priority": 10, "ip": "192.0.2.1"}]},
    {"DNS_MX_RECORDS": [{"name": "mx.example.com", "priority": 0}]},
    {"DNS_ROOT_DOMAIN_A_RECORD": "192.0.2.1"},
    {"DNS_ROOT_DOMAIN_A_RECORD": "REG_MASTER_IP_ADDRESS"},
    custom({"ip": ["192.0.2.1", "192.0.2.2"], "description": "a"}),
    custom({"alias": {"name": "example.com"}}, "_acme-challenge.www"),
    {"DNS_ROOT_TXT_ARRAY": ["x" * 255]},
    {"ACCOUNT_SYSTEM_STREAMS": streams(_STREAM | {"isUnique": True, "isIndexed": True})},
    {"OTHER_SYSTEM_STREAMS": streams(_STREAM | {"children": [{"id": "in", "type": "a/b"}]})},
    {"CUSTOM_AUTH_FUNCTION": "exports = module.exports = (context, cb) => cb();"},
    {"INTEGRITY_SETTINGS": {"isActive": {"events": True}, "algorithm": "md5"}},
    {"INTEGRITY_SETTINGS": {"isActive": {"events": True}}},
    {"PLATFORM_NAME": "Replace Clinic"},
]


@pytest.mark.parametrize("variables", ACCEPTED, ids=str)
def test_what_services_can_use_is_accepted(variables: dict[str, Any]) -> None:
    found = state(variables=variables)
    assert found.problems == ()
    assert Reason.UNUSABLE_VALUE not in {each.reason for each in found.warnings}


@pytest.mark.parametrize(
    "variables",
    [
        {"HOSTINGS_PROVIDERS": {"elsewhere": {"url": "https://www.example.com/"}}},
        {"INTEGRITY_SETTINGS": {"isActive": {}, "algorithm": "sha3"}},
        custom({"txt": "v=spf1"}),
    ],
    ids=str,
)
def test_what_a_service_ignores_is_a_warning(variables: dict[str, Any]) -> None:
    found = state(variables=variables)
    assert found.problems == ()
    assert [each.reason for each in found.warnings if each.reason == Reason.UNUSABLE_VALUE]


@pytest.mark.parametrize(
    ("version", "variables", "refused"),
    [
        ("1.9.2", {"INVITATION_TOKENS": ["four"]}, True),
        ("1.9.2", {"DNS_ROOT_DOMAIN_A_RECORD": "www.example.com"}, False),
        ("1.6.12", {"INVITATION_TOKENS": ["four"]}, False),
        ("2019", {"INVITATION_TOKENS": ["four"]}, False),
        ("own", {"INVITATION_TOKENS": ["four"]}, False),
    ],
)
def test_received_templates_are_refused_only_what_surely_fails(
    version: str, variables: dict[str, Any], refused: bool
) -> None:
    built_in = load_release(None)
    # Plain files of the same shape, as an archive has them.
    files = {
        "pryv.yml": b"services: {dns: {image: x, volumes: ['./dns/conf/:/app/conf/:ro']}}",
        "dns/conf/dns.json": b'{"invitationTokens": INVITATION_TOKENS, '
        b'"dns": {"domain_A": "DNS_ROOT_DOMAIN_A_RECORD"}}',
    }
    bundle = replace(
        built_in,
        version=version,
        jinja=False,
        roles=dict.fromkeys(("core", "reg-master", "static"), files),
    )
    found = compute_desired(inputs(platform(variables=variables), bundle=bundle))
    assert bool(found.problems) is refused
    if not refused:
        assert Reason.UNUSABLE_VALUE in {each.reason for each in found.warnings}


def test_a_single_node_is_checked_too() -> None:
    found = state(roles={"singlenode": {}}, variables={"INVITATION_TOKENS": ["four"]})
    assert len(found.problems) == 1


def test_several_problems_are_listed() -> None:
    found = state(variables={"INVITATION_TOKENS": ["four", 5], "DNS_ROOT_TXT_ARRAY": [1]})
    assert len(found.problems) == 3


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("INVITATION_TOKENS", '["CANA"]'),
        ("INVITATION_TOKENS", "CANA"),
        ("DNS_CUSTOM_ENTRIES", '{"CANA": {"CANA": "CANA", "ip": "CANA"}}'),
        ("HOSTINGS_PROVIDERS", '{"hosting1": {"url": "CANA"}, "CANA": {}}'),
        ("TRUSTED_APPS", "CANA REPLACE"),
    ],
)
def test_nobody_looks_into_a_secret(name: str, value: str) -> None:
    """The service tells what is wrong; a message would tell something about the secret."""
    reference = {"secretKeyRef": {"name": "own", "key": "k"}}
    of = platform(secrets={name: reference})
    found, other = (
        compute_desired(inputs(of, secrets={name: text}))
        for text in (value, value.replace("CANA", "another").replace("REPLACE", ""))
    )
    findings = [each.message for each in (*found.problems, *found.warnings)]
    assert findings == [each.message for each in (*other.problems, *other.warnings)]
    assert not [text for text in texts(findings) if "CANA" in text]


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["ip", "alias", "name", "mail", "WWW", "description"]), inner
        )
    ),
    max_leaves=8,
)


@given(_JSON)
def test_any_value_is_checked(value: Any) -> None:
    dns = {"customEntries": value, "mail": value, "rootTXT": value, "domain_A": value}
    net = {"hostings": value, "providers": value}
    list(register_faults({"dns": dns, "net": net, "invitationTokens": value}))
    list(register_faults({"dns": value, "net": value}))
    list(register_faults(value))
