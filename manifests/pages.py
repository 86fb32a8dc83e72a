"""Pages of which a part is generated: it is between two markers."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable


def between(page: str, begin: str, end: str, lines: Iterable[str]) -> str:
    """The page with these lines between two markers.

    Raises:
        ValueError: the page lacks a marker, or has one twice.
    """
    before, found, rest = page.partition(begin)
    _, found_end, after = rest.partition(end)
    if not (found and found_end) or begin in rest or end in after:
        raise ValueError(f"{begin} and {end} must each appear once, in order")
    return "\n".join((f"{before}{begin}", "", *lines, f"{end}{after}"))


def markdown(text: str) -> str:
    """Markdown of a text in which only what is between backticks has a meaning."""
    return "`".join(
        part if number % 2 else part.replace("*.", r"\*.").replace("<", "&lt;")
        for number, part in enumerate(text.split("`"))
    )
