"""E-mail settings: all are required once e-mail is activated, none before."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, ClassVar

import pytest

from pryv_operator.templates.builtin import load_release
from pryv_operator.templates.bundle import Variable
from pryv_operator.values.catalogue import Catalogue
from pryv_operator.values.emails import EXAMPLE_VALUES
from pryv_operator.values.resolve import Resolved, resolve

RELEASE = load_release("1.9.2").variables
COMPUTED = {
    name: "x" if variable.type == "string" else {}
    for name, variable in RELEASE.items()
    if variable.computed
}
COMPUTED |= {"REG_SLAVE_ENABLED": False, "NAME_SERVER_ENTRIES": []}
ACTIVE = {"EMAIL_ACTIVATION": {"welcome": True, "resetPassword": False}}
ALL = (
    "EMAIL_SENDER.address",
    "EMAIL_SENDER.name",
    "EMAIL_SMTP_SETTINGS.auth.pass",
    "EMAIL_SMTP_SETTINGS.auth.user",
    "EMAIL_SMTP_SETTINGS.host",
)
OF_2019 = {
    name: Variable(name, "string", default="", aliases=(alias,), secret=name == "MAIL_SMTP_PASS")
    for name, alias in {
        "MAIL_FROM_NAME": "EMAIL_SENDER.name",
        "MAIL_FROM_ADDRESS": "EMAIL_SENDER.address",
        "MAIL_SMTP_HOST": "EMAIL_SMTP_SETTINGS.host",
        "MAIL_SMTP_PORT": "EMAIL_SMTP_SETTINGS.port",
        "MAIL_SMTP_USER": "EMAIL_SMTP_SETTINGS.auth.user",
        "MAIL_SMTP_PASS": "EMAIL_SMTP_SETTINGS.auth.pass",
    }.items()
}


def of(given: dict[str, Any], variables: Any = RELEASE, **secrets: str) -> Resolved:
    names = Catalogue(variables)
    generated = (
        {} if variables is OF_2019 else dict.fromkeys(names.to_generate((), secrets), "generated")
    )
    return resolve(names, computed=COMPUTED, configured=given, secrets={**generated, **secrets})


def test_nothing_is_required_while_e_mail_is_off() -> None:
    assert of({}).problems == ()
    assert of({"EMAIL_ACTIVATION": {"welcome": False, "resetPassword": False}}).problems == ()


def test_all_missing_settings_are_in_one_message() -> None:
    (problem,) = of(ACTIVE).problems
    assert problem.reason == "MissingVariables"
    assert all(name in problem.message for name in ALL)
    (problem,) = of(
        ACTIVE | {"EMAIL_SMTP_SETTINGS": {"host": "smtp.test"}, "MAIL_FROM_NAME": "Acme"}
    ).problems
    assert "EMAIL_SMTP_SETTINGS.host" not in problem.message
    assert "EMAIL_SENDER.name" not in problem.message
    assert "secretKeyRef" in problem.message


def test_names_of_both_generations_and_the_default_port() -> None:
    given = {
        "MAIL_FROM_NAME": "Acme",
        "MAIL_FROM_ADDRESS": "a@acme.test",
        "MAIL_SMTP_HOST": "smtp.test",
        "MAIL_SMTP_USER": "acme",
    }
    objects = {
        "EMAIL_SENDER": {"name": "Acme", "address": "a@acme.test"},
        "EMAIL_SMTP_SETTINGS": {"host": "smtp.test", "auth": {"user": "acme"}},
    }
    for each in (given, objects):
        found = of(ACTIVE | each, MAIL_SMTP_PASS="hush")
        assert found.problems == ()
        settings = found.values["EMAIL_SMTP_SETTINGS"]
        assert settings.secret
        assert settings.value == {
            "host": "smtp.test",
            "port": 587,
            "auth": {"user": "acme", "pass": "hush"},
        }


SENDER = {"EMAIL_SENDER": {"name": "Acme", "address": "a@acme.test"}}


@pytest.mark.parametrize(
    ("auth", "missing"),
    [
        ({}, ()),
        ({"auth": None}, ()),
        ({"auth": {"type": "OAuth2", "user": "a@acme.test"}}, ()),
        ({"auth": {"type": "custom", "method": "XOAUTH"}}, ()),
        ({"auth": {"user": "acme"}}, ("EMAIL_SMTP_SETTINGS.auth.pass",)),
        ({"auth": {"type": "login", "user": "acme"}}, ("EMAIL_SMTP_SETTINGS.auth.pass",)),
        ({"auth": {}}, ("EMAIL_SMTP_SETTINGS.auth.user",)),
    ],
    ids=str,
)
def test_a_login_is_required_only_where_the_settings_have_one(
    auth: dict[str, Any], missing: tuple[str, ...]
) -> None:
    """The SMTP transport of nodemailer, which service-mail hands the settings to, needs none."""
    found = of(ACTIVE | SENDER | {"EMAIL_SMTP_SETTINGS": {"host": "smtp.test", **auth}})
    message = " ".join(problem.message for problem in found.problems)
    assert bool(found.problems) == bool(missing)
    assert all(name in message for name in missing)


@pytest.mark.parametrize(
    ("settings", "secrets"),
    [
        ({"url": "smtps://mail.test"}, {}),
        ({}, {"EMAIL_SMTP_SETTINGS.url": "smtps://user:hush@mail.test"}),
        ({"service": "gmail", "auth": {"user": "a"}}, {"EMAIL_SMTP_SETTINGS.auth.pass": "hush"}),
        ({"service": "gmail"}, {}),
    ],
)
def test_a_url_or_a_service_stands_for_the_server(
    settings: dict[str, Any], secrets: dict[str, str]
) -> None:
    """``createTransport`` of nodemailer; a url replaces every other setting."""
    found = of(ACTIVE | SENDER | {"EMAIL_SMTP_SETTINGS": settings}, **secrets)
    assert found.problems == ()
    assert "port" not in found.values["EMAIL_SMTP_SETTINGS"].value


def test_oauth2_tokens_come_from_secrets() -> None:
    settings = {"host": "smtp.test", "auth": {"type": "OAuth2", "user": "a@acme.test"}}
    found = of(
        ACTIVE | SENDER | {"EMAIL_SMTP_SETTINGS": settings},
        **{"EMAIL_SMTP_SETTINGS.auth.refreshToken": "hush"},
    )
    assert found.problems == ()
    assert found.values["EMAIL_SMTP_SETTINGS"].value["auth"]["refreshToken"] == "hush"
    assert found.values["EMAIL_SMTP_SETTINGS"].secret


def test_a_password_without_a_user_asks_for_the_user() -> None:
    settings = {"EMAIL_SMTP_SETTINGS": {"host": "smtp.test"}}
    (problem,) = of(ACTIVE | SENDER | settings, MAIL_SMTP_PASS="hush").problems
    assert "EMAIL_SMTP_SETTINGS.auth.user" in problem.message


def test_sendmail_needs_no_server() -> None:
    assert of(ACTIVE | {"EMAIL_SENDMAIL_SETTINGS": {"active": True}}).problems == ()


def test_in_2019_any_setting_activates_e_mail() -> None:
    assert of({}, OF_2019).problems == ()
    (problem,) = of({"MAIL_SMTP_HOST": "smtp.test"}, OF_2019).problems
    assert all(
        name in problem.message
        for name in ("MAIL_FROM_NAME", "MAIL_FROM_ADDRESS", "MAIL_SMTP_USER", "MAIL_SMTP_PASS")
    )
    everything = {
        "MAIL_FROM_NAME": "A",
        "MAIL_FROM_ADDRESS": "a@a.test",
        "MAIL_SMTP_HOST": "smtp.test",
        "MAIL_SMTP_USER": "a",
    }
    found = of(everything, OF_2019, MAIL_SMTP_PASS="hush")
    assert found.problems == ()
    assert found.values["MAIL_SMTP_PORT"].value == "587"


class TestFilledIn:
    """Received templates: what they have filled in is a default."""

    SENDER: ClassVar = {"name": "Acme", "address": "a@acme.test"}
    SERVER: ClassVar = {
        "host": "smtp.acme.test",
        "port": 2525,
        "auth": {"user": "acme", "pass": ""},
    }

    def filled(self, sender: Any = SENDER, server: Any = SERVER) -> dict[str, Variable]:
        """A release with such defaults."""
        defaults = {"EMAIL_SENDER": sender, "EMAIL_SMTP_SETTINGS": server}
        return RELEASE | {
            name: replace(RELEASE[name], default=value) for name, value in defaults.items()
        }

    def test_only_the_password_is_required(self) -> None:
        (problem,) = of(ACTIVE, self.filled()).problems
        assert [
            name for name in ALL if f"{name}," in problem.message or f"{name};" in problem.message
        ] == ["EMAIL_SMTP_SETTINGS.auth.pass"]
        found = of(ACTIVE, self.filled(), **{"EMAIL_SMTP_SETTINGS.auth.pass": "hush"})
        assert found.problems == ()
        assert found.values["EMAIL_SMTP_SETTINGS"].value["port"] == 2525

    def test_a_configured_object_replaces_the_default_as_a_whole(self) -> None:
        (problem,) = of(
            ACTIVE | {"EMAIL_SMTP_SETTINGS": {"host": "smtp.test"}},
            self.filled(),
            MAIL_SMTP_PASS="hush",
        ).problems
        assert "EMAIL_SMTP_SETTINGS.auth.user" in problem.message

    def test_marks_for_values_to_fill_in_do_not_count(self) -> None:
        gaps = {"host": "REPLACE_ME", "port": "REPLACE_ME", "auth": {"user": ""}}
        (problem, *_) = of(
            ACTIVE, self.filled(server=gaps, sender=RELEASE["EMAIL_SENDER"].default)
        ).problems
        assert all(name in problem.message for name in ALL)
        of_2019 = OF_2019 | {
            "MAIL_FROM_NAME": replace(OF_2019["MAIL_FROM_NAME"], default="MAIL_FROM_NAME")
        }
        (problem,) = of({"MAIL_SMTP_HOST": "smtp.test"}, of_2019).problems
        assert "MAIL_FROM_NAME" in problem.message

    def test_in_2019_too(self) -> None:
        filled = {
            name: replace(variable, default="" if variable.secret else f"the {name.lower()}")
            for name, variable in OF_2019.items()
        }
        assert of({}, filled).problems == ()
        found = of({}, filled, MAIL_SMTP_PASS="hush")
        assert found.problems == ()
        assert found.values["MAIL_SMTP_PORT"].value == "the mail_smtp_port"


def test_example_values_are_the_defaults_of_the_release() -> None:
    sender, server = RELEASE["EMAIL_SENDER"].default, RELEASE["EMAIL_SMTP_SETTINGS"].default
    assert isinstance(sender, dict)
    assert isinstance(server, dict)
    assert set(EXAMPLE_VALUES) == {*sender.values(), server["host"]}


def test_no_port_is_added_while_e_mail_is_off() -> None:
    settings = {"host": "smtp.test", "auth": {"user": "acme"}}
    assert of({"EMAIL_SMTP_SETTINGS": settings}).values["EMAIL_SMTP_SETTINGS"].value == settings
    assert of({}, OF_2019).values["MAIL_SMTP_PORT"].value == ""
