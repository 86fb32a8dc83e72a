"""E-mails: not activated, nothing is asked; activated, everything an SMTP server needs is asked for at once."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from typing import Any, Final

from pryv_operator.api import secret_variables
from pryv_operator.api.findings import Problem
from pryv_operator.api.reasons import Reason

_ACTIVATION: Final = "EMAIL_ACTIVATION"
_SENDMAIL: Final = "EMAIL_SENDMAIL_SETTINGS"
_PASSWORD: Final = "EMAIL_SMTP_SETTINGS.auth.pass"  # noqa: S105 - its name
_NEEDED: Final = (
    "EMAIL_SENDER.address",
    "EMAIL_SENDER.name",
    "EMAIL_SMTP_SETTINGS.auth.user",
    "EMAIL_SMTP_SETTINGS.host",
    _PASSWORD,
)
PORT: Final = "EMAIL_SMTP_SETTINGS.port"
#: Submission (RFC 6409), which the installation guide has as the default.
DEFAULT_PORT: Final = 587
#: The built-in release's defaults, which stand in received templates, too, where nobody has filled them in.
STAND_INS: Final = ("DOMAIN", "no-reply@DOMAIN", "localhost")


def missing(
    values: Mapping[str, Any],
    told: Collection[str],
    called: Callable[[str], str | None],
    at: Callable[[str], Any],
) -> Problem | None:
    """What is still to be said once e-mails are activated.

    ``told`` are the places that the user or a Secret gives, ``called`` gives a place's name in the templates' own
    vocabulary, None where they have no such place, and ``at`` what stands there now: what received templates have filled in
    needs not be said again, except for the password.
    """
    if not is_activated(values, told, called):
        return None
    absent = sorted(
        name
        for place in _NEEDED
        if (name := called(place)) is not None
        and name not in told
        and (place == _PASSWORD or not is_filled(at(place), name))
    )
    if not absent:
        return None
    password = called(_PASSWORD)
    return Problem(
        Reason.MISSING_VARIABLES,
        f"e-mails are activated, and need a value for: {', '.join(absent)} "
        f"(the password from a Secret, under spec.secrets: {{{password}: {{secretKeyRef: {{name: …, key: …}}}}}})",
    )


def is_filled(value: Any, name: str) -> bool:
    """Whether somebody has said the value: it is not empty, nor a word for that it is to be filled in."""
    return value not in ("", None, name, secret_variables.REPLACE_ME, *STAND_INS)


def is_activated(
    values: Mapping[str, Any], told: Collection[str], called: Callable[[str], str | None]
) -> bool:
    """By the switch since 1.6; in 2019, which had none, by saying anything about the server."""
    activation, sendmail = values.get(_ACTIVATION), values.get(_SENDMAIL)
    if isinstance(activation, Mapping):
        return any(value is True for value in activation.values()) and not (
            isinstance(sendmail, Mapping) and sendmail.get("active") is True
        )
    return any(called(place) in told for place in _NEEDED)
