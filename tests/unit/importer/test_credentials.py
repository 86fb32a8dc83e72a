"""A credential in a leader's values is in no file that others may read."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pryv_operator.api import secret_variables
from pryv_operator.leader.json_value import Json
from pryv_operator.values.nested import with_value_at
from tests.examples import examples
from tests.unit.importer.leaders import (
    CURRENT,
    current,
    everything_readable,
    files,
    imported,
    old,
    secrets,
    spec,
)

CANARY = "canary-4815162342"
#: Variable → a path in it → a value there with the canary. Sources: as in ``secret_variables``.
PLANTED: list[tuple[str, tuple[str, ...], Any]] = [
    *(
        (variable, tuple(path.split(".")), CANARY)
        for variable, paths in secret_variables.SECRET_PATHS.items()
        for path in paths
    ),
    ("EMAIL_SMTP_SETTINGS", ("url",), f"smtps://me:{CANARY}@smtp.acme.test:465/?pool=true"),
    ("EMAIL_SMTP_SETTINGS", ("proxy",), f"socks5://me:{CANARY}@proxy.acme.test"),
    ("EMAIL_SMTP_SETTINGS", ("dkim", "privateKey", "key"), CANARY),
    ("EMAIL_SMTP_SETTINGS", ("dkim", "keys"), [{"keySelector": "a", "privateKey": CANARY}]),
    ("EMAIL_SMTP_SETTINGS", ("auth", "credentials", "pass"), CANARY),
    ("EMAIL_SMTP_SETTINGS", ("auth", "pass"), int("4815162342")),
    ("MFA_ENDPOINTS", ("single", "headers", "X-CUSTOMER-TOKEN"), CANARY),
    ("MFA_ENDPOINTS", ("verify", "headers", "Ocp-Apim-Subscription-Key"), CANARY),
    (
        "MFA_ENDPOINTS",
        ("verify", "url"),
        f"https://sms.acme.test/?to={{{{ to }}}}&api_key={CANARY}",
    ),
    ("MFA_ENDPOINTS", ("challenge", "url"), f"https://me:{CANARY}@sms.acme.test/"),
    ("MFA_ENDPOINTS", ("single", "body"), json.dumps({"to": "{{ to }}", "apiKey": CANARY})),
    ("MFA_ENDPOINTS", ("single", "body"), f"to={{{{ to }}}}&password={CANARY}"),
    ("CUSTOM_DATA_STORES", (), [{"id": "a", "settings": {"password": CANARY}}]),
    ("SUPPORT_LINK", (), f"https://me:{CANARY}@acme.test/"),
    ("DNS_CUSTOM_ENTRIES", ("a",), f"-----BEGIN RSA PRIVATE KEY-----\n{CANARY}"),
]
USUAL: dict[str, Any] = {
    "EMAIL_SMTP_SETTINGS": {"host": "smtp.acme.test", "port": 587, "auth": {"user": "me"}},
    "MFA_ENDPOINTS": {"single": {"url": "https://sms.acme.test/?code={{ code }}"}},
}


def planted(variable: str, path: tuple[str, ...], value: Any) -> Json:
    result: Json = with_value_at(USUAL.get(variable), path, value)
    return result


@pytest.mark.parametrize("as_text", [False, True], ids=["value", "json"])
@pytest.mark.parametrize("release", [None, "1.9.2"], ids=["own", "built-in"])
@pytest.mark.parametrize(
    ("variable", "path", "value"), PLANTED, ids=[".".join((v, *p)) for v, p, _ in PLANTED]
)
def test_planted_credential_is_only_in_the_secret(
    variable: str, path: tuple[str, ...], value: Any, release: str | None, as_text: bool
) -> None:
    whole = planted(variable, path, value)
    whole = json.dumps(whole) if as_text and not isinstance(whole, str) else whole
    result = imported(current(**{variable: whole}), release=release)
    assert "4815162342" not in everything_readable(result)
    assert any("4815162342" in text for text in secrets(result).values())


@pytest.mark.parametrize(
    ("variable", "path", "value"), PLANTED, ids=[".".join((v, *p)) for v, p, _ in PLANTED]
)
def test_credential_of_the_folders_template_is_not_in_the_archive(
    variable: str, path: tuple[str, ...], value: Any
) -> None:
    whole = planted(variable, path, value)
    template = {**current().values, variable: whole}
    for leader in (
        current(template=template, **{variable: USUAL.get(variable, "x")}),
        current(template=template, **{variable: whole}),
    ):
        assert "4815162342" not in everything_readable(imported(leader))


def test_platform_renders_what_the_leader_rendered() -> None:
    off = {"EMAIL_ACTIVATION": {"welcome": False}}
    for variable, path, value in PLANTED:
        whole = planted(variable, path, value)
        line = next(
            line
            for line in files(imported(current(**off, **{variable: whole})))[
                "core/core/conf/all.conf"
            ]
            .decode()
            .splitlines()
            if line.startswith(json.dumps(variable.lower()))
        )
        assert "4815162342" in line


_names = st.sampled_from(
    ["password", "clientSecret", "API_KEY", "access-token", "Passphrase", "privateKey"]
)


@settings(max_examples=examples(20))
@given(st.lists(st.sampled_from("abc"), max_size=3), _names, st.booleans(), st.booleans())
def test_key_that_is_named_like_a_credential(
    above: list[str], name: str, in_list: bool, as_text: bool
) -> None:
    value: Any = with_value_at({}, (*above, name), [CANARY] if in_list else CANARY)
    whole = json.dumps(value) if as_text else value
    result = imported(current(EXTRA_SETTINGS=whole))
    assert CANARY not in everything_readable(result)
    assert any(subject.startswith("EXTRA_SETTINGS") for subject in result.check)


@pytest.mark.parametrize(
    "value",
    [
        "https://sw.DOMAIN/access/access.html",
        "*@https://*.pryv.me*,*@https://pryv.github.io*",
        {"keySelector": "mail", "domainName": "acme.test"},
        "Reset your password: #{token}",
        {"url": "https://sms.acme.test/verify?token={{ code }}"},
        {"body": '{"token": "{{ code }}"}'},
        {"requireToken": True},
    ],
)
def test_what_is_no_credential_stays_in_the_resource(value: Any) -> None:
    result = imported(current(EXTRA_SETTINGS=value))
    assert spec(result)["variables"]["EXTRA_SETTINGS"] == value
    assert not result.check


# --- variables of the received templates ---

NAMES = (
    "SMS_API_KEY",
    "SMTP_PASSWORD",
    "TWILIO_AUTH_TOKEN",
    "SMTP_PASS",
    "DB_PWD",
    "MAILGUN_KEY",
    "BACKUP_PASSPHRASE",
)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("generation", ["current", "template", "2019"])
def test_variable_of_the_templates_that_is_named_like_a_credential(
    generation: str, name: str
) -> None:
    leader = {
        "current": lambda: current(**{name: CANARY}),
        "template": lambda: current(template={**CURRENT, name: "REPLACE_ME"}, **{name: CANARY}),
        "2019": lambda: old(**{name: CANARY}),
    }[generation]()
    result = imported(leader)
    assert CANARY not in everything_readable(result)
    assert secrets(result)[name] == CANARY
    assert result.refused == ()
    assert [each for each in result.check if each.startswith(f"{name}: looks like a credential")]
    assert CANARY in files(result)["core/core/conf/all.conf"].decode()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("PASSWORD_RESET_URL", "https://acme.test/reset"),
        ("PASSWORD_CHANGE_URL", "https://acme.test/change"),
        ("PASSWORD_COMPLEXITY_MIN_LENGTH", 12),
        ("PASSWORD_HINT", "at least 12 characters"),
        ("TOKEN_LIFETIME_DAYS", 30),
        ("KEYBOARD_LAYOUT", "ch-fr"),
        ("BYPASS_CACHE", "no"),
    ],
)
def test_variable_of_the_templates_with_an_honest_name(name: str, value: Json) -> None:
    result = imported(current(**{name: value}))
    assert spec(result)["variables"][name] == value
    assert not result.check


# --- objects with secrets inside, in unusual forms ---

SMTP: dict[str, Any] = {"host": "smtp.acme.test", "auth": {"user": "me", "pass": CANARY}}
ACTIVE: dict[str, Any] = {
    "EMAIL_ACTIVATION": {"welcome": True},
    "EMAIL_SENDER": {"name": "Acme", "address": "no-reply@acme.test"},
}


@pytest.mark.parametrize("release", [None, "1.9.2"], ids=["own", "built-in"])
@pytest.mark.parametrize(
    "text",
    [
        json.dumps(SMTP),
        json.dumps(json.dumps(SMTP)),
        "\ufeff" + json.dumps(SMTP),
        json.dumps("\ufeff" + json.dumps(SMTP)),
    ],
)
def test_json_text_in_another_form_is_read(text: str, release: str | None) -> None:
    result = imported(current(**ACTIVE, EMAIL_SMTP_SETTINGS=text), release=release)
    assert CANARY not in everything_readable(result)
    assert secrets(result)["EMAIL_SMTP_SETTINGS.auth.pass"] == CANARY
    assert result.refused == ()


@pytest.mark.parametrize("release", [None, "1.9.2"], ids=["own", "built-in"])
@pytest.mark.parametrize(
    ("variable", "text"),
    [
        ("EMAIL_SMTP_SETTINGS", f"{{host: 'h', auth: {{pass: '{CANARY}'}}}}"),
        ("EMAIL_SMTP_SETTINGS", f"auth:\n  pass: {CANARY}\n"),
        ("EMAIL_SMTP_SETTINGS", f"h {CANARY}"),
        ("EMAIL_SMTP_SETTINGS", json.dumps(SMTP)[:-1]),
        ("MFA_ENDPOINTS", f"{{single: {{headers: {{Authorization: '{CANARY}'}}}}}}"),
        ("MFA_ENDPOINTS", f"h {CANARY}"),
    ],
)
def test_text_that_is_not_the_expected_object_is_not_in_the_resource(
    variable: str, text: str, release: str | None
) -> None:
    result = imported(current(**{variable: text}), release=release)
    assert CANARY not in everything_readable(result)
    assert secrets(result)[variable] == text
    assert [each for each in result.check if each.startswith(f"{variable}: ")]


@pytest.mark.parametrize("release", [None, "1.9.2"], ids=["own", "built-in"])
def test_keys_in_a_list_move_the_whole_variable_which_works(release: str | None) -> None:
    keys = [{"domainName": "acme.test", "keySelector": "a", "privateKey": CANARY}]
    smtp = {**SMTP, "dkim": {"keys": keys}}
    result = imported(current(**ACTIVE, EMAIL_SMTP_SETTINGS=smtp), release=release)
    assert result.refused == ()
    assert json.loads(secrets(result)["EMAIL_SMTP_SETTINGS"]) == smtp
    assert CANARY not in everything_readable(result)
    name = "core/core/conf/all.conf" if release is None else "reg-master/mail/conf/mail.json"
    text = files(result)[name].decode()
    assert json.dumps(keys, separators=(",", ":")) in text.replace(" ", "").replace("\n", "")
