"""Values of variables: names of both generations, secrets at paths, and messages."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pryv_operator.api.findings import Problem
from pryv_operator.leader.taint import Value
from pryv_operator.templates.builtin import load_release
from pryv_operator.templates.bundle import UNSET, Variable
from pryv_operator.values.catalogue import Catalogue, Place
from pryv_operator.values.resolve import Resolved, resolve

CANARY = "canary-7f3a"
RELEASE = Catalogue(load_release("1.9.2").variables)
#: Values that would be computed from a cluster.
COMPUTED: Mapping[str, Any] = {
    name: {"string": "203.0.113.1", "boolean": False, "object": {}, "array": []}[variable.type]
    for name, variable in RELEASE.variables.items()
    if variable.computed
}


def of(
    variables: Mapping[str, Any] | None = None, secrets: Mapping[str, str] | None = None
) -> Resolved:
    return resolve(RELEASE, computed=COMPUTED, configured=variables or {}, secrets=secrets or {})


def value(resolved: Resolved, name: str) -> Any:
    assert resolved.problems == ()
    return resolved.values[name].value


def only(problems: tuple[Problem, ...]) -> Problem:
    (problem,) = problems
    return problem


def test_nothing_has_to_be_configured() -> None:
    found = of()
    assert found.problems == found.warnings == ()
    assert found.values["PLATFORM_NAME"] == Value("DOMAIN")


def test_precedence() -> None:
    names = Catalogue({"A": Variable("A", "string", default="default")})
    assert resolve(names, computed={}, configured={}, secrets={}).values["A"] == Value("default")
    assert resolve(names, computed={"A": "computed"}, configured={}, secrets={}).values[
        "A"
    ] == Value("computed")
    assert resolve(
        names, computed={"A": "computed"}, configured={"A": "configured"}, secrets={}
    ).values["A"] == Value("configured")
    assert resolve(names, computed={"A": "computed"}, configured={}, secrets={"A": "kept"}).values[
        "A"
    ] == Value("kept", secret=True)


@pytest.mark.parametrize(
    ("old", "new", "path"),
    [
        ("SUPPORT_LINK", "SUPPORT_URL", ()),
        ("TERMS_OF_USE_LINK", "TERMS_OF_USE_URL", ()),
        ("SERVICE_WEBSITE_IP_ADDRESS", "DNS_ROOT_DOMAIN_A_RECORD", ()),
        ("MAIL_FROM_NAME", "EMAIL_SENDER", ("name",)),
        ("MAIL_FROM_ADDRESS", "EMAIL_SENDER", ("address",)),
        ("MAIL_SMTP_HOST", "EMAIL_SMTP_SETTINGS", ("host",)),
        ("MAIL_SMTP_USER", "EMAIL_SMTP_SETTINGS", ("auth", "user")),
        ("MAIL_SMTP_PASS", "EMAIL_SMTP_SETTINGS", ("auth", "pass")),
    ],
)
def test_names_of_2019(old: str, new: str, path: tuple[str, ...]) -> None:
    assert RELEASE.place(old) == Place(new, path)
    if old == "MAIL_SMTP_PASS":
        return
    found = value(of({old: "it"}), new)
    for step in path:
        found = found[step]
    assert found == "it"


def test_an_old_name_sets_one_entry_of_an_object() -> None:
    found = value(
        of({"MAIL_SMTP_HOST": "smtp.acme.health", "MAIL_SMTP_USER": "pryv"}), "EMAIL_SMTP_SETTINGS"
    )
    assert found == {"host": "smtp.acme.health", "port": 587, "auth": {"user": "pryv"}}
    assert RELEASE.variables["EMAIL_SMTP_SETTINGS"].default == {"host": "localhost", "port": 587}


def test_defaults_are_never_changed() -> None:
    before = repr(RELEASE.variables["EMAIL_SMTP_SETTINGS"].default)
    of(secrets={"EMAIL_SMTP_SETTINGS.auth.pass": CANARY})
    assert repr(RELEASE.variables["EMAIL_SMTP_SETTINGS"].default) == before


def test_two_names_of_one_variable() -> None:
    problem = only(of({"SUPPORT_LINK": "a", "SUPPORT_URL": "b"}).problems)
    assert problem.reason == "DuplicateVariable"
    assert "SUPPORT_LINK" in problem.message
    assert "SUPPORT_URL" in problem.message


def test_two_names_of_one_secret() -> None:
    problem = only(of(secrets={"REGISTER_ADMIN_KEY": "a", "REGISTER_ADMIN_KEY_1": "b"}).problems)
    assert problem.reason == "DuplicateVariable"
    assert "REGISTER_ADMIN_KEY_1" in problem.message


def test_a_variable_that_is_also_a_secret() -> None:
    assert (
        only(of({"SUPPORT_URL": "a"}, {"SUPPORT_LINK": "b"}).problems).reason == "DuplicateVariable"
    )


def test_a_secret_taints_its_variable_and_no_other() -> None:
    found = of(secrets={"EMAIL_SMTP_SETTINGS.auth.pass": CANARY, "PLATFORM_NAME": CANARY})
    assert found.values["EMAIL_SMTP_SETTINGS"] == Value(
        {"host": "localhost", "port": 587, "auth": {"pass": CANARY}}, secret=True
    )
    assert {name for name, each in found.values.items() if each.secret} == {
        "EMAIL_SMTP_SETTINGS",
        "PLATFORM_NAME",
    }


def test_a_secret_by_its_old_name() -> None:
    assert value(of(secrets={"MAIL_SMTP_PASS": CANARY}), "EMAIL_SMTP_SETTINGS")["auth"] == {
        "pass": CANARY
    }


def test_a_secret_inside_a_configured_object() -> None:
    found = of(
        {"MFA_ENDPOINTS": {"verify": {"url": "u"}}},
        {"MFA_ENDPOINTS.verify.headers.authorization": CANARY},
    )
    assert value(found, "MFA_ENDPOINTS") == {
        "verify": {"url": "u", "headers": {"authorization": CANARY}}
    }


def test_a_secret_is_json_unless_the_variable_is_a_string() -> None:
    assert value(of(secrets={"MAX_UPLOAD_SIZE_MB": "55"}), "MAX_UPLOAD_SIZE_MB") == 55
    assert value(of(secrets={"EMAIL_SENDER": '{"name": "n", "address": "a"}'}), "EMAIL_SENDER") == {
        "name": "n",
        "address": "a",
    }
    assert (
        value(of(secrets={"EMAIL_SMTP_SETTINGS.port": "25"}), "EMAIL_SMTP_SETTINGS")["port"] == 25
    )
    assert value(of(secrets={"PLATFORM_NAME": '{"a": 1}'}), "PLATFORM_NAME") == '{"a": 1}'


@pytest.mark.parametrize(
    "text", [CANARY, "{", "", "[" * 100_000], ids=["word", "brace", "empty", "deep"]
)
def test_a_secret_that_is_not_json(text: str) -> None:
    problem = only(of(secrets={"EMAIL_SMTP_SETTINGS": text}).problems)
    assert problem.reason == "InvalidSecret"
    assert "EMAIL_SMTP_SETTINGS" in problem.message


def test_an_unknown_secret_is_reported() -> None:
    problem = only(of(secrets={"REGISTER_ADMN_KEY": CANARY}).problems)
    assert problem.reason == "UnknownSecret"
    assert "REGISTER_ADMN_KEY" in problem.message


def test_an_unknown_variable_is_warned_about() -> None:
    found = of({"MAX_UPLOAD_SIZE": 3})
    assert found.problems == ()
    assert "MAX_UPLOAD_SIZE:" in only(found.warnings).message


def test_all_missing_values_are_in_one_message() -> None:
    found = of(
        {
            "TRUSTED_APPS": "REPLACE_ME",
            "SERVICE_INFO_ASSETS": {"a": ["b REPLACE_ME"]},
            "SUPPORT_LINK": "SUPPORT_LINK",
        }
    )
    problem = only(found.problems)
    assert problem.reason == "MissingVariables"
    assert problem.message.endswith(": SERVICE_INFO_ASSETS, SUPPORT_LINK, TRUSTED_APPS; set them")


def test_required_and_computed_variables_can_be_missing() -> None:
    names = Catalogue(
        {
            "A": Variable("A", "string", required=True),
            "B": Variable("B", "string", computed=True),
            "C": Variable("C", "any"),
        }
    )
    assert only(resolve(names, computed={}, configured={}, secrets={}).problems).message.endswith(
        ": A, B; set them"
    )
    assert resolve(names, computed={"B": ""}, configured={"A": ""}, secrets={}).problems == ()


@pytest.mark.parametrize(
    ("variables", "expected"),
    [
        (
            {"MAX_UPLOAD_SIZE_MB": "20"},
            "must be an integer; write 20 without quotes",
        ),
        ({"MAX_UPLOAD_SIZE_MB": 0}, "must be at least 1"),
        ({"MAX_UPLOAD_SIZE_MB": True}, "must be an integer"),
        ({"MAX_UPLOAD_SIZE_MB": None}, "must be an integer, not null"),
        (
            {"PASSWORD_COMPLEXITY_MIN_CHAR_CATS": 5},
            "must be at most 4",
        ),
        ({"DNS_CUSTOM_ENTRIES": []}, "must be an object"),
        ({"TRUSTED_AUTH_URLS": "https://a"}, "must be an array"),
        ({"LOG_ROTATION_ACTIVE": 1}, "must be a boolean"),
        ({"PLATFORM_NAME": None}, "must be a string, not null"),
        ({"PLATFORM_NAME": ["a"]}, "must be a string"),
        (
            {"EMAIL_TEMPLATES_DEFAULT_LANG": "it"},
            'must be one of "en", "fr", "de"',
        ),
    ],
)
def test_types(variables: Mapping[str, Any], expected: str) -> None:
    problem = only(of(variables).problems)
    message = f"spec.variables.{next(iter(variables))}: {expected}"
    assert (problem.reason, problem.message) == ("InvalidVariable", message)


@pytest.mark.parametrize(
    ("scalar", "text"), [(12, "12"), (1.5, "1.5"), (True, "true"), (1e21, "1e+21")]
)
def test_scalars_become_strings_where_a_string_is_declared(scalar: Any, text: str) -> None:
    assert value(of({"PLATFORM_NAME": scalar}), "PLATFORM_NAME") == text


@pytest.mark.parametrize(
    "name", ["HOSTINGS_PROVIDERS", "NAME_SERVER_ENTRIES", "DNS_CUSTOM_ENTRIES", "DNS_MX_RECORDS"]
)
def test_objects_and_lists_may_be_null(name: str) -> None:
    assert of({name: None}).problems == of({}).problems
    assert value(of({name: None}), name) is None


@pytest.mark.parametrize("tokens", [None, [], ["a"]])
def test_null_and_an_empty_list_are_different(tokens: Any) -> None:
    assert value(of({"INVITATION_TOKENS": tokens}), "INVITATION_TOKENS") == tokens


@pytest.mark.parametrize(
    "variables",
    [
        {"REGISTER_ADMIN_KEY": CANARY},
        {"REGISTER_ADMIN_KEY_1": CANARY},
        {"REGISTER_ADMIN_KEY": [CANARY]},
        {"REGISTER_ADMIN_KEY": {"a": CANARY}},
        {"MAIL_SMTP_PASS": CANARY},
        {"EMAIL_SMTP_SETTINGS": {"auth": {"pass": CANARY}}},
        {"EMAIL_SMTP_SETTINGS.auth.pass": CANARY},
        {"MFA_ENDPOINTS": {"single": {"headers": {"authorization": CANARY}}}},
    ],
)
def test_a_secret_in_variables_is_refused_without_quoting_it(
    variables: Mapping[str, Any],
) -> None:
    found = of(variables)
    problem = only(found.problems)
    assert problem.reason == "SecretInVariables"
    assert "spec.secrets" in problem.message
    assert CANARY not in problem.message
    assert CANARY not in repr({name: each.value for name, each in found.values.items()})


def test_all_secrets_of_an_object_are_in_one_message() -> None:
    endpoints = {step: {"headers": {"authorization": CANARY}} for step in ("single", "verify")}
    message = only(of({"MFA_ENDPOINTS": endpoints}).problems).message
    assert (
        "spec.variables.MFA_ENDPOINTS.single.headers.authorization, "
        "spec.variables.MFA_ENDPOINTS.verify.headers.authorization: "
    ) in message


@pytest.mark.parametrize(
    "variables",
    [
        {"REGISTER_ADMIN_KEY": "SECRET"},
        {"MAIL_SMTP_PASS": "SECRET"},
        {"EMAIL_SMTP_SETTINGS": {"auth": {"pass": "SECRET"}}},
        {"EMAIL_SMTP_SETTINGS": {"auth": {"pass": ""}}},
        {"MFA_ENDPOINTS": {"single": {"headers": {"authorization": ""}}}},
    ],
)
def test_empty_secrets_and_the_mark_for_generation_are_accepted(
    variables: Mapping[str, Any],
) -> None:
    assert of(variables).problems == ()


def test_values_to_generate() -> None:
    always = {
        "REGISTER_ADMIN_KEY",
        "SSO_COOKIE_SIGN_SECRET",
        "FILES_READ_TOKEN_SECRET",
        "CORE_SYSTEM_KEY",
        "CORE_MAIL_KEY",
    }
    always |= {"REGISTER_SYSTEM_KEY_1"}
    assert set(RELEASE.to_generate([], [])) == always
    assert set(RELEASE.to_generate([], ["REGISTER_ADMIN_KEY_1"])) == always - {"REGISTER_ADMIN_KEY"}
    assert set(RELEASE.to_generate(["MAIL_SMTP_PASS"], [])) == always | {
        "EMAIL_SMTP_SETTINGS.auth.pass"
    }


def test_the_mark_for_generation_works_inside_objects() -> None:
    configured: dict[str, Any] = {
        "REGISTER_ADMIN_KEY_1": "SECRET",
        "EMAIL_SMTP_SETTINGS": {"host": "SECRET", "auth": {"pass": "SECRET"}},
    }
    assert RELEASE.marked_for_generation(configured) == (
        "EMAIL_SMTP_SETTINGS.auth.pass",
        "REGISTER_ADMIN_KEY",
    )


_json = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3)
    ),
    max_leaves=8,
)
_names = st.sampled_from(
    [
        *RELEASE.variables,
        *(
            alias
            for each in RELEASE.variables.values()
            for alias in (*each.aliases, *each.alias_paths)
        ),
    ]
)


@given(
    st.dictionaries(_names, _json, max_size=6),
    st.dictionaries(_names, st.text(max_size=6).map(lambda text: CANARY + text), max_size=4),
)
def test_no_message_quotes_a_secret(variables: dict[str, Any], secrets: dict[str, str]) -> None:
    found = of(variables, secrets)
    assert CANARY not in repr((found.problems, found.warnings, found.values))


@given(st.dictionaries(_names, _json, max_size=6))
def test_the_order_of_a_map_does_not_matter(variables: dict[str, Any]) -> None:
    assert of(variables) == of(dict(reversed(variables.items())))


@given(st.dictionaries(_names, _json, max_size=6))
def test_accepted_values_have_the_declared_type(variables: dict[str, Any]) -> None:
    found = of(variables)
    if found.problems:
        return
    types: dict[str, Any] = {
        "string": str,
        "number": (int, float),
        "integer": int,
        "boolean": bool,
        "object": dict,
        "array": list,
    }
    for name, variable in RELEASE.variables.items():
        if name in found.values and variable.type != "any" and variable.default is not UNSET:
            value = found.values[name].value
            is_null = value is None and variable.type in ("object", "array")
            assert is_null or isinstance(value, types[variable.type]), name


def test_objects_set_the_separate_variables_of_2019() -> None:
    variables = {
        "MAIL_FROM_NAME": Variable("MAIL_FROM_NAME", "string", aliases=("EMAIL_SENDER.name",)),
        "MAIL_SMTP_USER": Variable(
            "MAIL_SMTP_USER", "string", aliases=("EMAIL_SMTP_SETTINGS.auth.user",)
        ),
        "MAIL_SMTP_PASS": Variable(
            "MAIL_SMTP_PASS", "string", secret=True, aliases=("EMAIL_SMTP_SETTINGS.auth.pass",)
        ),
    }
    found = resolve(
        Catalogue(variables),
        computed={},
        configured={
            "EMAIL_SENDER": {"name": "Acme"},
            "EMAIL_SMTP_SETTINGS": {"auth": {"user": "acme"}, "pool": True},
        },
        secrets={"EMAIL_SMTP_SETTINGS.auth.pass": "hush"},
    )
    assert found.problems == ()
    expected = {"MAIL_FROM_NAME": "Acme", "MAIL_SMTP_USER": "acme", "MAIL_SMTP_PASS": "hush"}
    assert {name: found.values[name].value for name in expected} == expected
    assert [warning.message.split(" ")[0] for warning in found.warnings] == [
        "spec.variables.EMAIL_SMTP_SETTINGS.pool:"
    ]


def test_computed_values_are_found_by_older_names() -> None:
    variables = {
        "SERVICE_WEBSITE_IP_ADDRESS": Variable(
            "SERVICE_WEBSITE_IP_ADDRESS", "string", computed=True, aliases=("NEWER",)
        )
    }
    found = resolve(
        Catalogue(variables), computed={"NEWER": "203.0.113.1"}, configured={}, secrets={}
    )
    assert found.values["SERVICE_WEBSITE_IP_ADDRESS"].value == "203.0.113.1"


@pytest.mark.parametrize(
    ("name", "value", "place"),
    [
        ("EMAIL_SMTP_SETTINGS", {"auth": {"clientSecret": "canary"}}, "auth.clientSecret"),
        ("EMAIL_SMTP_SETTINGS", {"dkim": {"privateKey": {"key": "canary"}}}, "dkim.privateKey.key"),
        ("EMAIL_SMTP_SETTINGS", '{"auth": {"pass": "canary"}}', "auth.pass"),
        ("EMAIL_SMTP_SETTINGS", {"url": "smtps://me:canary@smtp.acme.test"}, "url"),
        (
            "MFA_ENDPOINTS",
            {"verify": {"headers": {"X-Api-KEY": "canary"}}},
            "verify.headers.X-Api-",
        ),
        ("MFA_ENDPOINTS", {"single": {"url": "https://a.test/?api_key=canary"}}, "single.url"),
    ],
)
def test_credential_in_a_variable_is_a_problem(name: str, value: Any, place: str) -> None:
    found = resolve(RELEASE, computed=COMPUTED, configured={name: value}, secrets={})
    (problem,) = [each for each in found.problems if each.reason == "SecretInVariables"]
    assert problem.message.startswith(f"spec.variables.{name}.{place}")
    assert "canary" not in problem.message


def test_placeholder_is_no_credential() -> None:
    value = {"single": {"url": "https://a.test/?token={{ code }}", "headers": {"x": "y"}}}
    found = resolve(RELEASE, computed=COMPUTED, configured={"MFA_ENDPOINTS": value}, secrets={})
    assert "SecretInVariables" not in {each.reason for each in found.problems}
