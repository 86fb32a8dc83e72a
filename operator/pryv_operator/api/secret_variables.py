"""Variables that hold secrets, under the names of 1.9 and of 2019: never in the resource itself.

Source: Pryv.io's platform template (1.9) and the flat ``config-leader.json`` of 2019.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
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

#: Found anywhere in a name without its separators.
_CREDENTIAL_NAME: Final = re.compile(
    r"passw|passphrase|secret|token|credential|authorization|cookie|xoauth2|"
    r"(?:api|app|access|auth|private|secret|subscription|service|account|master)key|"
    r"(?:account|admin|db|ftp|ldap|login|mail|mongo|redis|root|smtp|sql|user)(?:pass|pwd)[0-9]*$|"
    r"^(?:auth|key)$"
)
#: Words that end such a name: ``smtpPass``, ``DB_PWD_2``, not a part of a word as in ``compass``.
_CREDENTIAL_WORD: Final = re.compile(
    r"\b(?<!by )(?:bearer|jwt|pass|passcode|pfx|psk|pw|pwd)[0-9]*(?: [0-9]+)?$"
)
#: Words that end the name of something about a credential, such as ``PASSWORD_RESET_URL``.
_ABOUT_CREDENTIAL: Final = re.compile(
    r" (?:active|age|algorithm|allowed|attempts|cats|categories|count|days|dir|domain|duration|"
    r"enabled|expiration|expiry|field|file|folder|format|header|hint|history|hours|iterations|"
    r"label|length|lifetime|link|max|message|min|minutes|name|page|path|pattern|policy|regex|"
    r"required|reset|rounds|seconds|size|subject|template|text|timeout|title|ttl|type|uri|url)$"
)
_PROBABLE_NAME: Final = re.compile(
    r"(?<!don)(?<!hoc)(?<!joc)(?<!mon)(?<!tur)(?<!whis)keys?[0-9]*(?: [0-9]+)?$|"
    r"\bkeys? (?!(?:id|selector)\b)|\bconnection ?(?:string|uri)$|\bdsn$|\bsession ?id$"
)
#: As above, where the value has no space: others are prose, such as the signature of an e-mail.
_PROBABLE_WORD: Final = re.compile(r"\b(?:pin|pin ?code|sig|signature)(?: [0-9]+)?$")
_NO_CREDENTIAL_NAME: Final = re.compile(
    r"publickey|idempotencykey|certificateauthorityauthorization"
)
_USERINFO: Final = re.compile(
    r"""(?<![@a-z0-9+.-])[a-z][a-z0-9+.-]*://(?:[^\s/?#"'<>]*@|[^\s/?#@]+:(?![0-9]+/)[^\s@]+@)""",
    re.IGNORECASE,
)
_PEM_KEY: Final = re.compile(r"-----BEGIN [A-Z0-9 ]*PRIVATE KEY")
_SCHEME: Final = re.compile(
    r"\b(?:Bearer|Basic)\s+[\w+/.~=-]{8,}|\beyJ[\w-]{8,}\.[\w-]{8,}\.", re.IGNORECASE
)
_PARAMETER: Final = re.compile(r"(?:^|[?&;])([^=&?;\s]+)=([^&;\s]+)")
#: ``Server=db;User ID=me;Password=…`` and ``host=db user=me password=…``.
_CONNECTION: Final = re.compile(
    r"(?:[A-Za-z][\w ]*=[^;\n]*(?:;\s*|$)){2,}|(?:[A-Za-z]\w*=\S+(?: +|$)){2,}"
)
_SETTING: Final = re.compile(r"(?:^|;\s*|\s)([A-Za-z]\w*)=([^;\s]+)")
#: A key with its value in a text that is almost JSON, and an element of XML.
_MEMBER: Final = re.compile(r"""([A-Za-z][\w.-]*)["']?\s*[:=]\s*["']?([^\s"',;&{}]+)""")
_ELEMENT: Final = re.compile(r"<([A-Za-z][\w.:-]*)[^<>]*>([^<>]+)</")
#: Digits of a number that may be a PIN.
_LONG_NUMBER: Final = 4
_PLACEHOLDER: Final = re.compile(r"\s*(?:\{\{.*\}\}|\$\{.*\})\s*")


#: The patterns need quadratic time. What is longer is refused, whatever it is.
_LONGEST_URL: Final = 2048


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
    if len(value) > _LONGEST_URL:
        return True
    patterns = (URL_WITH_PASSWORD, *([_QUERY] if variable == "MFA_ENDPOINTS" else []))
    return any(re.search(pattern, value) for pattern in patterns)


#: ``URL_WITH_KEY`` for Python, which takes flags at the beginning only.
_QUERY: Final = "(?i)" + URL_WITH_KEY.replace("(?i)", "")


def names_credential(name: str) -> bool:
    """Whether a key is named like a credential, in any spelling."""
    words = _words(name)
    plain = words.replace(" ", "")
    if _NO_CREDENTIAL_NAME.search(plain) or _ABOUT_CREDENTIAL.search(words):
        return False
    return bool(_CREDENTIAL_NAME.search(plain) or _CREDENTIAL_WORD.search(words))


def _words(name: str) -> str:
    """The words of a name in lower case: those of ``smtpPass`` are "smtp pass"."""
    spaced = re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", " ", name)
    return " ".join(re.findall(r"[a-z0-9]+", spaced.lower()))


def _may_name_credential(name: str, text: str) -> bool:
    """Whether a key is one that credentials often have, as other values have it."""
    words = _words(name)
    if _NO_CREDENTIAL_NAME.search(words.replace(" ", "")) or _ABOUT_CREDENTIAL.search(words):
        return False
    if _PROBABLE_NAME.search(words):
        return True
    return bool(_PROBABLE_WORD.search(words)) and not re.search(r"\s", text.strip())


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
        return len(str(value)) >= _LONG_NUMBER and _may_name_credential(name, str(value))
    return _may_name_credential(name, value) or _text_looks_like_credential(value)


def _is_open(text: str) -> bool:
    return not text.strip() or bool(_PLACEHOLDER.fullmatch(text)) or REPLACE_ME in text


def _text_looks_like_credential(text: str) -> bool:
    document = parse_document(text)
    if document is not text:
        return looks_like_credential("", document)
    if any(pattern.search(text) for pattern in (_USERINFO, _PEM_KEY, _SCHEME)):
        return True
    return any(
        (names_credential(name) or _PROBABLE_WORD.search(_words(name)))
        and not _is_open(value)
        and not value.startswith(("{{", "${", "#{"))
        for name, value in _named_values(text)
    )


def _named_values(text: str) -> Iterator[tuple[str, str]]:
    """Keys with their values in a text of one of the usual forms; prose has none."""
    if not re.search(r"\s(?![^{]*\}\})", text.strip()):
        yield from _PARAMETER.findall(text)
    if _CONNECTION.fullmatch(text.strip()):
        yield from _SETTING.findall(text)
    if text.lstrip("\ufeff \t\r\n")[:1] in ("[", "{"):
        yield from _MEMBER.findall(text)
    yield from _ELEMENT.findall(text)


def parse_collection(value: Any) -> Any:
    """The list or map that a text is as JSON; any other value unchanged."""
    if not isinstance(value, str) or value.lstrip()[:1] not in ("[", "{"):
        return value
    try:
        parsed: Any = json.loads(value)
    except (ValueError, RecursionError):
        return value
    return parsed if isinstance(parsed, (list, dict)) else value


def parse_document(value: Any) -> Any:
    """As ``parse_collection``, and with a byte order mark, or as the JSON text of a JSON text."""
    text = value
    while isinstance(text, str):
        text = text.lstrip("\ufeff \t\r\n")
        collection = parse_collection(text)
        if collection is not text:
            return collection
        if text[:1] != '"':
            break
        try:
            text = json.loads(text)
        except (ValueError, RecursionError):
            break
    return value
