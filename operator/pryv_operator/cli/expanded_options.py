"""Options that several commands share: a dataclass whose fields are the options."""

from __future__ import annotations

import dataclasses
import functools
import inspect
from collections.abc import Callable
from typing import Any, get_type_hints


def expanded(function: Callable[..., None]) -> Callable[..., None]:
    """The function with the fields of each dataclass among its parameters in place of these.

    A field is an option as a parameter would be: ``Annotated[TYPE, typer.Option(…)]``.
    """
    hints = get_type_hints(function, include_extras=True)
    shared: dict[str, Any] = {
        name: hint for name, hint in hints.items() if dataclasses.is_dataclass(hint)
    }
    if not shared:
        return function
    parameters: list[inspect.Parameter] = []
    for parameter in inspect.signature(function).parameters.values():
        if parameter.name not in shared:
            parameters.append(parameter.replace(annotation=hints[parameter.name]))
            continue
        model = shared[parameter.name]
        fields = get_type_hints(model, include_extras=True)
        parameters.extend(
            inspect.Parameter(
                each.name,
                inspect.Parameter.KEYWORD_ONLY,
                default=each.default,
                annotation=fields[each.name],
            )
            for each in dataclasses.fields(model)
        )

    @functools.wraps(function)
    def called(**values: Any) -> None:
        for name, model in shared.items():
            own = {each.name: values.pop(each.name) for each in dataclasses.fields(model)}
            values[name] = model(**own)
        function(**values)

    called.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    called.__annotations__ = {each.name: each.annotation for each in parameters}
    return called
