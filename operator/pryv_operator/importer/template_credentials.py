"""Finds credentials that are written into template files, where no variable names them."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Collection, Iterator, Mapping
from typing import Any, Final

from pryv_operator.api import secret_variables
from pryv_operator.leader.js_yaml import JsYamlError, load_yaml
from pryv_operator.pki.pem import pem_text
from pryv_operator.values.nested import leaves

#: Role → path inside the role → content.
Roles = Mapping[str, Mapping[str, bytes]]

_PARSED: Final = (".json", ".hjson", ".yml", ".yaml")
_LOGIN: Final = re.compile(
    r"""[a-z][a-z0-9+.-]*://[^\s/?#"'<>@:]*:(?P<value>[^\s/?#"'<>@]+)@""", re.IGNORECASE
)
#: A user with the hash of a password, as ``htpasswd`` writes it.
_HTPASSWD: Final = re.compile(
    r"^[^\s:#]+:(?P<value>\$(?:1|2[abxy]?|5|6|apr1)\$\S+|\{S?SHA\}\S+)", re.MULTILINE
)
_HTPASSWD_FILE: Final = re.compile(r"^[^\s:#]+:(?P<value>\S{8,})", re.MULTILINE)
#: Passwords in the files of redis: https://redis.io/docs/latest/operate/oss_and_stack/management/config/
_REDIS: Final = re.compile(r"^\s*(?:requirepass|masterauth)\s+(?P<value>\S+)", re.MULTILINE)
_ASSIGNMENT: Final = re.compile(
    r"""^\s*(?:export\s+)?["']?(?P<name>[A-Za-z][\w.-]*)["']?\s*[:=]\s*["']?"""
    r"""(?P<value>[^\s"',;{}\[\]]+)""",
    re.MULTILINE,
)
_UNFILLED: Final = re.compile(
    r"|SECRET|(?:CHANGE|OVERRIDE|REPLACE)_?ME|\$[A-Z][A-Z0-9_]*|(?:\$\{|\{\{|#\{).*"
)
#: The login of a URL whose password is the name of a variable.
_OPEN_LOGIN: Final = re.compile(r"://(?:[^\s/?#@:]*:)?@")
#: SHA-256 of literal keys in the files that Pryv ships (of an error tracker, in 1.6 to 1.9).
_SHIPPED: Final = frozenset(
    {
        "b20e3969f96acba956581c635de86017ae518f84b3a6e8816c9ca3a034dfd6d5",
        "01ebdf29aca4f49edb5d3b1155a3fdcbd022486970b14e67959f166a7cb6f6b5",
        "a8398b672cfd464188d3ac4025cb75046404f7900c76b1885a82cff70b069177",
        "be13be943fe22ac941de4eb6edc6dc7054517fd158fe36991c879e757fe20a5f",
    }
)


def find_credentials(roles: Roles, variables: Collection[str]) -> tuple[str, ...]:
    """Files (role/path) that hold what looks like a credential as a literal.

    Args:
        roles: the templates.
        variables: names that are replaced by values; they are not credentials themselves.
    """
    names = re.compile("|".join(map(re.escape, sorted(variables, key=len, reverse=True))) or "(?!)")
    return tuple(
        f"{role}/{path}"
        for role, files in roles.items()
        for path, content in sorted(files.items())
        if _holds_credential(path, pem_text(content), names)
    )


def _holds_credential(path: str, text: str, names: re.Pattern[str]) -> bool:
    if "PRIVATE KEY" in text:
        return True
    patterns = [_LOGIN, _HTPASSWD, _REDIS]
    if "htpasswd" in path:
        patterns.append(_HTPASSWD_FILE)
    literals = (found["value"] for pattern in patterns for found in pattern.finditer(text))
    if any(_is_literal(value, names) for value in literals):
        return True
    return any(_is_credential(keys, value, names) for keys, value in _settings(path, text))


def _settings(path: str, text: str) -> Iterator[tuple[tuple[str, ...], Any]]:
    """The values of a file, each with the keys above it."""
    if path.endswith(_PARSED):
        try:
            yield from _values(load_yaml(text))
        except JsYamlError:
            pass  # a template need not be valid before variables are replaced
        else:
            return
    elif not path.rpartition("/")[2].startswith(".env") and not path.endswith(".env"):
        return
    for found in _ASSIGNMENT.finditer(text):
        yield (found["name"],), found["value"]


def _values(document: Any, above: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    """The values in maps and lists, each with the keys of the maps above it."""
    for path, leaf in leaves(document):
        keys = (*above, *map(str, path))
        if isinstance(leaf, list):
            for each in leaf:
                yield from _values(each, keys)
        else:
            yield keys, leaf


def _is_credential(keys: tuple[str, ...], value: Any, names: re.Pattern[str]) -> bool:
    if isinstance(value, str):
        if not _is_literal(value, names):
            return False
        value = _OPEN_LOGIN.sub("://", names.sub("", value))
    named = [names.sub("", key) for key in keys]
    above = any(secret_variables.names_credential(key) for key in named if key != "auth")
    return secret_variables.looks_like_credential(named[-1] if named else "", value) or (
        above and secret_variables.looks_like_credential("secret", value)
    )


def _is_literal(value: str, names: re.Pattern[str]) -> bool:
    """Whether a value is more than names of variables, and not a placeholder or Pryv's own."""
    rest = names.sub("", value).strip()
    return not _UNFILLED.fullmatch(rest) and _digest(rest) not in _SHIPPED


def _digest(value: str) -> str:
    return hashlib.sha256(value.encode()).hexdigest()
