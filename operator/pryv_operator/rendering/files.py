"""A bundle and the values of its variables made into the files of every role. Nothing is read or written here."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Final

from pryv_operator.leader.json_value import Json
from pryv_operator.leader.listing import written_paths
from pryv_operator.leader.render_error import RenderError
from pryv_operator.leader.substitution import SIZE_LIMIT, Order, Substitution, TooLargeError
from pryv_operator.leader.taint import RenderedText, Value
from pryv_operator.rendering.jinja import render_template
from pryv_operator.rendering.parse_checks import DoesNotParseError, check_parses, is_parsed
from pryv_operator.templates.bundle import UNSET, Bundle, Variable

#: All files together are no larger than this (bytes).
TOTAL_LIMIT: Final = 4 * SIZE_LIMIT


@dataclass(frozen=True)
class Limits:
    """What a rendering may take (bytes): ``file`` of any text, ``total`` of all files, ``parsed`` of those that are parsed."""

    file: int = SIZE_LIMIT
    total: int = TOTAL_LIMIT
    parsed: int = TOTAL_LIMIT


NO_LIMITS: Final = Limits()
#: For one pass among many: more than 1 MB of a file fits into no object of the API server anyway.
IN_A_PASS: Final = Limits(file=2 * 1024 * 1024, total=4 * 1024 * 1024, parsed=512 * 1024)

_TEMPLATE_SUFFIX: Final = ".j2"


@dataclass(frozen=True)
class RenderedFile:
    """One file of a role; ``path`` is inside the role, ``secret`` says that a secret value went into the content."""

    path: str
    content: bytes
    secret: bool

    def __repr__(self) -> str:
        """Without the content: representations end up in logs."""
        return f"RenderedFile({self.path!r}, {len(self.content)} bytes, secret={self.secret})"


class UnknownRoleError(RenderError):
    """A role that the bundle does not have."""

    def __init__(self, role: str, known: Collection[str]) -> None:
        super().__init__(
            f"the templates have no role {role}; there are: {', '.join(sorted(known))}"
        )
        self.role = role


class DuplicateFileError(RenderError):
    """A file that stands there twice, as it is and as a template."""

    def __init__(self, path: str) -> None:
        super().__init__(
            f"{path} and {path}{_TEMPLATE_SUFFIX} become one file: keep one of them", path=path
        )


@dataclass(frozen=True)
class _Source:
    """What one rendered file is made of."""

    path: str
    content: bytes
    #: Path of the file it becomes.
    output: str

    @property
    def text(self) -> str:
        return _decoded(self.content)

    @property
    def is_template(self) -> bool:
        return self.path != self.output


class _Renderer:
    """Renders single files of a bundle with one set of values."""

    def __init__(
        self, bundle: Bundle, values: Mapping[str, Value], order: Order, limits: Limits
    ) -> None:
        self._shared = {path: _decoded(content) for path, content in bundle.shared.items()}
        self._values = Substitution(values, order, limits.file)
        self._limits = limits

    def text(self, source: _Source) -> RenderedText:
        if len(source.content) > self._limits.file:
            raise TooLargeError(limit=self._limits.file)
        if source.is_template:
            return render_template(source.path, source.text, self._shared, self._values)
        return self._values.apply(source.text)


class _Defaults:
    """The same files with the bundle's defaults: shows whether a file that does not parse ever could."""

    def __init__(
        self, bundle: Bundle, values: Mapping[str, Value], order: Order, limits: Limits
    ) -> None:
        self._bundle = bundle
        self._values = values
        self._order = order
        self._limits = limits
        self._renderer: _Renderer | None = None

    def never_parses(self, source: _Source) -> bool:
        if self._renderer is None:
            self._renderer = _Renderer(
                self._bundle, default_values(self._bundle, self._values), self._order, self._limits
            )
        try:
            text = self._renderer.text(source).text
        except RenderError:
            return False
        try:
            check_parses(source.output, text)
        except DoesNotParseError:
            return True
        return False


def render(
    bundle: Bundle,
    values: Mapping[str, Value],
    roles: Collection[str] | None = None,
    order: Order = "longest",
    limits: Limits = NO_LIMITS,
) -> Mapping[str, tuple[RenderedFile, ...]]:
    """Role → its files as a follower would hold them, sorted by path; all roles of the bundle unless some are named.

    Plain files have names replaced the leader's way; the ``.j2`` files of a bundle that has such are rendered by Jinja and
    lose that suffix. ``order`` says who wins where two names start at one position.

    Raises:
        RenderError: of a kind that says what is wrong; role, path, and variable or line where known, are on it.
    """
    renderer = _Renderer(bundle, values, order, limits)
    defaults = _Defaults(bundle, values, order, limits)
    room = _Room(limits)
    rendered: dict[str, tuple[RenderedFile, ...]] = {}
    for role in sorted(bundle.roles if roles is None else roles):
        if role not in bundle.roles:
            raise UnknownRoleError(role, bundle.roles)
        files: list[RenderedFile] = []
        for source in _sources(role, bundle):
            try:
                files.append(_render_file(source, renderer, defaults, room, secret=bundle.secret))
            except RenderError as error:
                raise error.at(role, source.path) from None
        rendered[role] = tuple(files)
    return rendered


def default_values(bundle: Bundle, values: Mapping[str, Value]) -> dict[str, Value]:
    """Harmless values: the bundle's defaults, and for what has none something short of the right type."""
    others = {
        name: _harmless(value) for name, value in values.items() if name not in bundle.variables
    }
    return others | {name: Value(_default(variable)) for name, variable in bundle.variables.items()}


class _Room:
    """What is left of the limits."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._total = limits.total
        self._parsed = limits.parsed

    def take(self, path: str, size: int) -> None:
        self._total -= size
        if self._total < 0:
            raise TooLargeError(limit=self._limits.total, subject="everything together")
        if is_parsed(path):
            self._parsed -= size
            if self._parsed < 0:
                raise TooLargeError(
                    limit=self._limits.parsed,
                    subject="what has to be parsed (JSON, YAML, Hjson), this file included,",
                )


def _render_file(
    source: _Source, renderer: _Renderer, defaults: _Defaults, room: _Room, *, secret: bool
) -> RenderedFile:
    result = renderer.text(source)
    content = result.text.encode()
    room.take(source.output, len(content))
    try:
        check_parses(source.output, result.text)
    except DoesNotParseError:
        if not defaults.never_parses(source):
            raise
    return RenderedFile(source.output, content, result.secret or secret)


def _sources(role: str, bundle: Bundle) -> list[_Source]:
    """The files of a role that a follower would hold, sorted by the path they get."""
    files = bundle.roles[role]
    by_output: dict[str, str] = {}
    for path in files:
        output = path.removesuffix(_TEMPLATE_SUFFIX) if bundle.jinja else path
        if output in by_output:
            raise DuplicateFileError(output).at(role, output)
        by_output[output] = path
    return [
        _Source(by_output[output], files[by_output[output]], output)
        for output in sorted(written_paths(by_output))
    ]


def _decoded(content: bytes) -> str:
    return content.decode("utf-8", "replace")


def _harmless(value: Value) -> Value:
    return Value("x") if isinstance(value.value, str) else value


def _default(variable: Variable) -> Json:
    if variable.default is not UNSET:
        return variable.default
    nothing: dict[str, Json] = {
        "string": "x",
        "number": 0,
        "integer": 0,
        "boolean": False,
        "object": {},
        "array": [],
        "any": None,
    }
    return nothing[variable.type]
