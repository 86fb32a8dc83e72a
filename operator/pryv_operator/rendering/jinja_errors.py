"""Failures of Jinja templates in our own words: those of Jinja and Python may quote values."""

from __future__ import annotations

from types import TracebackType
from typing import Any, Final

from jinja2 import (
    StrictUndefined,
    TemplateError,
    TemplateNotFound,
    TemplateRuntimeError,
    TemplateSyntaxError,
)
from jinja2.exceptions import SecurityError, UndefinedError
from jinja2.utils import missing

from pryv_operator.leader.render_error import RenderError

#: Whatever a template can fail with; anything else is an operator bug.
TEMPLATE_FAILURES: Final = (
    TemplateError,
    TypeError,
    ValueError,
    ArithmeticError,
    LookupError,
    AttributeError,
    NameError,  # Jinja compiles the number 1e400 to Python's name inf
    RecursionError,
    SyntaxError,
)


class TemplateFailedError(RenderError):
    """A template that cannot be rendered; ``path`` and ``line`` are of the template."""

    def __init__(self, path: str, line: int, message: str, variable: str | None = None) -> None:
        """``line`` counts from 1; 0 when it is not known."""
        super().__init__(message, path=path, line=line or None, variable=variable)


class RefusedError(TemplateRuntimeError):
    """Something that the sandbox refuses; the message is ours and holds no value."""


class UndefinedNameError(UndefinedError):
    """A name in the template that is not defined; the message is the name."""


class NamedUndefined(StrictUndefined):
    """An undefined value whose error has the name in the template, never text from a value."""

    __slots__ = ()

    def __init__(
        self,
        hint: str | None = None,
        obj: Any = missing,
        name: str | None = None,
        exc: type[TemplateRuntimeError] = UndefinedError,
    ) -> None:
        super().__init__(hint, obj, name, UndefinedNameError if obj is missing and name else exc)

    @property
    def _undefined_message(self) -> str:
        named = self._undefined_exception is UndefinedNameError
        return str(self._undefined_name) if named else "undefined"


def explained(error: Exception, path: str) -> TemplateFailedError:
    """The error to report for any failure of the template at ``path``."""
    lines = template_lines(error.__traceback__)
    variable = error.message if isinstance(error, UndefinedNameError) else None
    if isinstance(error, TemplateSyntaxError):
        lines[error.name or path] = error.lineno
    message = _message(error)
    innermost, line = list(lines.items())[-1] if lines else (path, 0)
    if innermost != path:
        message = f"in {innermost}, line {line}: {message}"
    return TemplateFailedError(path, lines.get(path, 0), message, variable)


def _message(error: Exception) -> str:
    match error:
        case UndefinedNameError():
            name = error.message
            return (
                f'variable "{name}" is not defined; set spec.variables.{name}, '
                "or correct the template"
            )
        case UndefinedError():
            return "a value has no entry of that name; correct the template or the value"
        case SecurityError():
            return "the sandbox of templates does not allow this expression; remove it"
        case RefusedError():
            return str(error.message)
        case TemplateSyntaxError():
            return f"the template is malformed: {error.message}"
        case TemplateNotFound():
            return "an included file is not among the shared files; correct its path"
        case NameError():
            return "a number is out of range; write a smaller one"
        case RecursionError() | SyntaxError():
            return "the template is nested too deeply, or includes itself without end; simplify it"
    kind = type(error).__name__
    return f"a value has the wrong type for this expression ({kind}); correct one of them"


def template_lines(traceback: TracebackType | None) -> dict[str, int]:
    """Template → line, for the templates from the outermost to the one that failed."""
    lines: dict[str, int] = {}
    while traceback:
        template = traceback.tb_frame.f_globals.get("__jinja_template__")
        if template is not None:
            lines.pop(template.name, None)
            lines[template.name] = template.get_corresponding_lineno(traceback.tb_lineno)
        traceback = traceback.tb_next
    return lines
