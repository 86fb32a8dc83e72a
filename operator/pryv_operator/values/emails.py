"""E-mail settings: nothing is required while e-mail is off, all at once when it is on."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

from pryv_operator.api import secret_variables
from pryv_operator.api.findings import Problem
from pryv_operator.api.reasons import Reason
from pryv_operator.leader.json_value import Json
from pryv_operator.values.catalogue import Catalogue, Place
from pryv_operator.values.nested import value_at

_ACTIVATION: Final = "EMAIL_ACTIVATION"
_SENDMAIL: Final = "EMAIL_SENDMAIL_SETTINGS"
_AUTH: Final = "EMAIL_SMTP_SETTINGS.auth"
_USER: Final = "EMAIL_SMTP_SETTINGS.auth.user"
_PASSWORD: Final = "EMAIL_SMTP_SETTINGS.auth.pass"  # noqa: S105 - its name
_HOST: Final = "EMAIL_SMTP_SETTINGS.host"
_REQUIRED: Final = (
    "EMAIL_SENDER.address",
    "EMAIL_SENDER.name",
    _USER,
    _HOST,
    _PASSWORD,
)
_URL: Final = "EMAIL_SMTP_SETTINGS.url"
_SERVICE: Final = "EMAIL_SMTP_SETTINGS.service"
_PORT: Final = "EMAIL_SMTP_SETTINGS.port"
#: Submission (RFC 6409), the default of Pryv's installation guide.
_DEFAULT_PORT: Final = 587
#: Defaults of the built-in release; received templates have them too where nobody filled them in.
EXAMPLE_VALUES: Final = ("DOMAIN", "no-reply@DOMAIN", "localhost")


class DefaultPort(NamedTuple):
    """The mail server's port, and where it belongs."""

    place: Place
    value: Json


@dataclass(frozen=True)
class Settings:
    """The e-mail settings among a platform's values."""

    catalogue: Catalogue
    #: Variable → its value so far.
    values: Mapping[str, Any] = field(repr=False)
    #: Dotted places that the spec sets.
    configured: Collection[str]
    #: Variables that are a secret as a whole: what is in them is not looked into.
    secret: Collection[str] = ()

    def missing(self) -> Problem | None:
        """One problem that names all settings that activated e-mail needs; None when complete.

        What received templates have filled in need not be configured, except for the password.
        """
        if not self._is_activated():
            return None
        absent = sorted(
            name
            for setting in self._required()
            if (name := self.catalogue.name_of(setting)) is not None
            and name not in self.configured
            and self.catalogue.place(name).variable not in self.secret
            and (setting == _PASSWORD or not self._is_filled(setting))
        )
        if not absent:
            return None
        password = self.catalogue.name_of(_PASSWORD)
        return Problem(
            Reason.MISSING_VARIABLES,
            f"spec.variables: values that e-mail needs are missing: {', '.join(absent)}; set them, "
            f"a password in spec.secrets ({password}: {{secretKeyRef: {{name: …, key: …}}}})",
        )

    def default_port(self) -> DefaultPort | None:
        """The mail server's default port, when e-mail is activated and no port is set."""
        place = self.catalogue.place(_PORT)
        if not self.catalogue.knows(place) or not self._is_activated() or self._is_filled(_PORT):
            return None
        if self._is_set(_URL) or self._is_set(_SERVICE):
            return None
        is_text = self.catalogue.variables[place.variable].type == "string"
        return DefaultPort(place, str(_DEFAULT_PORT) if is_text else _DEFAULT_PORT)

    def _required(self) -> tuple[str, ...]:
        """The settings without which no e-mail is sent.

        There is no login when configured settings have no ``auth``, and OAuth2 needs no password.
        A ``url`` replaces all settings of the server, a ``service`` stands for host and port.
        Source: nodemailer (SMTP transport, ``auth``; ``createTransport`` in lib/nodemailer.js),
        which service-mail gives the settings to.
        """
        omitted: set[str] = set()
        if not self._needs_login():
            omitted |= {_USER, _PASSWORD}
        if self._is_set(_SERVICE):
            omitted |= {_HOST}
        if self._is_set(_URL):
            omitted |= {_USER, _PASSWORD, _HOST}
        return tuple(name for name in _REQUIRED if name not in omitted)

    def _is_set(self, setting: str) -> bool:
        """Whether a setting that no release declares by itself is set, in any way."""
        place = self.catalogue.place(setting)
        if not place.path:  # 2019: there is no such variable
            return False
        return setting in self.configured or self._is_filled(setting)

    def _needs_login(self) -> bool:
        """Whether a user and a password are asked for: unless the settings do without."""
        place = self.catalogue.place(_AUTH)
        of_2019 = not self.catalogue.place(_USER).path  # each setting is a variable
        if of_2019 or not any(name.startswith(f"{place.variable}.") for name in self.configured):
            return True
        auth = value_at(self.values.get(place.variable), place.path, missing=None)
        if not isinstance(auth, Mapping):
            return False
        return str(auth.get("type") or "login").lower() == "login"

    def _is_activated(self) -> bool:
        """By the switch since 1.6; in 2019, which had no switch, by configuring any setting."""
        activation, sendmail = self.values.get(_ACTIVATION), self.values.get(_SENDMAIL)
        if isinstance(activation, Mapping):
            return any(value is True for value in activation.values()) and not (
                isinstance(sendmail, Mapping) and sendmail.get("active") is True
            )
        return any(self.catalogue.name_of(setting) in self.configured for setting in _REQUIRED)

    def _is_filled(self, setting: str) -> bool:
        """Whether a setting has a value that is neither empty nor a mark for "to be filled in"."""
        place = self.catalogue.place(setting)
        value = value_at(self.values.get(place.variable), place.path, missing=None)
        return value not in ("", None, str(place), secret_variables.REPLACE_ME, *EXAMPLE_VALUES)
