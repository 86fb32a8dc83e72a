"""The files of every role, rendered from a bundle and the values of its variables."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from types import MappingProxyType
from typing import Final

from pryv_operator.leader.json_value import Json
from pryv_operator.leader.listing import written_paths
from pryv_operator.leader.render_error import RenderError
from pryv_operator.leader.substitution import Order, Substitution, TooLargeError
from pryv_operator.leader.taint import RenderedText, Value
from pryv_operator.rendering.jinja import Templates
from pryv_operator.rendering.jinja_sandbox import Sandboxes
from pryv_operator.rendering.known_texts import KnownTexts
from pryv_operator.rendering.limits import DEFAULT_LIMITS, Limits, SizeBudget
from pryv_operator.rendering.parse_checks import DoesNotParseError, check_parses, is_parsed
from pryv_operator.templates.bundle import JINJA_SUFFIX, UNSET, Bundle, Variable


@dataclass(frozen=True)
class RenderedFile:
    """One file of a role, with its path in the role; ``secret``: it holds a secret value.

    ``masked`` is the text of a secret file with masks in the place of the secrets; None if there is
    none, as it cannot be rendered so.
    """

    path: str
    content: bytes
    secret: bool
    masked: str | None = None

    def __repr__(self) -> str:
        """Without the content: representations end up in logs."""
        return f"RenderedFile({self.path!r}, {len(self.content)} bytes, secret={self.secret})"


class UnknownRoleError(RenderError):
    """A role that the bundle does not have."""

    def __init__(self, role: str, known: Collection[str]) -> None:
        available = ", ".join(sorted(known))
        super().__init__(f'the templates have no role "{role}" (available: {available})')
        self.role = role


class DuplicateFileError(RenderError):
    """A file that the bundle has twice: as a plain file and as a template."""

    def __init__(self, path: str) -> None:
        super().__init__(
            f'"{path}" and "{path}{JINJA_SUFFIX}" become the same file; remove one of them',
            path=path,
        )


def render(
    bundle: Bundle,
    values: Mapping[str, Value],
    roles: Collection[str] | None = None,
    order: Order = "longest",
    limits: Limits = DEFAULT_LIMITS,
    known: Mapping[tuple[str, str], RenderedText] = MappingProxyType({}),
) -> Mapping[str, tuple[RenderedFile, ...]]:
    """Role → its files as a follower would write them, sorted by path.

    In plain files names are replaced as the leader does it. The ``.j2`` files of a bundle with
    Jinja templates are rendered by Jinja and lose that suffix.

    Args:
        bundle: the templates.
        values: variable → its value.
        roles: the roles to render; default: all of the bundle.
        order: which name wins where several begin at one position.
        limits: how large files may be.
        known: texts by role and path that these values give, see ``render_opaque``.

    Raises:
        RenderError: a file cannot be rendered; it names role, path, and the variable or line,
            unless only the secrets in it cause it.
    """
    substitution = Substitution(values, order, limits.file)
    renderer = _Renderer(bundle, substitution, limits)
    defaults = _DefaultRenderer(bundle, values, order, limits)
    masked = _MaskedRenderer(bundle, values, substitution, limits, defaults)
    sizes = _Sizes(bundle, limits)
    rendered: dict[str, tuple[RenderedFile, ...]] = {}
    for role in sorted(bundle.roles if roles is None else roles):
        if role not in bundle.roles:
            raise UnknownRoleError(role, bundle.roles)
        files: list[RenderedFile] = []
        for source in _sources_of(role, bundle):
            failure: RenderError | None = None
            try:
                text = known.get((role, source.output)) or renderer.text(source)
                content = text.text.encode()
                is_secret = text.secret or bundle.secret
                _check(source, text.text, defaults, secret=is_secret)
            except RenderError as error:
                failure = error
            if failure:
                # Outside of the handler: the failure may be another one, and is no consequence.
                raise masked.reported(source, failure).at(role, source.path) from None
            masked_text = masked.text(source) if is_secret else None
            file = RenderedFile(source.output, content, is_secret, masked_text)
            sizes.count(role, source.path, file)
            files.append(file)
        rendered[role] = tuple(files)
    return rendered


def render_opaque(
    bundle: Bundle, files: Iterable[tuple[str, str]], values: Mapping[str, Value], limits: Limits
) -> dict[tuple[str, str], RenderedText]:
    """Masked texts of files, in which nothing but the place of a mask may depend on a secret.

    A Jinja template may print secrets, and quote them, but not decide or compute by them. The text
    of a file that reads no secret is the one that ``render`` gives.

    Args:
        bundle: the templates.
        files: role and path of each file.
        values: the values of all variables.
        limits: how large the texts may be.

    Raises:
        RenderError: one cannot be rendered so; the error tells nothing about a secret.
    """
    opaque = {
        name: Value(value.whole or value.masked, secret=True) if value.secret else value
        for name, value in values.items()
    }
    renderer = _Renderer(bundle, Substitution(opaque, "longest", limits.file), limits, opaque=True)
    rendered: dict[tuple[str, str], RenderedText] = {}
    for role, path in files:
        source = next(each for each in _sources_of(role, bundle) if each.output == path)
        try:
            rendered[role, path] = renderer.text(source)
        except RenderError as error:
            raise error.at(role, source.path) from None
    return rendered


@dataclass(frozen=True)
class _Source:
    """The source of one rendered file."""

    path: str
    content: bytes = field(repr=False)
    #: Path of the rendered file.
    output: str

    @cached_property
    def text(self) -> str:
        return _decoded(self.content)

    @property
    def is_template(self) -> bool:
        return self.path != self.output


def _sources_of(role: str, bundle: Bundle) -> tuple[_Source, ...]:
    """The files of a role that a follower would write, sorted by the path that they get."""
    return bundle.derive(("sources", role), lambda: _sources(role, bundle))


def _sources(role: str, bundle: Bundle) -> tuple[_Source, ...]:
    files = bundle.roles[role]
    by_output: dict[str, str] = {}
    for path in files:
        output = bundle.output(path)
        if output in by_output:
            raise DuplicateFileError(output).at(role, output)
        by_output[output] = path
    return tuple(
        _Source(by_output[output], files[by_output[output]], output)
        for output in sorted(written_paths(by_output))
    )


class _Renderer:
    """Renders single files of a bundle with one set of values."""

    def __init__(
        self, bundle: Bundle, values: Substitution, limits: Limits, *, opaque: bool = False
    ) -> None:
        """``opaque``: templates may not look into masks."""
        self._bundle = bundle
        self._values = values
        self._templates = Templates(_shared_texts(bundle), self._values, _sandboxes(bundle, opaque))
        self._limits = limits

    def text(self, source: _Source) -> RenderedText:
        if len(source.content) > self._limits.file:
            raise TooLargeError(limit=self._limits.file)
        if source.is_template:
            return self._template_text(source)
        return self._values.apply(source.text)

    def _template_text(self, source: _Source) -> RenderedText:
        """The text of a template; of one that asks for no variable, that of all platforms."""
        constants = _constant_texts(self._bundle)
        key = (source.path, source.content)
        if (known := constants.get(key)) is not None:
            return known
        text = self._templates.render(source.path, source.text)
        if text.constant:
            constants[key] = text
        return text


def _shared_texts(bundle: Bundle) -> Mapping[str, str]:
    return bundle.derive(
        "shared texts",
        lambda: {path: _decoded(content) for path, content in bundle.shared.items()},
    )


def _sandboxes(bundle: Bundle, opaque: bool) -> Sandboxes:
    """The sandboxes that have loaded templates of the bundle."""
    return bundle.derive(("sandboxes", opaque), lambda: Sandboxes(opaque=opaque))


def _constant_texts(bundle: Bundle) -> dict[tuple[str, bytes], RenderedText]:
    """Template → its text, of those rendered so far that give the same one with any values."""
    return bundle.derive("constant texts", dict[tuple[str, bytes], RenderedText])


class _Sizes:
    """Counts the files of all roles against the limits: masked, and with their secrets.

    What is told of the first depends on no secret, of the second only that they are too large.
    """

    def __init__(self, bundle: Bundle, limits: Limits) -> None:
        self._concealed = bundle.secret
        self._visible = SizeBudget(limits)
        self._real = SizeBudget(limits)

    def count(self, role: str, path: str, file: RenderedFile) -> None:
        """Count a file of a role; ``path``: of its source.

        Raises:
            TotalTooLargeError: all files together exceed a limit.
        """
        visible = len((file.masked or "").encode()) if file.secret else len(file.content)
        try:
            self._visible.spend(file.path, visible)
        except RenderError as error:
            raise (error if self._concealed else error.at(role, path)) from None
        try:
            self._real.spend(file.path, len(file.content))
        except RenderError as error:
            raise error.concealed() from None


class _MaskedRenderer:
    """Renders files with masks in the place of secrets: for all that is told about a file."""

    def __init__(
        self,
        bundle: Bundle,
        values: Mapping[str, Value],
        unmasked: Substitution,
        limits: Limits,
        defaults: _DefaultRenderer,
    ) -> None:
        self._bundle = bundle
        self._defaults = defaults
        self._values = values
        self._unmasked = unmasked
        self._limits = limits

    @cached_property
    def _renderer(self) -> _Renderer:
        return _Renderer(self._bundle, self._unmasked.masked(self._values), self._limits)

    def text(self, source: _Source) -> str | None:
        """The masked text of a file; None if it cannot be rendered so."""
        try:
            return self._renderer.text(source).text
        except RenderError:
            return None

    def reported(self, source: _Source, error: RenderError) -> RenderError:
        """The error to report for a file: that of its masked text.

        If that has none, the secrets cause it, and no details are told. So it is with templates
        that are secret themselves.
        """
        if self._bundle.secret:
            return error.concealed()
        try:
            _check(source, self._renderer.text(source).text, self._defaults, secret=True)
        except RenderError as masked:
            return masked
        return error.concealed()


# --- checks ---

#: Texts that parse, of all platforms.
_PARSING: Final = KnownTexts()


def _check(source: _Source, text: str, defaults: _DefaultRenderer, *, secret: bool) -> None:
    """Raise if a file does not parse, unless it does not with the bundle's defaults either."""
    try:
        if secret:
            check_parses(source.output, text)
        else:
            _check_public(source.output, text)
    except DoesNotParseError:
        if not defaults.fails_to_parse(source):
            raise


def _check_public(path: str, text: str) -> None:
    """As ``check_parses``; a text that is known to parse is not parsed again."""
    kind = path.rpartition(".")[2]
    if is_parsed(path) and not _PARSING.knows(kind, text):
        check_parses(path, text)
        _PARSING.add(kind, text)


class _DefaultRenderer:
    """Renders files with the bundle's defaults, which shows whether they can parse at all."""

    def __init__(
        self, bundle: Bundle, values: Mapping[str, Value], order: Order, limits: Limits
    ) -> None:
        self._bundle = bundle
        self._values = values
        self._order = order
        self._limits = limits
        self._renderer: _Renderer | None = None

    def fails_to_parse(self, source: _Source) -> bool:
        if self._renderer is None:
            defaults = default_values(self._bundle, self._values)
            substitution = Substitution(defaults, self._order, self._limits.file)
            self._renderer = _Renderer(self._bundle, substitution, self._limits)
        try:
            text = self._renderer.text(source).text
        except RenderError:
            return False
        try:
            check_parses(source.output, text)
        except DoesNotParseError:
            return True
        return False


def default_values(bundle: Bundle, values: Mapping[str, Value]) -> dict[str, Value]:
    """The bundle's defaults; a short value of the right type for every variable without one."""
    undeclared = {
        name: Value("x") if isinstance(value.value, str) else value
        for name, value in values.items()
        if name not in bundle.variables
    }
    return undeclared | {
        name: Value(_default(variable)) for name, variable in bundle.variables.items()
    }


def _default(variable: Variable) -> Json:
    if variable.default is not UNSET:
        return variable.default
    empty: dict[str, Json] = {
        "string": "x",
        "number": 0,
        "integer": 0,
        "boolean": False,
        "object": {},
        "array": [],
        "any": None,
    }
    return empty[variable.type]


def _decoded(content: bytes) -> str:
    return content.decode("utf-8", "replace")
