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
from pryv_operator.rendering.register_checks import register_faults


def service_faults(path: str, text: str) -> tuple[Fault, ...]:
    """What services cannot use in a rendered file; nothing for files that are not checked."""
    check = _CHECKS.get(path.rsplit("/", 1)[-1])
    return tuple(dict.fromkeys(check(text))) if check else ()


def _register(text: str) -> Iterator[Fault]:
    try:
        settings = json.loads(text, parse_int=float)
    except (ValueError, RecursionError):
        return  # the file does not parse with the templates' defaults either
    yield from register_faults(settings)


def _public_register(text: str) -> Iterator[Fault]:
    """register.json, whose service information core reads too."""
    yield from _register(text)
    try:
        settings = json.loads(text, parse_int=float)
    except (ValueError, RecursionError):
        return
    if isinstance(settings, Mapping):
        yield from forbidden_words(settings.get("service"))


def _core(text: str) -> Iterator[Fault]:
    try:
        settings: Any = load_yaml(text)
    except JsYamlError:
        return
    yield from core_faults(settings)


#: Name of a file → what checks it.
_CHECKS: Final[Mapping[str, Callable[[str], Iterator[Fault]]]] = {
    "core.yml": _core,
    "customAuthStepFn.js": custom_auth_faults,
    "dns.json": _register,
    "register.json": _public_register,
}
