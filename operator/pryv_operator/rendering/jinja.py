"""Jinja templates (``.j2``) in a sandbox that bounds what they do and sees what they read.

Templates see resolved values with their types; what they print is written as JavaScript writes it. A file is secret when
its template, or one it includes, mentions a secret variable, whichever branch it takes: so it does not move between a
ConfigMap and a Secret with the value of a flag.

Work is bounded by counting, not by a clock (rendering is a pure function): every block run is a step, every text built
is paid for, whatever could make something long out of something short is left out or counted, and what filters, tests,
calls, comparisons and slices go over is weighed.
"""

from __future__ import annotations

import re
from collections.abc import Callable, ItemsView, Iterable, Iterator, KeysView, Mapping, ValuesView
from functools import lru_cache, wraps
from types import CodeType, TracebackType
from typing import Any, Final

from jinja2 import (
    DictLoader,
    StrictUndefined,
    TemplateError,
    TemplateNotFound,
    TemplateRuntimeError,
    TemplateSyntaxError,
    Undefined,
    nodes,
)
from jinja2.compiler import CodeGenerator, Frame, operators
from jinja2.exceptions import SecurityError, UndefinedError
from jinja2.filters import FILTERS
from jinja2.runtime import Context
from jinja2.sandbox import ImmutableSandboxedEnvironment
from jinja2.utils import Namespace, missing

from pryv_operator.leader.javascript import TooLongError, stringify, well_formed
from pryv_operator.leader.json_value import is_number
from pryv_operator.leader.render_error import RenderError
from pryv_operator.leader.substitution import (
    SIZE_LIMIT,
    Substitution,
    TooLargeError,
    UndefinedValueError,
)
from pryv_operator.leader.taint import RenderedText

#: Blocks (loop bodies, branches, macros) that one file may run.
STEP_LIMIT: Final = 100_000
#: Expressions that these may hold, and elements that one file may go over; four characters of a text count as one.
WORK_LIMIT: Final = 300_000
#: Bytes of a template's source; that of 1.9.2's files is some 10 KiB.
SOURCE_LIMIT: Final = 128 * 1024
#: Characters that one file may build on its way.
TEXT_LIMIT: Final = 32 * 1024 * 1024
#: nginx reads a parameter into a buffer of 4096 bytes (NGX_CONF_BUFFER).
NGINX_PARAMETER_LIMIT: Final = 4000

_FAILURES: Final = (
    TemplateError,
    TypeError,
    ValueError,
    ArithmeticError,
    LookupError,
    AttributeError,
    RecursionError,
    SyntaxError,
)


class TemplateFailedError(RenderError):
    """A template that cannot be rendered; ``path`` and ``line`` (of the template, 0 if unknown) say where."""

    def __init__(self, path: str, line: int, message: str, variable: str | None = None) -> None:
        super().__init__(message, path=path, line=line or None, variable=variable)


def render_template(
    path: str, source: str, shared: Mapping[str, str], values: Substitution
) -> RenderedText:
    """What a template makes of the values; ``shared`` are the templates it may include, by name.

    Raises:
        TemplateFailedError: the template is malformed, uses what is not there, or does too much work.
        TooLargeError: the result is larger than ``SIZE_LIMIT``.
        RenderError: a variable it mentions cannot be resolved (as ``Substitution.resolve``).
    """
    sources = {**shared, path: source}
    for name, text in sources.items():
        if len(text) > SOURCE_LIMIT:
            raise TemplateFailedError(
                path, 0, f"the template {name} is larger than {SOURCE_LIMIT // 1024} KiB"
            )
    environment = _Environment(sources, values)
    failure: RenderError
    try:
        template = environment.get_template(path)
        text = environment.collect(template.root_render_func(template.new_context()))
    except RenderError as error:
        error.line = error.line or _places(error.__traceback__).get(path)
        failure = error.with_traceback(None)
    except _FAILURES as error:
        failure = _told(error, path)
    else:
        return RenderedText(text, environment.secret)
    # Raised out here, so that no exception whose text may hold values hangs on it.
    raise failure


def _told(error: Exception, path: str) -> TemplateFailedError:
    """The error in our own words: Jinja's and Python's may quote values."""
    places = _places(error.__traceback__)
    variable = None
    match error:
        case _UndefinedNameError():
            variable = error.message
            message = f"{variable} is used but is no variable, or has no value"
        case UndefinedError():
            message = "an entry is used that the value does not have"
        case SecurityError():
            message = "something is used that templates may not use here"
        case _RefusedError():
            message = str(error.message)
        case TemplateSyntaxError():
            message = f"the template is malformed: {error.message}"
            places[error.name or path] = error.lineno
        case TemplateNotFound():
            message = "a file is included that is not among the shared ones"
        case RecursionError() | SyntaxError():
            message = "the template is nested too deeply, or calls itself without end"
        case _:
            message = f"a value is not of the kind that is needed here ({type(error).__name__})"
    innermost, line = list(places.items())[-1] if places else (path, 0)
    if innermost != path:
        message = f"in {innermost}, line {line}: {message}"
    return TemplateFailedError(path, places.get(path, 0), message, variable)


def _places(traceback: TracebackType | None) -> dict[str, int]:
    """Template → line, for the templates on the way to where it failed, the innermost last."""
    places: dict[str, int] = {}
    while traceback:
        template = traceback.tb_frame.f_globals.get("__jinja_template__")
        if template is not None:
            places.pop(template.name, None)
            places[template.name] = template.get_corresponding_lineno(traceback.tb_lineno)
        traceback = traceback.tb_next
    return places


class _RefusedError(TemplateRuntimeError):
    """What this sandbox refuses; the message is ours and holds no value."""


class _UndefinedNameError(UndefinedError):
    """A name of the template that stands for nothing; the message is the name."""


class _Undefined(StrictUndefined):
    """An undefined value whose error names what the template's author wrote, never what came from a value."""

    __slots__ = ()

    def __init__(
        self,
        hint: str | None = None,
        obj: Any = missing,
        name: str | None = None,
        exc: type[TemplateRuntimeError] = UndefinedError,
    ) -> None:
        super().__init__(hint, obj, name, _UndefinedNameError if obj is missing and name else exc)

    @property
    def _undefined_message(self) -> str:
        return (
            str(self._undefined_name)
            if self._undefined_exception is _UndefinedNameError
            else "undefined"
        )


class _Context(Context):
    """Finds what a template does not define itself among the platform's variables."""

    def resolve_or_missing(self, key: str) -> Any:
        found = super().resolve_or_missing(key)
        environment = self.environment
        return (
            environment.look_up(key)
            if found is missing and isinstance(environment, _Environment)
            else found
        )


class _CodeGenerator(CodeGenerator):
    """Counts the blocks that are run and the texts that ``~`` joins; weighs what is compared, cut and filtered."""

    def blockvisit(self, body: Iterable[nodes.Node], frame: Frame) -> None:
        body = list(body)
        self.writeline(
            f"environment.step({sum(1 for node in body for _ in node.find_all(nodes.Expr))})"
        )
        super().blockvisit(body, frame)

    def visit_For(self, node: nodes.For, frame: Frame) -> None:  # noqa: N802 - Jinja's name
        if node.test is not None:  # what it leaves out runs no block
            node.test = nodes.And(
                nodes.EnvironmentAttribute("counted"), node.test, lineno=node.lineno
            )
            node.set_environment(self.environment)
        super().visit_For(node, frame)

    def visit_Compare(self, node: nodes.Compare, frame: Frame) -> None:  # noqa: N802 - Jinja's name
        self.write("(")
        self._visit_weighed(node.expr, frame)
        for operand in node.ops:
            self.write(f" {operators[operand.op]} ")
            self._visit_weighed(operand.expr, frame)
        self.write(")")

    def visit_Getitem(self, node: nodes.Getitem, frame: Frame) -> None:  # noqa: N802 - Jinja's name
        if isinstance(node.arg, nodes.Slice):
            self._visit_weighed(node.node, frame)
            self.write("[")
            self.visit(node.arg, frame)
            self.write("]")
        else:
            super().visit_Getitem(node, frame)

    def _visit_weighed(self, node: nodes.Expr, frame: Frame) -> None:
        self.write("environment.weighed(")
        self.visit(node, frame)
        self.write(")")

    def visit_Concat(self, node: nodes.Concat, frame: Frame) -> None:  # noqa: N802 - Jinja's name
        self.write("environment.join((")
        for part in node.nodes:
            self.visit(part, frame)
            self.write(", ")
        self.write("))")


class _Environment(ImmutableSandboxedEnvironment):
    """The sandbox of one file (one only: Jinja keeps imported modules, and what they read must be seen for each)."""

    code_generator_class = _CodeGenerator
    context_class = _Context
    intercepted_binops = frozenset({"+", "-", "*", "**", "%"})

    def __init__(self, sources: Mapping[str, str], values: Substitution | None) -> None:
        super().__init__(
            loader=DictLoader(sources),
            undefined=_Undefined,
            autoescape=False,
            keep_trailing_newline=True,
            trim_blocks=True,
            lstrip_blocks=True,
            finalize=self.text,
            optimized=False,
            auto_reload=False,
        )
        self.secret = False
        self._values = values
        self._steps = STEP_LIMIT
        self._work = WORK_LIMIT
        self._room = TEXT_LIMIT
        self.globals = {"range": self.numbers, "dict": dict, "namespace": Namespace}
        filters: dict[str, Callable[..., Any]] = {name: FILTERS[name] for name in _FILTERS} | {
            "tojson": self.to_json,
            "yaml": self.to_yaml,
            "nginx": self.to_nginx,
            "indent": self.indent,
            "join": self.join_with,
            "replace": self.replace,
            "string": self.text,
        }
        self.filters = {name: self._weighing(function) for name, function in filters.items()}
        self.tests = {
            name: self._weighing(function) for name, function in dict[str, Any](self.tests).items()
        }

    def compile(  # type: ignore[override]
        self, source: Any, name: str | None = None, filename: str | None = None, *_: Any, **__: Any
    ) -> CodeType:
        """A template's code, remembered over files and passes: compiling takes far longer than rendering."""
        return _compiled(str(source), name, filename)

    def compile_afresh(self, source: str, name: str | None, filename: str | None) -> CodeType:
        return super().compile(source, name, filename)

    # --- variables ---

    def look_up(self, name: str) -> Any:
        if self._values is None or name not in self._values:
            return missing
        try:
            value = self._values.resolve(name)
        except UndefinedValueError:
            return missing
        self.secret = self.secret or value.secret
        return value.value

    # --- counting ---

    def step(self, expressions: int) -> None:
        self._steps -= 1
        if self._steps < 0:
            raise _RefusedError("the template does too much work: it has loops that are too long")
        self._go_over(expressions)

    @property
    def counted(self) -> bool:
        """True, and one more."""
        self._go_over(1)
        return True

    def weighed(self, value: Any) -> Any:
        """The value, once all that is in it has been counted."""
        pending = [value]
        while pending:
            each = pending.pop()
            if isinstance(each, str):
                self._go_over(len(each) // 4)
            elif isinstance(each, range):
                self._go_over(len(each))
            elif isinstance(each, _COLLECTIONS):
                self._go_over(len(each))
                pending.extend(each)
                if isinstance(each, dict):
                    pending.extend(each.values())
        return value

    def _go_over(self, elements: int) -> None:
        self._work -= elements
        if self._work < 0:
            raise _RefusedError(
                "the template does too much work: it goes over long values too often"
            )

    def _weighing(self, function: Callable[..., Any]) -> Callable[..., Any]:
        """A filter or a test whose arguments are weighed."""
        own = 1 if hasattr(function, "jinja_pass_arg") else 0

        @wraps(function)
        def weighing(*arguments: Any, **named: Any) -> Any:
            self._go_over(1)
            self.weighed((arguments[own:], named))
            return function(*arguments, **named)

        return weighing

    def call(self, context: Context, called: Any, /, *arguments: Any, **named: Any) -> Any:
        self.weighed((getattr(called, "__self__", None), arguments, named))
        return super().call(context, called, *arguments, **named)

    def paid(self, text: str) -> str:
        self.pay(len(text))
        return text

    def pay(self, size: int) -> None:
        self._room -= size
        if self._room < 0:
            raise _RefusedError(
                "the template does too much work: it builds texts that are too long"
            )

    def collect(self, chunks: Iterator[str]) -> str:
        kept: list[str] = []
        size = 0
        for chunk in chunks:
            size += len(chunk)
            if size > SIZE_LIMIT:
                raise TooLargeError
            kept.append(chunk)
        text = well_formed("".join(kept))
        if not text.isascii() and len(text.encode()) > SIZE_LIMIT:
            raise TooLargeError
        return text

    def concat(self, texts: Iterable[str]) -> str:
        """What Jinja joins itself: the output of macros, blocks and includes."""
        return "".join(self.paid(text) for text in texts)

    def join(self, values: Iterable[Any]) -> str:
        """The operator ``~``."""
        return "".join([self.text(value) for value in values])

    def numbers(self, *bounds: int) -> range:
        result = range(*bounds)
        if len(result) > STEP_LIMIT:
            raise _RefusedError("the template does too much work: a range is too long")
        return result

    def call_binop(self, context: Context, operator: str, left: Any, right: Any) -> Any:
        if isinstance(left, Undefined) or isinstance(right, Undefined):
            return super().call_binop(context, operator, left, right)
        if operator == "+" and isinstance(left, (str, list, tuple)):
            self.pay(len(left) + (len(right) if isinstance(right, (str, list, tuple)) else 0))
        elif not is_number(left) or not is_number(right):
            if operator == "-":  # of dictionaries' keys and items, else Python refuses it as well
                raise TypeError
            raise _RefusedError(f"{operator} works on numbers only here")
        elif operator == "**" or (operator == "*" and _bits(left) + _bits(right) > 1024):
            raise _RefusedError("the numbers are too large")
        return super().call_binop(context, operator, left, right)

    def is_safe_attribute(self, obj: Any, attr: str, value: Any) -> bool:
        if isinstance(obj, (str, int, float, Mapping, list, tuple, range)) and attr not in _METHODS:
            return False
        return super().is_safe_attribute(obj, attr, value)

    # --- texts ---

    def text(self, value: Any) -> str:
        """What a value looks like when it is printed: a text as it is, anything else as the leader puts it in."""
        if isinstance(value, Undefined):
            return str(value)  # raises
        return self.paid(value) if isinstance(value, str) else self.to_json(value)

    def to_json(self, value: Any) -> str:
        if isinstance(value, Undefined):
            return str(value)  # raises
        try:
            return self.paid(stringify(value, SIZE_LIMIT))
        except TooLongError:
            raise TooLargeError from None

    def to_yaml(self, value: Any) -> str:
        """JSON, which is YAML too once what YAML holds to be unprintable, or a line break, is escaped."""
        return _NOT_IN_YAML.sub(lambda found: f"\\u{ord(found[0]):04x}", self.to_json(value))

    def to_nginx(self, value: Any) -> str:
        """One parameter of an nginx directive, quoted. (nginx has no way to write a literal dollar sign.)"""
        text = self.text(value)
        if "\0" in text:
            raise _RefusedError("nginx cannot hold a NUL character: remove it from the value")
        if "$" in text:
            raise _RefusedError(
                "nginx takes what follows a dollar sign for one of its variables: remove it from the value"
            )
        if len(well_formed(text).encode()) > NGINX_PARAMETER_LIMIT:
            raise _RefusedError(
                f"nginx takes at most {NGINX_PARAMETER_LIMIT} bytes as one parameter: make the value shorter"
            )
        return '"' + text.translate(_NGINX_ESCAPES) + '"'

    def indent(self, value: Any, width: int = 4, first: bool = False, blank: bool = False) -> str:
        """Every line but the first (and the empty ones, unless asked) moved to the right."""
        text = self.text(value)
        if not 0 <= width <= 100:
            raise _RefusedError("indent takes 0 to 100 spaces")
        lines = text.split("\n")
        self.pay(len(lines) * width)
        margin = " " * width
        moved = [
            margin + line if (line or blank) and (index or first) else line
            for index, line in enumerate(lines)
        ]
        return "\n".join(moved)

    def join_with(self, values: Iterable[Any], separator: Any = "") -> str:
        between = self.text(separator)
        texts = []
        for value in values:
            self.pay(len(between))
            texts.append(self.text(value))
        return between.join(texts)

    def replace(self, value: Any, old: str, new: Any) -> str:
        text, replacement = self.text(value), self.text(new)
        self.pay(text.count(old) * len(replacement))
        return text.replace(old, replacement)


@lru_cache(maxsize=512)
def _compiled(source: str, name: str | None, filename: str | None) -> CodeType:
    return _Environment({}, None).compile_afresh(source, name, filename)


def _bits(number: float) -> int:
    return number.bit_length() if isinstance(number, int) else 0


#: Jinja's filters that make nothing long out of something short, and say the same every time.
_FILTERS: Final = (
    "abs",
    "capitalize",
    "count",
    "d",
    "default",
    "dictsort",
    "first",
    "float",
    "groupby",
    "int",
    "items",
    "last",
    "length",
    "list",
    "lower",
    "map",
    "max",
    "min",
    "reject",
    "rejectattr",
    "round",
    "select",
    "selectattr",
    "sort",
    "title",
    "trim",
    "unique",
    "upper",
    "urlencode",
)
#: Methods of texts, numbers, lists and maps with the same quality.
_METHODS: Final = frozenset(
    {
        "capitalize",
        "count",
        "endswith",
        "find",
        "get",
        "index",
        "isalnum",
        "isalpha",
        "isdigit",
        "items",
        "keys",
    }
    | {
        "lower",
        "lstrip",
        "partition",
        "removeprefix",
        "removesuffix",
        "rpartition",
        "rsplit",
        "rstrip",
        "split",
    }
    | {"splitlines", "startswith", "strip", "title", "upper", "values"}
)
_COLLECTIONS: Final = (list, tuple, dict, KeysView, ValuesView, ItemsView)
_NGINX_ESCAPES: Final = str.maketrans({"\\": "\\\\", '"': '\\"', "\n": "\\n", "\r": "\\r"})
_NOT_IN_YAML: Final = re.compile("[\x7f-\x9f\u2028\u2029\ufeff\ufffe\uffff]")
