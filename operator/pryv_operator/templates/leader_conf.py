"""The files in a leader's ``conf/``: their names, how they are read, and the error about them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Final, NoReturn

from pryv_operator.api.messages import printable

PLATFORM_FILE: Final = "conf/platform.yml"
PLATFORM_TEMPLATE: Final = "conf/template-platform.yml"
SETTINGS_FILE: Final = "conf/config-leader.json"
SETTINGS_TEMPLATE: Final = "conf/template-config-leader.json"
CONF_FILES: Final = (PLATFORM_FILE, PLATFORM_TEMPLATE, SETTINGS_FILE, SETTINGS_TEMPLATE)

#: Bytes of a file in ``conf/``, at most; real ones have some 30 KiB.
CONF_LIMIT: Final = 512 * 1024
#: Levels of lists and maps in a value, at most.
DEPTH_LIMIT: Final = 100


class LeaderError(Exception):
    """A leader's folder that cannot be used; the message names places and variables, never a value.

    ``file`` is relative to the folder, or empty; ``line`` and ``column`` count from 1, or are None.
    """

    def __init__(
        self, message: str, file: str = "", line: int | None = None, column: int | None = None
    ) -> None:
        super().__init__(message)
        self.message = message
        self.file = file
        self.line = line
        self.column = column

    def __str__(self) -> str:
        """``file, line n, column m: message``."""
        place = (
            [self.file] * bool(self.file)
            + [f"line {self.line}"] * bool(self.line)
            + [f"column {self.column}"] * bool(self.column)
        )
        return f"{', '.join(place)}: {self.message}" if place else self.message


def first_existing(files: Mapping[str, bytes], *candidates: str) -> str:
    """The first of the paths that is among the files; empty if none is."""
    return next((path for path in candidates if path in files), "")


def read_text(files: Mapping[str, bytes], file: str) -> str:
    """A file as text; as in the leader, invalid UTF-8 is replaced and a byte-order mark ignored.

    Raises:
        LeaderError: the file is larger than ``CONF_LIMIT``.
    """
    content = files[file]
    if len(content) > CONF_LIMIT:
        raise LeaderError(f"larger than {CONF_LIMIT // 1024} KiB", file)
    return content.decode("utf-8", "replace").removeprefix("\ufeff")


def read_json_object(files: Mapping[str, bytes], file: str) -> dict[str, Any]:
    """A JSON file that holds one object.

    Raises:
        LeaderError: it is too large, not valid JSON, nested too deeply, or not an object.
    """
    text = read_text(files, file)
    try:
        document = json.loads(text, parse_constant=_refuse_constant, parse_int=_integer)
    except json.JSONDecodeError as error:
        failure = LeaderError(f"not valid JSON: {error.msg}", file, error.lineno, error.colno)
    except _ConstantError as error:
        failure = LeaderError(f"not valid JSON: {printable(str(error))} is not a value", file)
    except RecursionError:
        failure = LeaderError(f"nested deeper than {DEPTH_LIMIT} levels", file)
    else:
        if isinstance(document, dict):
            return document
        failure = LeaderError("not a JSON object", file)
    raise failure


class _ConstantError(Exception):
    """NaN or Infinity: Python reads them as JSON, JavaScript does not."""


def _refuse_constant(name: str) -> NoReturn:
    raise _ConstantError(name)


def _integer(text: str) -> int | float:
    """An integer; a long one through float.

    JavaScript has doubles only, and Python limits the digits of an int.
    """
    return int(text) if len(text) <= 20 else float(text)
