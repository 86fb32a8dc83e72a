"""Errors of rendering as problems: which class is reported with which reason."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from pryv_operator.api.findings import Problem
from pryv_operator.api.reasons import Reason
from pryv_operator.leader.render_error import RenderError
from pryv_operator.leader.substitution import (
    BadKeyError,
    RecursionLoopError,
    TooDeepError,
    TooLargeError,
    TooManyElementsError,
    TooManyNamesError,
    UndefinedValueError,
)
from pryv_operator.rendering.files import DuplicateFileError, UnknownRoleError
from pryv_operator.rendering.jinja_errors import TemplateFailedError
from pryv_operator.rendering.limits import TotalTooLargeError
from pryv_operator.rendering.parse_checks import DoesNotParseError

#: Every subclass of RenderError → its reason.
REASONS: Final[Mapping[type[RenderError], Reason]] = {
    BadKeyError: Reason.BAD_KEY,
    DoesNotParseError: Reason.DOES_NOT_PARSE,
    DuplicateFileError: Reason.DUPLICATE_FILE,
    RecursionLoopError: Reason.RECURSION_LOOP,
    TemplateFailedError: Reason.TEMPLATE_FAILED,
    TooDeepError: Reason.TOO_DEEP,
    TooLargeError: Reason.TOO_LARGE,
    TooManyElementsError: Reason.TOO_MANY_ELEMENTS,
    TooManyNamesError: Reason.TOO_MANY_NAMES,
    TotalTooLargeError: Reason.TOO_LARGE,
    UndefinedValueError: Reason.UNDEFINED_VALUE,
    UnknownRoleError: Reason.UNKNOWN_ROLE,
}


def problem_of(error: RenderError) -> Problem:
    """The problem that an error of rendering is reported as."""
    return Problem(REASONS[type(error)], str(error))
