"""Filters of Jinja templates: those that this project adds, and those of Jinja that are allowed."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from typing import Any, Final

from jinja2 import Undefined
from jinja2.filters import FILTERS

from pryv_operator.leader.javascript import TooLongError, stringify, well_formed
from pryv_operator.leader.substitution import SIZE_LIMIT, TooLargeError
from pryv_operator.rendering.jinja_budget import Budget
from pryv_operator.rendering.jinja_errors import RefusedError

#: Bytes of one parameter: nginx reads it into a buffer of 4096 bytes (NGX_CONF_BUFFER).
NGINX_PARAMETER_LIMIT: Final = 4000

#: Jinja's filters that build nothing long from something short, and always give the same result.
_ALLOWED: Final = (
    "abs", "capitalize", "count", "d", "default", "dictsort", "first", "float", "groupby", "int",
    "items", "last", "length", "list", "lower", "map", "max", "min", "reject", "rejectattr",
    "round", "select", "selectattr", "sort", "title", "trim", "unique", "upper", "urlencode",
)  # fmt: skip
#: Characters of a text whose JSON is within all limits.
_SHORT: Final = SIZE_LIMIT // 16
_NGINX_ESCAPES: Final = str.maketrans({"\\": "\\\\", '"': '\\"', "\n": "\\n", "\r": "\\r"})
_NOT_IN_YAML: Final = re.compile("[\x7f-\x9f\u2028\u2029\ufeff\ufffe\uffff]")


class Filters:
    """Filters whose results count against one file's budget."""

    def __init__(self, budget: Budget) -> None:
        self._budget = budget

    def by_name(self) -> dict[str, Callable[..., Any]]:
        """All filters that templates may use."""
        return {name: FILTERS[name] for name in _ALLOWED} | {
            "tojson": self.to_json,
            "yaml": self.to_yaml,
            "nginx": self.to_nginx,
            "indent": self.indent,
            "join": self.join,
            "replace": self.replace,
            "string": self.text,
        }

    def text(self, value: Any) -> str:
        """A value as it is printed: a text as it is, anything else as the leader inserts it."""
        if isinstance(value, str):
            return self._budget.built(value)
        return self.to_json(value)

    def to_json(self, value: Any) -> str:
        """A value as JSON, in the bytes that JavaScript writes."""
        if type(value) is str and len(value) < _SHORT:  # as most are
            return self._budget.built(stringify(value))
        if isinstance(value, Undefined):
            return str(value)  # raises
        try:
            return self._budget.built(stringify(value, SIZE_LIMIT))
        except TooLongError:
            raise TooLargeError from None

    def to_yaml(self, value: Any) -> str:
        """A value as JSON that is also YAML: YAML's line breaks and unprintables are escaped."""
        text = self.to_json(value)
        if text.isascii() and "\x7f" not in text:
            return text
        return _NOT_IN_YAML.sub(lambda found: f"\\u{ord(found[0]):04x}", text)

    def to_nginx(self, value: Any) -> str:
        """A value as one quoted parameter of an nginx directive, which cannot hold a ``$``."""
        text = self.text(value)
        if "\0" in text:
            raise RefusedError("nginx cannot read a NUL character; remove it from the value")
        if "$" in text:
            raise RefusedError(
                'nginx takes "$" for the beginning of a variable; remove it from the value'
            )
        if len(well_formed(text).encode()) > NGINX_PARAMETER_LIMIT:
            raise RefusedError(
                f"nginx reads at most {NGINX_PARAMETER_LIMIT} bytes as one parameter; "
                "shorten the value"
            )
        return '"' + text.translate(_NGINX_ESCAPES) + '"'

    def indent(self, value: Any, width: int = 4, first: bool = False, blank: bool = False) -> str:
        """A text with its lines indented; the first line and blank ones only when asked for."""
        text = self.text(value)
        if not 0 <= width <= 100:
            raise RefusedError("indent takes 0 to 100 spaces; correct its width")
        lines = text.split("\n")
        self._budget.build(len(lines) * width)
        margin = " " * width
        return "\n".join(
            margin + line if (line or blank) and (index or first) else line
            for index, line in enumerate(lines)
        )

    def join(self, values: Iterable[Any], separator: Any = "") -> str:
        """The texts of values with a separator between them."""
        between = self.text(separator)
        texts = []
        for value in values:
            self._budget.build(len(between))
            texts.append(self.text(value))
        return between.join(texts)

    def replace(self, value: Any, old: str, new: Any) -> str:
        """A text with every occurrence of another text replaced."""
        text, replacement = self.text(value), self.text(new)
        self._budget.build(text.count(old) * len(replacement))
        return text.replace(old, replacement)
