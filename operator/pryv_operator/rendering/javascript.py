"""JavaScript that a service loads with ``require``: whether it parses, and what it exports.

It is parsed and never run.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import tree_sitter_javascript
from tree_sitter import Language, Node, Parser

_JAVASCRIPT: Final = Language(tree_sitter_javascript.language())
#: Syntax that the grammar takes and Node's ``require`` does not.
_NOT_COMMONJS: Final = ("export_statement", "import_statement", "jsx_")
#: Expressions that are certainly no function.
_NO_FUNCTION: Final = (
    "array",
    "false",
    "null",
    "number",
    "object",
    "regex",
    "string",
    "template_string",
    "true",
    "undefined",
)
#: The value of their last part is theirs.
_WRAPPERS: Final = ("assignment_expression", "parenthesized_expression", "sequence_expression")
#: Characters of a script that is parsed; a longer one is taken as it is.
_PARSED_CHARACTERS: Final = 256 * 1024
#: Bytes of ``module.exports``, with blanks.
_EXPORTS_BYTES: Final = 64
_EXPORTS: Final = re.compile(r"""module(?:\.exports|\[["'`]exports["'`]\])""")


@dataclass(frozen=True)
class Script:
    """A parsed script.

    ``error_line``: of the first syntax error (from 1), None without one. ``exports_function``:
    False when what is assigned to ``module.exports`` last is certainly no function.
    """

    error_line: int | None
    exports_function: bool


def parse_script(text: str) -> Script:
    """Parse the text of a CommonJS module."""
    if len(text) > _PARSED_CHARACTERS:
        return Script(None, exports_function=True)
    root = Parser(_JAVASCRIPT).parse(text.encode("utf-8", "replace")).root_node
    error_line, exported, passes_module = None, None, False
    for node in _nodes(root):
        if node.is_error or node.is_missing or node.type.startswith(_NOT_COMMONJS):
            error_line = error_line or node.start_point[0] + 1
        elif node.type == "assignment_expression" and _is_module_exports(node):
            exported = node.child_by_field_name("right")
        elif node.type == "arguments":
            passes_module |= any(_is_module(child) for child in node.named_children)
    is_function = passes_module if exported is None else _may_be_function(exported)
    return Script(error_line, is_function)


def _nodes(root: Node) -> Iterator[Node]:
    """All nodes, in the order of the text."""
    cursor = root.walk()
    while True:
        if cursor.node is not None:
            yield cursor.node
        if cursor.goto_first_child():
            continue
        while not cursor.goto_next_sibling():
            if not cursor.goto_parent():
                return


def _is_module_exports(assignment: Node) -> bool:
    left = assignment.child_by_field_name("left")
    if left is None or left.end_byte - left.start_byte > _EXPORTS_BYTES:
        return False
    return bool(_EXPORTS.fullmatch("".join(_text(left).split())))


def _is_module(argument: Node) -> bool:
    return argument.type == "identifier" and _text(argument) == "module"


def _may_be_function(value: Node) -> bool:
    while value.type in _WRAPPERS and value.named_children:
        value = value.named_children[-1]
    return value.type not in _NO_FUNCTION


def _text(node: Node) -> str:
    return (node.text or b"").decode("utf-8", "replace")
