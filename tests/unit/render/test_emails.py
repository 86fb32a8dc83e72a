"""E-mails: asked for together once they are activated, and not before."""

from __future__ import annotations

from typing import Any

from pryv_operator.bundle.builtin import load_release
from pryv_operator.bundle.bundle import Variable
from pryv_operator.render.variables import Resolved, Vocabulary, resolve

RELEASE = load_release("1.9.2").variables
COMPUTED = {name: "x" if variable.type == "string" else {} for name, variable in RELEASE.items() if variable.computed}
COMPUTED |= {"REG_SLAVE_ENABLED": False, "NAME_SERVER_ENTRIES": []}
ACTIVE = {"EMAIL_ACTIVATION": {"welcome": True, "resetPassword": False}}
ALL = (
    "EMAIL_SENDER.address",
    "EMAIL_SENDER.name",
    "EMAIL_SMTP_SETTINGS.auth.pass",
    "EMAIL_SMTP_SETTINGS.auth.user",
    "EMAIL_SMTP_SETTINGS.host",
)
OF_2019 = {name: Variable(name, "string", default="", aliases=aliases, secret=name == "MAIL_SMTP_PASS") for name, *aliases in (
    ("MAIL_FROM_NAME", "EMAIL_SENDER.name"), ("MAIL_FROM_ADDRESS", "EMAIL_SENDER.address"), ("MAIL_SMTP_HOST", "EMAIL_SMTP_SETTINGS.host"),
    ("MAIL_SMTP_PORT", "EMAIL_SMTP_SETTINGS.port"), ("MAIL_SMTP_USER", "EMAIL_SMTP_SETTINGS.auth.user"),
    ("MAIL_SMTP_PASS", "EMAIL_SMTP_SETTINGS.auth.pass"),
)}  # fmt: skip


def of(given: dict[str, Any], variables: Any = RELEASE, **secrets: str) -> Resolved:
    names = Vocabulary(variables)
    generated = {} if variables is OF_2019 else dict.fromkeys(names.generated((), secrets), "generated")
    return resolve(names, computed=COMPUTED, given=given, secrets={**generated, **secrets})


def test_not_activated_none_is_asked() -> None:
    assert of({}).problems == ()
    assert of({"EMAIL_ACTIVATION": {"welcome": False, "resetPassword": False}}).problems == ()


def test_activated_all_are_asked_at_once() -> None:
    (problem,) = of(ACTIVE).problems
    assert problem.reason == "MissingVariables"
    assert all(name in problem.message for name in ALL)
    (problem,) = of(ACTIVE | {"EMAIL_SMTP_SETTINGS": {"host": "smtp.test"}, "MAIL_FROM_NAME": "Acme"}).problems
    assert "EMAIL_SMTP_SETTINGS.host" not in problem.message
    assert "EMAIL_SENDER.name" not in problem.message
    assert "secretKeyRef" in problem.message


def test_in_either_vocabulary_and_with_the_usual_port() -> None:
    given = {"MAIL_FROM_NAME": "Acme", "MAIL_FROM_ADDRESS": "a@acme.test", "MAIL_SMTP_HOST": "smtp.test", "MAIL_SMTP_USER": "acme"}
    objects = {
        "EMAIL_SENDER": {"name": "Acme", "address": "a@acme.test"},
        "EMAIL_SMTP_SETTINGS": {"host": "smtp.test", "auth": {"user": "acme"}},
    }
    for each in (given, objects):
        found = of(ACTIVE | each, MAIL_SMTP_PASS="hush")
        assert found.problems == ()
        settings = found.values["EMAIL_SMTP_SETTINGS"]
        assert settings.secret
        assert settings.value == {"host": "smtp.test", "port": 587, "auth": {"user": "acme", "pass": "hush"}}


def test_sendmail_needs_no_server() -> None:
    assert of(ACTIVE | {"EMAIL_SENDMAIL_SETTINGS": {"active": True}}).problems == ()


def test_in_2019_saying_anything_activates_them() -> None:
    assert of({}, OF_2019).problems == ()
    (problem,) = of({"MAIL_SMTP_HOST": "smtp.test"}, OF_2019).problems
    assert all(name in problem.message for name in ("MAIL_FROM_NAME", "MAIL_FROM_ADDRESS", "MAIL_SMTP_USER", "MAIL_SMTP_PASS"))
    everything = {"MAIL_FROM_NAME": "A", "MAIL_FROM_ADDRESS": "a@a.test", "MAIL_SMTP_HOST": "smtp.test", "MAIL_SMTP_USER": "a"}
    found = of(everything, OF_2019, MAIL_SMTP_PASS="hush")
    assert found.problems == ()
    assert found.values["MAIL_SMTP_PORT"].value == "587"
