"""Options of a command that are read without pydantic, which typer loads to convert them: 9 MiB.

A process that waits would hold it for nothing. What is unusual or wrong is left to typer, which
knows it better and reports it.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from types import NoneType
from typing import Any, Final, get_args, get_origin, get_type_hints

from typer.models import OptionInfo

_INTEGER: Final = re.compile(r"[0-9]{1,9}")
_NUMBER: Final = re.compile(r"[0-9]{1,9}(\.[0-9]{1,9})?")


class _LeftToTyperError(Exception):
    """Not a plain option, or not a valid one."""


@dataclass(frozen=True)
class _Option:
    """An option: the parameter that it sets, and the type of its value, or of each of several."""

    parameter: str
    type: type
    several: bool
    least: float | None
    most: float | None

    def converted(self, text: str) -> Any:
        """The value that a text stands for."""
        if self.type is str:
            return text
        if self.type is Path and text not in ("", "-"):
            return Path(text)
        if issubclass(self.type, Enum) and text in {each.value for each in self.type}:
            return self.type(text)
        plain = {int: _INTEGER, float: _NUMBER}.get(self.type)
        if plain and plain.fullmatch(text):
            number = self.type(text)
            least = number if self.least is None else self.least
            most = number if self.most is None else self.most
            if least <= number <= most:
                return number
        raise _LeftToTyperError


def plain_options(command: Callable[..., Any], words: Sequence[str]) -> dict[str, Any] | None:
    """The arguments with which typer would call a command; None: typer should be asked.

    Args:
        command: a function whose parameters are options.
        words: what follows the command's name.
    """
    try:
        return _read(command, words)
    except _LeftToTyperError:
        return None


def _read(command: Callable[..., Any], words: Sequence[str]) -> dict[str, Any]:
    options = dict(_options_of(command))
    found: dict[str, Any] = {}
    rest = iter(words)
    for word in rest:
        name, given, value = word.partition("=")
        option = options.get(name)
        if option is None or (option.parameter in found and not option.several):
            raise _LeftToTyperError
        if option.type is bool:
            if given:
                raise _LeftToTyperError
            found[option.parameter] = not name.startswith("--no-")
            continue
        text = value if given else next(rest, "-")
        if not given and text.startswith("-"):
            raise _LeftToTyperError
        converted = option.converted(text)
        if option.several:
            found.setdefault(option.parameter, []).append(converted)
        else:
            found[option.parameter] = converted
    parameters = inspect.signature(command).parameters.values()
    return {each.name: found.get(each.name, each.default) for each in parameters}


def _options_of(command: Callable[..., Any]) -> Iterator[tuple[str, _Option]]:
    """Name of an option → the option."""
    for parameter, hint in get_type_hints(command, include_extras=True).items():
        if parameter == "return":
            continue
        annotation, info = get_args(hint)
        if not isinstance(info, OptionInfo) or any(
            (info.envvar, info.callback, info.parser, info.default_factory)
        ):
            raise _LeftToTyperError
        (of,) = [each for each in get_args(annotation) if each is not NoneType] or [annotation]
        several = get_origin(of) is list
        kind = get_args(of)[0] if several else of
        option = _Option(parameter, kind, several, info.min, info.max)
        plain = "--" + parameter.replace("_", "-")
        # The first name given within Annotated is where the default stood before.
        names = [
            each for each in (info.default, *(info.param_decls or ())) if isinstance(each, str)
        ]
        if not names:
            names = [plain, f"--no-{plain[2:]}"] if kind is bool else [plain]
        for name in names:
            yield name, option
