"""Values that a service would not start with, or not use, found in its rendered files.

The files are read as the service reads them, so a value is found wherever it comes from: the
spec, a Secret, the templates, or another variable's name in it.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

from pryv_operator.leader.js_yaml import JsYamlError, load_yaml
from pryv_operator.rendering.core_checks import core_faults, custom_auth_faults, forbidden_words
from pryv_operator.rendering.fault import Fault
from pryv_operator.rendering.known_texts import KnownTexts
from pryv_operator.rendering.register_checks import register_faults


def service_faults(path: str, text: str, *, secret: bool = False) -> tuple[Fault, ...]:
    """What services cannot use in a rendered file; nothing for files that are not checked.

    A text that is not ``secret``, and has no faults, is not checked again.
    """
    name = path.rsplit("/", 1)[-1]
    check = _CHECKS.get(name)
    if check is None or (not secret and _FAULTLESS.knows(name, text)):
        return ()
    found = tuple(dict.fromkeys(check(text)))
    if not found and not secret:
        _FAULTLESS.add(name, text)
    return found


def _register(text: str) -> Iterator[Fault]:
    """dns.json."""
    yield from register_faults(_settings(text))


def _public_register(text: str) -> Iterator[Fault]:
    """register.json, whose service information core reads too."""
    settings = _settings(text)
    yield from register_faults(settings)
    if isinstance(settings, Mapping):
        yield from forbidden_words(settings.get("service"))


def _settings(text: str) -> Any:
    """The settings in a file; None if it does not parse, with the templates' defaults either."""
    try:
        return json.loads(text, parse_int=float)
    except (ValueError, RecursionError):
        return None


def _core(text: str) -> Iterator[Fault]:
    try:
        settings: Any = load_yaml(text)
    except JsYamlError:
        return
    yield from core_faults(settings)


#: Texts without faults, of all platforms.
_FAULTLESS: Final = KnownTexts()
#: Name of a file → what checks it.
_CHECKS: Final[Mapping[str, Callable[[str], Iterator[Fault]]]] = {
    "core.yml": _core,
    "customAuthStepFn.js": custom_auth_faults,
    "dns.json": _register,
    "register.json": _public_register,
}
