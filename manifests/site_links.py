"""A hook of mkdocs: links from docs/ to other files of the repository lead to its web page.

In the repository they are relative paths, so that they work in an editor and on GitHub.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

ROOT: Final = Path(__file__).resolve().parent.parent
_OUTSIDE: Final = re.compile(r"\]\(\.\./([^)\s]+)\)")


def on_page_markdown(markdown: str, *, config: Mapping[str, Any], **_: object) -> str:
    """The page with links that lead from docs/ to the rest of the repository as URLs."""
    return with_repository_links(markdown, config["repo_url"])


def with_repository_links(markdown: str, repository: str) -> str:
    """`](../tests/x.py)` becomes `](REPOSITORY/blob/main/tests/x.py)`; folders get `tree`."""

    def url(match: re.Match[str]) -> str:
        path = match[1]
        kind = "tree" if (ROOT / path).is_dir() else "blob"
        return f"]({repository}/{kind}/main/{path})"

    return _OUTSIDE.sub(url, markdown)
