"""Whether a variable has a value, and of the declared type. No message quotes a secret."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Mapping
from typing import Any, Final

from pryv_operator.api import secret_variables
from pryv_operator.api.findings import Problem
from pryv_operator.api.reasons import Reason
from pryv_operator.leader.javascript import stringify
from pryv_operator.leader.json_value import Json, is_number
from pryv_operator.templates.bundle import Variable
from pryv_operator.values.addresses import dns_server
from pryv_operator.values.nested import texts_in, value_at

_TYPES: Final[Mapping[str, tuple[type, ...]]] = {
    "string": (str,),
    "number": (int, float),
    "integer": (int,),
    "boolean": (bool,),
    "object": (dict,),
    "array": (list,),
}

_DNS_SERVER: Final = "CLUSTER_DNS_IP_ADDRESS"
_COLLECTIONS: Final = ("object", "array")


def read_json_text(variable: Variable, value: Json) -> Json:
    """The value as the map or list that is declared, or null, where it is the JSON text of one.

    Such a text holds what a resource cannot: ``kubectl apply`` removes nulls.
    """
    types = _TYPES[variable.type] if variable.type in _COLLECTIONS else ()
    if not types or not isinstance(value, str):
        return value
    try:
        parsed: Json = json.loads(value)
    except (ValueError, RecursionError):
        return value
    return parsed if parsed is None or isinstance(parsed, types) else value


def in_declared_type(variable: Variable, value: Any) -> Any:
    """The value as a text where a string is declared and it is a number or a boolean.

    YAML reads ``12`` and ``yes`` as such; the text is what JavaScript writes.
    """
    return stringify(value) if _becomes_text(variable, value) else value


def check_value(field: str, variable: Variable, value: Any, *, secret: bool) -> Problem | None:
    """Why a value does not suit its variable; None when it does.

    ``field`` is the field of the spec to name. Of a ``secret`` value only the type is checked: a
    template chooses the bounds, and could find out a number by them.
    """
    expected = _failed_requirement(variable, value, secret=secret)
    return Problem(Reason.INVALID_VARIABLE, f"{field}: {expected}") if expected else None


def check_objects(variables: Mapping[str, Any]) -> Iterator[Problem]:
    """Problems of values that the API server rejects, as its schema has an object there.

    ``variables`` is ``spec.variables`` as it was written: a JSON text is none.
    """
    for variable in sorted(variables):
        for path in secret_variables.object_paths(variable):
            value = value_at(variables[variable], path, missing=None)
            if value is not None and not isinstance(value, Mapping):
                field = ".".join(("spec.variables", variable, *path))
                yield Problem(Reason.INVALID_VARIABLE, f"{field}: must be an object")
                break


def check_dns_server(variables: Mapping[str, Any]) -> Iterator[Problem]:
    """The problem of a DNS server that nginx cannot use; an empty text disables it."""
    value = variables.get(_DNS_SERVER)
    if isinstance(value, str) and value and dns_server(value) is None:
        yield Problem(
            Reason.INVALID_VARIABLE,
            f"spec.variables.{_DNS_SERVER}: must be an IP address without port or zone, such as "
            "10.96.0.10, or empty",
        )


def _failed_requirement(variable: Variable, value: Any, *, secret: bool) -> str | None:
    article = "an" if variable.type in ("object", "array", "integer") else "a"
    kind = f"must be {article} {variable.type}"
    if _becomes_text(variable, value):
        return None
    if value is None:
        # The leader inserts null for one. Pryv's own files do so for INVITATION_TOKENS, and
        # describe it as "not used" for HOSTINGS_PROVIDERS and DNS_CUSTOM_ENTRIES.
        is_nullable = variable.type in (*_COLLECTIONS, "any") or variable.default is None
        return None if is_nullable else f"{kind}, not null"
    types = _TYPES.get(variable.type)
    if types and (not isinstance(value, types) or (isinstance(value, bool) and bool not in types)):
        quoted_number = not secret and _is_quoted_number(variable, value)
        return f"{kind}; write {str(value).strip()} without quotes" if quoted_number else kind
    if secret:
        return None
    if variable.enum and value not in variable.enum:
        return f"must be one of {', '.join(stringify(each) for each in variable.enum)}"
    if is_number(value) and variable.minimum is not None and value < variable.minimum:
        return f"must be at least {variable.minimum:g}"
    if is_number(value) and variable.maximum is not None and value > variable.maximum:
        return f"must be at most {variable.maximum:g}"
    return None


def _becomes_text(variable: Variable, value: Any) -> bool:
    return variable.type == "string" and isinstance(value, (bool, int, float))


def _is_quoted_number(variable: Variable, value: Any) -> bool:
    return (
        variable.type in ("number", "integer")
        and isinstance(value, str)
        and value.strip().replace(".", "", 1).isdigit()
    )


def missing_values(names: Collection[str]) -> Problem:
    """One problem that names all variables without a value."""
    return Problem(
        Reason.MISSING_VARIABLES,
        f"spec.variables: required values are missing: {', '.join(sorted(names))}; set them",
    )


def is_unset(value: Any) -> bool:
    """Whether ``REPLACE_ME``, the leader's mark for "to be filled in", is anywhere in a value."""
    return any(secret_variables.REPLACE_ME in text for text in texts_in(value))
