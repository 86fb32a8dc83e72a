"""Every error of rendering is reported with a declared reason."""

from __future__ import annotations

import importlib
import pkgutil
from typing import TYPE_CHECKING

import pryv_operator
from pryv_operator.api.findings import Problem
from pryv_operator.api.reasons import Reason
from pryv_operator.desired.render_errors import REASONS, problem_of
from pryv_operator.leader.render_error import RenderError
from pryv_operator.leader.substitution import UndefinedValueError

if TYPE_CHECKING:
    from collections.abc import Iterator


def subclasses(kind: type[RenderError]) -> Iterator[type[RenderError]]:
    for each in kind.__subclasses__():
        yield each
        yield from subclasses(each)


def test_every_subclass_of_render_error_has_a_reason() -> None:
    for module in pkgutil.walk_packages(pryv_operator.__path__, "pryv_operator."):
        importlib.import_module(module.name)
    ours = {each for each in subclasses(RenderError) if each.__module__.startswith("pryv_operator")}
    assert ours == set(REASONS)


def test_a_render_error_keeps_its_place_and_message() -> None:
    error = UndefinedValueError("DOMAIN").at("core", "core/conf/core.yml")
    assert problem_of(error) == Problem(Reason.UNDEFINED_VALUE, str(error))
