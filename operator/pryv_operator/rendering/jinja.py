"""Jinja templates (``.j2``) rendered in a sandbox.

Templates see resolved values in their types; what they print is written as JavaScript writes it.
A file is secret when its template, or one that it includes, reads a secret variable in whichever
branch: so a flag's value does not move the file between a ConfigMap and a Secret.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

from pryv_operator.leader.javascript import well_formed
from pryv_operator.leader.render_error import RenderError
from pryv_operator.leader.substitution import SIZE_LIMIT, Substitution, TooLargeError
from pryv_operator.leader.taint import RenderedText
from pryv_operator.rendering.jinja_errors import (
    TEMPLATE_FAILURES,
    TemplateFailedError,
    explained,
    template_lines,
)
from pryv_operator.rendering.jinja_sandbox import Sandboxes

#: Characters of a template's source; the largest file of release 1.9.2 has some 10 KiB.
SOURCE_LIMIT: Final = 128 * 1024


class Templates:
    """Renders templates with one set of values, each as if it were the only one."""

    def __init__(
        self, shared: Mapping[str, str], values: Substitution, sandboxes: Sandboxes | None = None
    ) -> None:
        """What all of them share.

        Args:
            shared: the templates that they may include, by name.
            values: the platform's variables.
            sandboxes: where they are rendered; default: in new ones.
        """
        self._shared = shared
        self._largest = max(map(len, shared.values()), default=0)
        self._values = values
        self._sandboxes = sandboxes or Sandboxes()

    def render(self, path: str, source: str) -> RenderedText:
        """The text that a template gives; ``path``: its name in messages.

        Raises:
            TemplateFailedError: it is malformed, reads something undefined, or does too much work.
            TooLargeError: the result is larger than ``SIZE_LIMIT``.
            RenderError: a variable that it reads cannot be resolved (see ``Substitution.resolve``).
        """
        sources = {**self._shared, path: source}
        if max(self._largest, len(source)) > SOURCE_LIMIT:
            _refuse_too_large(path, sources)
        failure: RenderError
        try:
            with self._sandboxes.borrowed(sources, self._values) as sandbox:
                template = sandbox.get_template(path)
                text = _collected(template.root_render_func(template.new_context()))
                return RenderedText(text, sandbox.secret, constant=not sandbox.reads_variables)
        except RenderError as error:
            error.line = error.line or template_lines(error.__traceback__).get(path)
            failure = error.with_traceback(None)
        except TEMPLATE_FAILURES as error:
            failure = explained(error, path)
        # Raised outside of the handlers, so that no exception that quotes values is its context.
        raise failure


def render_template(
    path: str,
    source: str,
    shared: Mapping[str, str],
    values: Substitution,
    *,
    opaque: bool = False,
) -> RenderedText:
    """The text that a single template gives; for arguments and errors see ``Templates``.

    ``opaque``: masks in values may be printed and quoted, but neither compared nor measured.
    """
    return Templates(shared, values, Sandboxes(opaque=opaque)).render(path, source)


def _refuse_too_large(path: str, sources: Mapping[str, str]) -> None:
    """Raise if a template is too large, or one that it may include."""
    for name, text in sources.items():
        if len(text) > SOURCE_LIMIT:
            limit = f"{SOURCE_LIMIT // 1024} KiB"
            raise TemplateFailedError(
                path, 0, f'template "{name}" is larger than {limit}; split it'
            )


def _collected(chunks: Iterable[str]) -> str:
    """The chunks as one text, which is never larger than ``SIZE_LIMIT`` bytes."""
    collected: list[str] = []
    size = 0
    for chunk in chunks:
        size += len(chunk)
        if size > SIZE_LIMIT:
            raise TooLargeError
        collected.append(chunk)
    text = well_formed("".join(collected))
    if not text.isascii() and len(text.encode()) > SIZE_LIMIT:
        raise TooLargeError
    return text
