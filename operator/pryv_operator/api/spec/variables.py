"""``spec.variables``: the schema that keeps secrets out of them."""

from __future__ import annotations

from typing import Final

from pryv_operator.api import secret_variables
from pryv_operator.api.schema import RULES, Schema, cel, preserve_unknown, together

_OBJECT_WITH_SECRET: Final = {
    "type": "object",
    "description": "Any JSON object. The secret inside it belongs in spec.secrets.",
    **preserve_unknown(),
}
_SECRET: Final = {
    "type": "string",
    "description": "A secret, which belongs in spec.secrets. The only value allowed here is "
    f"{secret_variables.GENERATE}.",
    "maxLength": 4096,
}
_DOMAIN: Final = {
    "type": "string",
    "description": "Equal to spec.domain, which sets it; may be omitted.",
    "maxLength": 200,
}


def variables_schema() -> Schema:
    """Properties and rules of ``spec.variables``, in addition to any JSON value under any name.

    A secret variable may only be the word SECRET; a secret inside an object may also be empty.
    """
    root: Schema = {
        "properties": {variable: dict(_SECRET) for variable in secret_variables.SECRET_VARIABLES}
        | {"DOMAIN": dict(_DOMAIN)}
    }
    root |= together(
        *(_only_generate(variable) for variable in sorted(secret_variables.SECRET_VARIABLES))
    )
    for variable, paths in secret_variables.SECRET_PATHS.items():
        for path in paths:
            _add_secret(root, variable, path)
    root["properties"] = dict(sorted(root["properties"].items()))
    return root


def _add_secret(root: Schema, variable: str, path: str) -> None:
    """Declare the secret at a dotted path inside an object variable."""
    node = root
    *above, last = (variable, *path.split("."))
    for step in above:
        node = node.setdefault("properties", {}).setdefault(step, dict(_OBJECT_WITH_SECRET))
    node.setdefault("properties", {})[last] = dict(_SECRET)
    node[RULES] = [
        *node.get(RULES, []),
        *_only_generate(f"{variable}.{path}", or_empty=True)[RULES],
    ]


def _only_generate(path: str, *, or_empty: bool = False) -> Schema:
    """The rule that a secret is not written out, for the object that contains it.

    The API server quotes a value that breaks a rule of its own, but not the parent's.
    """
    field = path.rsplit(".", 1)[-1]
    allowed = ["", secret_variables.GENERATE] if or_empty else [secret_variables.GENERATE]
    message = (
        f"{path} is a secret and must not be in spec.variables; put the value into a Secret and "
        f"name it in spec.secrets ({path}: {{secretKeyRef: {{name: …, key: …}}}})"
    )
    if not or_empty:
        message += (
            f", or remove it to have a value generated ({secret_variables.GENERATE} does the same)"
        )
    return cel(f"!has(self.{field}) || self.{field} in {allowed}", message, at=field)
