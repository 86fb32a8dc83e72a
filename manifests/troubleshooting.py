"""The generated part of docs/troubleshooting.md: a section for each reason."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from manifests.pages import between, markdown
from pryv_operator.api.reasons import Reason, Scope

if TYPE_CHECKING:
    from collections.abc import Iterator

#: Around the part that is generated.
BEGIN: Final = "<!-- reasons: generated from operator/pryv_operator/api/reasons.py -->"
END: Final = "<!-- end of reasons -->"
#: For a reason that asks for nothing.
NOTHING_TO_DO: Final = "nothing to do"


def with_reasons(page: str) -> str:
    """The page with the current reasons between its two markers.

    Raises:
        ValueError: the page lacks a marker, or has one twice.
    """
    return between(page, BEGIN, END, _scopes())


def _scopes() -> Iterator[str]:
    """A section for each scope, and in it one for each reason, whose anchor is its name."""
    for scope in Scope:
        yield from (f"## {scope.value}", "")
        for reason in Reason:
            if reason.scope is scope:
                yield from (
                    f"### `{reason}`",
                    "",
                    f"- **Cause:** {markdown(reason.meaning)}.",
                    f"- **Check:** {markdown(reason.check)}.",
                    f"- **Remedy:** {markdown(reason.remedy or NOTHING_TO_DO)}.",
                    "",
                )
