"""Public hosts that nginx resolves when it starts."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

#: The host that the nginx.conf of all releases passes requests for some pages to. Only a literal
#: host is resolved when nginx starts.
_HOST: Final = "pryv.github.io"
_DIRECTIVES: Final = ("server", "proxy_pass")
_SCHEMES: Final = ("http://", "https://")


def public_upstreams(texts: Iterable[str]) -> frozenset[str]:
    """Public hosts that nginx resolves when it starts with these configuration files.

    Hosts in nginx variables are resolved per request and are not among them.
    """
    return frozenset(_HOST for text in texts if _names_upstream(text))


def _names_upstream(text: str) -> bool:
    """Whether the host is an upstream outside of comments."""
    at = text.find(_HOST)
    while at >= 0:
        if _is_upstream(text, at):
            return True
        at = text.find(_HOST, at + 1)
    return False


def _is_upstream(text: str, at: int) -> bool:
    """Whether the host at a place is the parameter of a directive."""
    after = text[at + len(_HOST) : at + len(_HOST) + 1]
    if after in ("-", ".", "_") or after.isalnum():
        return False
    start = next((at - len(each) for each in _SCHEMES if text.endswith(each, 0, at)), at)
    end = start
    while end and text[end - 1].isspace():
        end -= 1
    directive = next((each for each in _DIRECTIVES if text.endswith(each, 0, end)), None)
    if end == start or directive is None:
        return False
    begin = end - len(directive)
    before = text[begin - 1 : begin]
    if before == "_" or before.isalnum():
        return False
    return "#" not in text[text.rfind("\n", 0, begin) + 1 : begin]
