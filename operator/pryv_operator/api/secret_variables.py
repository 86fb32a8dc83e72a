"""Variables that hold secrets, under the names of 1.9 and of 2019: never in the resource itself.

Source: Pryv.io's platform template (1.9) and the flat ``config-leader.json`` of 2019.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any, Final

#: Keys with which the platform's components authenticate to each other ("internals" in the leader).
SYSTEM_KEYS: Final = (
    "CORE_MAIL_KEY",
    "CORE_SYSTEM_KEY",
    "FILES_READ_TOKEN_SECRET",
    "REGISTER_SYSTEM_KEY_1",
    "SSO_COOKIE_SIGN_SECRET",
)
ADMIN_KEYS: Final = ("REGISTER_ADMIN_KEY", "REGISTER_ADMIN_KEY_1")
#: Variables that are secret as a whole, in every release.
SECRET_VARIABLES: Final = (*SYSTEM_KEYS, *ADMIN_KEYS, "MAIL_SMTP_PASS")
MFA_STEPS: Final = ("challenge", "single", "verify")
#: Headers that carry credentials, in the spellings that the API server itself rejects. The
#: operator rejects every spelling of any header whose name says so.
_HEADERS: Final = (
    "authorization",
    "Authorization",
    "Proxy-Authorization",
    "cookie",
    "Cookie",
    "api-key",
    "apikey",
    "x-api-key",
    "X-API-Key",
    "X-Api-Key",
    "x-auth-token",
    "X-Auth-Token",
)
#: Variable → dotted paths inside its object that are secret, with all that is below them.
#: Sources: nodemailer's SMTP, OAuth2 and DKIM options (https://nodemailer.com/smtp/,
#: https://nodemailer.com/smtp/oauth2/, https://nodemailer.com/dkim/), which service-mail passes on
#: as they are; Node's TLS options; service-mfa, which sends the headers to the SMS provider.
SECRET_PATHS: Final = {
    "EMAIL_SMTP_SETTINGS": (
        "auth.accessToken",
        "auth.clientSecret",
        "auth.pass",
        "auth.privateKey",
        "auth.refreshToken",
        "dkim.privateKey",
        "tls.key",
        "tls.passphrase",
        "tls.pfx",
    ),
    "MFA_ENDPOINTS": tuple(f"{step}.headers.{header}" for step in MFA_STEPS for header in _HEADERS),
}
#: Variable → dotted paths of URLs that are refused if they hold credentials.
CREDENTIAL_URLS: Final = {
    "EMAIL_SMTP_SETTINGS": ("proxy", "url"),
    "MFA_ENDPOINTS": tuple(f"{step}.url" for step in MFA_STEPS),
}
#: A URL with a password, as a pattern of RE2 and of Python; CEL evaluates it too.
URL_WITH_PASSWORD: Final = "^[a-zA-Z][a-zA-Z0-9+.-]*://[^/?#@]*:[^/?#@]+@"  # noqa: S105 - a pattern
#: A URL with a query parameter that is a credential; a placeholder (``{{ code }}``) is not.
URL_WITH_KEY: Final = (
    "(?i)[?&;][^=&]*(passw|passphrase|secret|token|credential|auth|api[_-]?key|access[_-]?key)"
    "[^=&]*=[^{&]|(?i)[?&;](key|pass|pwd)=[^{&]"
)
#: The leader's value for a secret that it generates.
GENERATE: Final = "SECRET"
#: The leader's value for a variable that has to be filled in. Core does not start with it.
REPLACE_ME: Final = "REPLACE_ME"

_CREDENTIAL_NAME: Final = re.compile(
    r"passw|passphrase|secret|token|credential|authorization|cookie|"
    r"(?:api|app|access|auth|private|secret|subscription|service|account|master)key|"
    r"^(?:pass|pwd|auth|pfx|key)$"
)
_PROBABLE_NAME: Final = re.compile(r"key(?!selector|id)")
_NO_CREDENTIAL_NAME: Final = re.compile(r"publickey|idempotencykey")
_USERINFO: Final = re.compile(
    r"""(?<![@a-z0-9+.-])[a-z][a-z0-9+.-]*://(?:[^\s/?#"'<>]*@|[^\s/?#@]+:(?![0-9]+/)[^\s@]+@)""",
    re.IGNORECASE,
)
_PEM_KEY: Final = re.compile(r"-----BEGIN [A-Z0-9 ]*PRIVATE KEY")
_SCHEME: Final = re.compile(
    r"\b(?:Bearer|Basic)\s+[\w+/.~=-]{8,}|\beyJ[\w-]{8,}\.[\w-]{8,}\.", re.IGNORECASE
)
_PARAMETER: Final = re.compile(r"(?:^|[?&;])([^=&?;\s]+)=([^&;\s]+)")
_PLACEHOLDER: Final = re.compile(r"\s*(?:\{\{.*\}\}|\$\{.*\})\s*")


def holds_secrets(variable: str) -> bool:
    """Whether the resource's schema declares a variable as an object with secrets inside."""
    return bool(object_paths(variable))


def object_paths(variable: str) -> list[tuple[str, ...]]:
    """Paths in a variable (empty: all of it) where that schema has an object, outer ones first."""
    declared = (*SECRET_PATHS.get(variable, ()), *CREDENTIAL_URLS.get(variable, ()))
    paths = [tuple(path.split(".")) for path in declared]
    return sorted({path[:length] for path in paths for length in range(len(path))})


def is_secret_path(variable: str, path: Sequence[str]) -> bool:
    """Whether what is at a path inside a variable is a secret, whatever its value."""
    if variable == "MFA_ENDPOINTS" and len(path) > 2 and path[1].lower() == "headers":
        return names_credential(path[2])
    return any(
        tuple(path[: len(known)]) == known
        for known in (tuple(each.split(".")) for each in SECRET_PATHS.get(variable, ()))
    )


def is_credential_url(variable: str, path: Sequence[str], value: object) -> bool:
    """Whether a value is a URL with credentials, at a place where the resource may hold none."""
    if not isinstance(value, str) or ".".join(path) not in CREDENTIAL_URLS.get(variable, ()):
        return False
    patterns = (URL_WITH_PASSWORD, *([_QUERY] if variable == "MFA_ENDPOINTS" else []))
    return any(re.search(pattern, value) for pattern in patterns)


#: ``URL_WITH_KEY`` for Python, which takes flags at the beginning only.
_QUERY: Final = "(?i)" + URL_WITH_KEY.replace("(?i)", "")


def names_credential(name: str) -> bool:
    """Whether a key is named like a credential, in any spelling."""
    plain = re.sub(r"[^a-z0-9]", "", name.lower())
    return bool(_CREDENTIAL_NAME.search(plain)) and not _NO_CREDENTIAL_NAME.search(plain)


def looks_like_credential(name: str, value: Any) -> bool:
    """Whether a value under a key (empty: none) may be a credential, by its key or its form.

    Lists, and texts that are JSON, are looked into. Placeholders are not credentials.
    """
    if isinstance(value, Mapping):
        return any(looks_like_credential(key, child) for key, child in value.items())
    if isinstance(value, list):
        return any(looks_like_credential(name, child) for child in value)
    if isinstance(value, bool) or not isinstance(value, (str, int, float)):
        return False
    if value == GENERATE or (isinstance(value, str) and _is_open(value)):
        return False
    if names_credential(name):
        return True
    if not isinstance(value, str):
        return False
    plain = re.sub(r"[^a-z0-9]", "", name.lower())
    if _PROBABLE_NAME.search(plain) and not _NO_CREDENTIAL_NAME.search(plain):
        return True
    return _text_looks_like_credential(value)


def _is_open(text: str) -> bool:
    return not text.strip() or bool(_PLACEHOLDER.fullmatch(text)) or REPLACE_ME in text


def _text_looks_like_credential(text: str) -> bool:
    document = parse_collection(text)
    if document is not text:
        return looks_like_credential("", document)
    if any(pattern.search(text) for pattern in (_USERINFO, _PEM_KEY, _SCHEME)):
        return True
    return not re.search(r"\s(?![^{]*\}\})", text.strip()) and any(
        names_credential(name) and not _is_open(value) and not value.startswith(("{{", "${"))
        for name, value in _PARAMETER.findall(text)
    )


def parse_collection(value: Any) -> Any:
    """The list or map that a text is as JSON; any other value unchanged."""
    if not isinstance(value, str) or value.lstrip()[:1] not in ("[", "{"):
        return value
    try:
        parsed: Any = json.loads(value)
    except (ValueError, RecursionError):
        return value
    return parsed if isinstance(parsed, (list, dict)) else value
