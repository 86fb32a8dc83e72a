"""Kubernetes objects in YAML files, read as ``kubectl`` reads them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, Final

import yaml

from pryv_operator.api.kubernetes import Object


class DocumentError(Exception):
    """A file without usable objects; the message names file, line and field, never a value."""

    def __init__(self, message: str, file: str = "", line: int | None = None) -> None:
        where = ", ".join(each for each in (file, f"line {line}" if line else "") if each)
        super().__init__(f"{where}: {message}" if where else message)


def read_objects(file: str, text: str) -> Iterator[Object]:
    """The objects in a text of one or several YAML documents; items of a ``List`` one by one.

    Args:
        file: its name in messages.
        text: its content.

    Raises:
        DocumentError: it is not valid YAML, or a document is not an object.
    """
    try:
        documents = list(yaml.load_all(text, Loader=_Loader))
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        # What follows a quote may be a value of the file.
        problem = re.split(r"['\"]", error.problem or error.context or "malformed")[0].strip()
        failure = DocumentError(f"not valid YAML: {problem}", file, mark.line + 1 if mark else None)
    except (yaml.YAMLError, UnicodeEncodeError, RecursionError, ValueError):
        failure = DocumentError("not valid YAML", file)
    else:
        for document in documents:
            if document is not None:
                yield from _items(file, document)
        return
    # Raised outside of the handlers, so that no exception that quotes the file is its context.
    raise failure


def _items(file: str, document: Any) -> Iterator[Object]:
    if not isinstance(document, dict):
        raise DocumentError("a document is not a Kubernetes object (a map of fields)", file)
    if document.get("kind") == "List" and isinstance(document.get("items"), list):
        for item in document["items"]:
            yield from _items(file, item)
    else:
        yield document


class _Loader(yaml.CSafeLoader):
    """YAML 1.1 as kubectl's parser reads it: no dates, no sexagesimal numbers."""

    yaml_implicit_resolvers: Any = {}  # noqa: RUF012 - the base class has no annotation


_BOOLEANS: Final = {"y": True, "n": False, **yaml.SafeLoader.bool_values}


def _construct_boolean(loader: _Loader, node: yaml.ScalarNode) -> bool:
    return bool(_BOOLEANS[str(loader.construct_scalar(node)).lower()])


def _construct_integer(loader: _Loader, node: yaml.ScalarNode) -> int | float:
    text = str(loader.construct_scalar(node)).replace("_", "")
    sign = -1 if text.startswith("-") else 1
    digits = text.lstrip("+-")
    octal = re.fullmatch(r"0[0-7]+", digits)
    return sign * (int(digits, 8) if octal else int(digits, 0))


def _construct_float(loader: _Loader, node: yaml.ScalarNode) -> float:
    text = str(loader.construct_scalar(node)).replace("_", "").lower()
    return float(text.replace(".inf", "inf").replace(".nan", "nan"))


_TAG: Final = "tag:yaml.org,2002:"
_BOOLEAN: Final = (
    r"(?:[yY]|yes|Yes|YES|[nN]|no|No|NO|true|True|TRUE|false|False|FALSE|on|On|ON|off|Off|OFF)"
)
_INTEGER: Final = r"[-+]?(?:0b[01_]+|0o?[0-7_]+|0x[0-9a-fA-F_]+|0|[1-9][0-9_]*)"
_FLOAT: Final = (
    r"(?:[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?"
    r"|[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN))"
)
for _kind, _pattern, _first in (
    ("bool", _BOOLEAN, "yYnNtTfFoO"),
    ("null", r"(?:~|null|Null|NULL|)", ["~", "n", "N", ""]),
    ("int", _INTEGER, "-+0123456789"),
    ("float", _FLOAT, "-+0123456789."),
    ("merge", r"<<", "<"),
):
    _Loader.add_implicit_resolver(_TAG + _kind, re.compile(f"^{_pattern}$", re.ASCII), list(_first))
_Loader.add_constructor(_TAG + "int", _construct_integer)
_Loader.add_constructor(_TAG + "float", _construct_float)
_Loader.add_constructor(_TAG + "bool", _construct_boolean)
