"""What a representation shows: names and sizes, never content, as it ends up in logs."""

from __future__ import annotations

import base64
import dataclasses
import importlib
import pkgutil
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

import pryv_operator
from pryv_operator.desired.state import compute_desired
from pryv_operator.pki.certificate import Certificate
from tests.unit.builders import inputs

CANARY = "canary-7f3a"
PEM = f"-----BEGIN PRIVATE KEY-----\n{CANARY}\n-----END PRIVATE KEY-----\n"
#: Types of fields whose content may be, or quote, a Secret.
CONTENT = re.compile(r"\b(Object|bytes)\b")


def dataclasses_of_ours() -> Iterator[type[Any]]:
    for module in pkgutil.walk_packages(pryv_operator.__path__, "pryv_operator."):
        if not module.name.endswith("__main__"):
            for found in vars(importlib.import_module(module.name)).values():
                ours = isinstance(found, type) and found.__module__ == module.name
                if ours and dataclasses.is_dataclass(found):
                    yield found


@contextmanager
def returned_dataclasses() -> Iterator[dict[int, Any]]:
    """Every dataclass of ours that a function of ours returns meanwhile, by identity."""
    found: dict[int, Any] = {}

    def profile(_: FrameType, event: str, value: Any) -> None:
        ours = type(value).__module__.startswith("pryv_operator.")
        if event == "return" and ours and dataclasses.is_dataclass(value):
            found[id(value)] = value

    before = sys.getprofile()
    sys.setprofile(profile)
    try:
        yield found
    finally:
        sys.setprofile(before)


def test_no_secret_is_in_a_representation() -> None:
    given = inputs()
    given = dataclasses.replace(
        given,
        secrets={name: f"{CANARY}-{number}" for number, name in enumerate(given.secrets)},
        certificate=Certificate("", PEM),
        hash_key=CANARY.encode(),
    )
    with returned_dataclasses() as found:
        desired = compute_desired(given)
    assert not desired.problems
    assert {"Component", "File", "RenderedText"} <= {type(each).__name__ for each in found.values()}
    encoded = base64.b64encode(PEM.encode()).decode()[:60]
    shown = {
        type(each).__qualname__
        for each in (given, *found.values())
        if CANARY in (text := repr(each)) or encoded in text
    }
    assert not shown


def test_content_is_not_in_a_representation() -> None:
    shown = [
        f"{kind.__module__}.{kind.__qualname__}.{each.name}"
        for kind in dataclasses_of_ours()
        if not has_own_representation(kind)
        for each in dataclasses.fields(kind)
        if each.repr and CONTENT.search(str(each.type))
    ]
    assert not shown, f"add field(repr=False): {', '.join(shown)}"


def has_own_representation(kind: type[Any]) -> bool:
    return bool(kind.__repr__.__code__.co_filename == sys.modules[kind.__module__].__file__)
