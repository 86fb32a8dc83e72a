"""The page docs/prerequisites.md: what ``kubectl pryv check`` tests, from its declarations."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from manifests.pages import between, markdown
from pryv_operator.checks.declarations import Check, Section

if TYPE_CHECKING:
    from collections.abc import Iterator

_BEGIN: Final = "<!-- checks: generated from checks/declarations.py -->"
_END: Final = "<!-- end of checks -->"


def with_checks(page: str) -> str:
    """The page with the present table of every section."""
    return between(page, _BEGIN, _END, _tables())


def _tables() -> Iterator[str]:
    for section in Section:
        yield from (f"### {section.value}", "", f"`--only {section.option}`", "")
        yield "| check | tests that | how to fix it |"
        yield "|---|---|---|"
        for check in Check:
            if check.section is section:
                yield f"| `{check.value}` | {markdown(check.tests)} | {markdown(check.remedy)} |"
        yield ""
