"""The sandbox in which Jinja templates run: what they may use, and how it is counted.

Whatever could build something long from something short is not available, or is counted.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, MutableMapping
from contextlib import contextmanager
from functools import lru_cache, wraps
from types import CodeType
from typing import Any, Final

from jinja2 import DictLoader, Template, Undefined
from jinja2.runtime import Context, Macro
from jinja2.sandbox import ImmutableSandboxedEnvironment
from jinja2.utils import Namespace, missing

from pryv_operator.leader.json_value import is_number
from pryv_operator.leader.substitution import Substitution, UndefinedValueError
from pryv_operator.rendering.jinja_budget import Budget
from pryv_operator.rendering.jinja_compiler import CountingCodeGenerator
from pryv_operator.rendering.jinja_errors import NamedUndefined, RefusedError
from pryv_operator.rendering.jinja_filters import Filters
from pryv_operator.rendering.jinja_opaque import ALLOWED, opaque_value, refuse_masks, wrapped

#: Methods of texts, numbers, lists and maps that build nothing long from something short.
_METHODS: Final = frozenset((
    "capitalize", "count", "endswith", "find", "get", "index", "isalnum", "isalpha", "isdigit",
    "items", "keys", "lower", "lstrip", "partition", "removeprefix", "removesuffix", "rpartition",
    "rsplit", "rstrip", "split", "splitlines", "startswith", "strip", "title", "upper", "values",
))  # fmt: skip
#: Larger numbers (bits) are not multiplied.
_NUMBER_BITS: Final = 1024
#: Sandboxes that are kept for other files: as many as compute at once, most of the time.
_MOST_IDLE: Final = 2


class _VariablesContext(Context):
    """Looks up among the platform's variables what a template does not define itself."""

    def resolve_or_missing(self, key: str) -> Any:
        if key in self.vars:
            return self.vars[key]
        if key in self.parent:
            return self.parent[key]
        environment = self.environment
        return environment.look_up(key) if isinstance(environment, Sandbox) else missing


_Function = Callable[..., Any]


class _Weighed(dict[str, Any]):
    """Filters or tests, each weighed when it is first used: most files use a few of them."""

    def __init__(
        self, functions: Mapping[str, _Function], weigh: Callable[[str, _Function], _Function]
    ) -> None:
        super().__init__(functions)
        self._weigh = weigh
        self._used: dict[str, _Function] = {}

    def __getitem__(self, name: str) -> _Function:
        if name not in self._used:
            self._used[name] = self._weigh(name, super().__getitem__(name))
        return self._used[name]

    def get(self, name: str, default: Any = None) -> Any:
        return self[name] if name in self else default  # noqa: SIM401


class Sandbox(ImmutableSandboxedEnvironment):
    """The environment of files, one after another: between ``begin`` and ``end`` of one of them."""

    code_generator_class = CountingCodeGenerator
    context_class = _VariablesContext
    intercepted_binops = frozenset({"+", "-", "*", "**", "%"})

    def __init__(self, *, opaque: bool = False) -> None:
        """``opaque``: masks in values may be printed, and nothing else."""
        #: The templates of the current file by name; it may include them all.
        self._sources: Mapping[str, str] = {}
        #: Templates by name and source.
        self._loaded: dict[tuple[str, str], Template] = {}
        #: Those that the current file has used.
        self._used: list[Template] = []
        self.budget = Budget()
        self._print = Filters(self.budget)
        self._opaque = opaque
        super().__init__(
            loader=DictLoader({}),
            cache_size=0,
            undefined=NamedUndefined,
            autoescape=False,
            keep_trailing_newline=True,
            trim_blocks=True,
            lstrip_blocks=True,
            finalize=self._printed,
            optimized=False,
            auto_reload=False,
        )
        #: Whether the current file has read a secret variable.
        self.secret = False
        #: Whether it has asked for any variable of the platform.
        self.reads_variables = False
        #: The variables of the current file's platform.
        self._values: Substitution | None = None
        self.globals = {"range": self.budget.numbers, "dict": dict, "namespace": Namespace}
        self.filters = _Weighed(self._print.by_name(), self._weighed)
        self.tests = _Weighed(dict[str, Any](self.tests), self._weighed)

    def begin(self, sources: Mapping[str, str], values: Substitution) -> None:
        """Begin a file.

        Args:
            sources: all templates that it may include, and itself.
            values: the platform's variables.
        """
        self.budget.restart()
        self.secret = self.reads_variables = False
        self._sources = sources
        self._values = values

    def end(self) -> None:
        """Forget the values of the file, and all that was computed from them."""
        self._sources = {}
        self._values = None
        for template in self._used:
            # What an imported module has read decides whether the file that imports it is secret.
            template._module = None  # noqa: SLF001 - Jinja has no other way to forget it
        self._used.clear()

    def _load_template(
        self,
        name: str,
        globals: MutableMapping[str, Any] | None,  # noqa: A002 - as in the base class
    ) -> Template:
        """A template of the current file, or the one that an earlier file has loaded from it."""
        source = self._sources.get(name)
        known = None if source is None else self._loaded.get((name, source))
        if known is None:
            self.loader = DictLoader(self._sources)
            known = super()._load_template(name, globals)
            self._loaded[name, self._sources[name]] = known
        self._used.append(known)
        return known

    def make_globals(self, d: MutableMapping[str, Any] | None) -> MutableMapping[str, Any]:
        """A template's globals: as one map, since Jinja copies them for each use of it."""
        return {**self.globals, **(d or {})}

    def compile(  # type: ignore[override]
        self, source: Any, name: str | None = None, filename: str | None = None, *_: Any, **__: Any
    ) -> CodeType:
        """A template's code, cached over files and reconciliations: compiling takes the longest."""
        return _compiled(str(source), name, filename)

    def compile_uncached(self, source: str, name: str | None, filename: str | None) -> CodeType:
        """A template's code."""
        return super().compile(source, name, filename)

    def look_up(self, name: str) -> Any:
        """A variable's value in its type, or Jinja's ``missing``."""
        self.reads_variables = True
        if self._values is None or name not in self._values:
            return missing
        try:
            value = self._values.resolve(name)
        except UndefinedValueError:
            return missing
        self.secret = self.secret or value.secret
        return opaque_value(value.value) if self._opaque else value.value

    def is_safe_attribute(self, obj: Any, attr: str, value: Any) -> bool:
        """Whether templates may use an attribute."""
        if isinstance(obj, (str, int, float, Mapping, list, tuple, range)) and attr not in _METHODS:
            return False
        return super().is_safe_attribute(obj, attr, value)

    def getattr(self, obj: Any, attribute: str) -> Any:
        """An attribute or entry; a mask has none."""
        self._guard(obj if isinstance(obj, str) else "")
        return super().getattr(obj, attribute)

    def getitem(self, obj: Any, argument: Any) -> Any:
        """An entry or attribute; a mask has none, and is none's name."""
        self._guard((obj if isinstance(obj, str) else "", argument))
        return super().getitem(obj, argument)

    def _guard(self, value: Any) -> None:
        """Refuse to look into masks."""
        if self._opaque:
            refuse_masks(value)

    def _printed(self, value: Any) -> str:
        """A value as it is printed; opaque if a mask is in it."""
        if type(value) is str and not self._opaque:  # as most are
            return self.budget.built(value)
        text = self._print.text(value)
        return wrapped(text) if self._opaque else text

    # --- called by compiled templates ---

    def enter_escaping(self) -> None:
        """Refuse ``autoescape``, whose texts are no longer opaque."""
        if self._opaque:
            raise RefusedError("autoescape cannot be used in this file; remove it")

    def weighed(self, value: Any) -> Any:
        """A value that is compared or sliced: it counts as read, and may hold no mask."""
        self._guard(value)
        return self.budget.weighed(value)

    @property
    def counted(self) -> bool:
        """True, and one element more that was read."""
        self.budget.read(1)
        return True

    def call(self, context: Context, called: Any, /, *arguments: Any, **named: Any) -> Any:
        """The result of a call, whose object and arguments count as read."""
        if not isinstance(called, Macro):
            self._guard((arguments, named))
        self.budget.weighed((getattr(called, "__self__", None), arguments, named))
        return super().call(context, called, *arguments, **named)

    def concat(self, texts: Iterable[str]) -> str:
        """The joined output of a macro, block or include."""
        text = "".join([self.budget.built(text) for text in texts])
        return wrapped(text) if self._opaque else text

    def joined(self, values: Iterable[Any]) -> str:
        """The result of the operator ``~``."""
        text = "".join([self._print.text(value) for value in values])
        return wrapped(text) if self._opaque else text

    def call_binop(self, context: Context, operator: str, left: Any, right: Any) -> Any:
        """The result of an operator: ``+`` also joins texts and lists, others take numbers."""
        if operator == "+" and isinstance(left, str) and isinstance(right, str):
            return self.joined((left, right))
        self._guard((left, right))
        if isinstance(left, Undefined) or isinstance(right, Undefined):
            return super().call_binop(context, operator, left, right)
        if operator == "+" and isinstance(left, (str, list, tuple)):
            sequences = (each for each in (left, right) if isinstance(each, (str, list, tuple)))
            self.budget.build(sum(map(len, sequences)))
        elif not is_number(left) or not is_number(right):
            if operator == "-":  # Python subtracts sets and views of maps, and refuses the rest
                raise TypeError
            raise RefusedError(f'"{operator}" takes numbers only; correct the expression')
        elif operator == "**" or (operator == "*" and _bits(left) + _bits(right) > _NUMBER_BITS):
            raise RefusedError("the numbers of the expression are too large; correct it")
        return super().call_binop(context, operator, left, right)

    def _weighed(self, name: str, function: _Function) -> _Function:
        """A filter or test whose arguments count as read; Jinja may pass one of its own first."""
        first = 1 if hasattr(function, "jinja_pass_arg") else 0
        prints = name in ALLOWED
        budget = self.budget
        if not first and not self._opaque:

            @wraps(function)
            def counted(*arguments: Any, **named: Any) -> Any:
                budget.weigh_call(arguments, named)
                return function(*arguments, **named)

            return counted

        @wraps(function)
        def weighed(*arguments: Any, **named: Any) -> Any:
            budget.read(1)
            if not prints:
                self._guard((arguments[first:], named))
            budget.weighed((arguments[first:], named))
            result = function(*arguments, **named)
            return wrapped(result) if self._opaque and type(result) is str else result

        return weighed


class Sandboxes:
    """Sandboxes that are not in use: they have loaded templates, and hold no value of a platform.

    Each file of each platform borrows one, in whichever thread.
    """

    def __init__(self, *, opaque: bool = False) -> None:
        """Empty; for ``opaque`` see ``Sandbox``."""
        self._opaque = opaque
        self._idle: list[Sandbox] = []

    @contextmanager
    def borrowed(self, sources: Mapping[str, str], values: Substitution) -> Iterator[Sandbox]:
        """A sandbox that has begun a file, for ``sources`` and ``values`` see ``Sandbox.begin``.

        After an error it is not used again: templates' frames may still hold it.
        """
        try:
            sandbox = self._idle.pop()  # one step, so that no other thread gets it too
        except IndexError:
            sandbox = Sandbox(opaque=self._opaque)
        sandbox.begin(sources, values)
        yield sandbox
        sandbox.end()
        if len(self._idle) < _MOST_IDLE:
            self._idle.append(sandbox)


@lru_cache(maxsize=512)
def _compiled(source: str, name: str | None, filename: str | None) -> CodeType:
    return Sandbox().compile_uncached(source, name, filename)


def _bits(number: float) -> int:
    return number.bit_length() if isinstance(number, int) else 0
