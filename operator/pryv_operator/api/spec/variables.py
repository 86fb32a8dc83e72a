"""``spec.variables``: the schema that keeps secrets out of them."""

from __future__ import annotations

from typing import Final

from pryv_operator.api import secret_variables
from pryv_operator.api.schema import RULES, Schema, cel, preserve_unknown, together

_AROUND_A_SECRET: Final = {
    "type": "object",
    "description": "Any JSON object; the secret in it belongs into spec.secrets.",
    **preserve_unknown(),
}
_SECRET: Final = {
    "type": "string",
    "description": f"A secret, which belongs into spec.secrets; only the word {secret_variables.GENERATE} may stand here.",
    "maxLength": 4096,
}
_DOMAIN_AGAIN: Final = {
    "type": "string",
    "description": "What spec.domain says; nobody needs to repeat it.",
    "maxLength": 200,
}


def variables_schema() -> Schema:
    """What the variables' schema says of secrets: each may only be the word SECRET, or empty where that means none; and of DOMAIN."""
    root: Schema = {
        "properties": {variable: dict(_SECRET) for variable in secret_variables.SECRET_VARIABLES}
        | {"DOMAIN": dict(_DOMAIN_AGAIN)}
    }
    root |= together(
        *(_only_generate(variable) for variable in sorted(secret_variables.SECRET_VARIABLES))
    )
    for variable, paths in secret_variables.SECRET_PATHS.items():
        for path in paths:
            node = root
            *above, last = (variable, *path.split("."))
            for step in above:
                node = node.setdefault("properties", {}).setdefault(step, dict(_AROUND_A_SECRET))
            node.setdefault("properties", {})[last] = dict(_SECRET)
            node[RULES] = [
                *node.get(RULES, []),
                *_only_generate(f"{variable}.{path}", or_empty=True)[RULES],
            ]
    root["properties"] = dict(sorted(root["properties"].items()))
    return root


def _only_generate(path: str, *, or_empty: bool = False) -> Schema:
    """The rule that a secret is not written out, for the object around it."""
    field = path.rsplit(".", 1)[-1]
    admitted = ["", secret_variables.GENERATE] if or_empty else [secret_variables.GENERATE]
    message = (
        f"{path} is a secret and must not be written out here: put the value into a Secret and name it under "
        f"spec.secrets ({path}: {{secretKeyRef: {{name: …, key: …}}}})"
    )
    if not or_empty:
        message += (
            f", or leave it out ({secret_variables.GENERATE} means the same): then one is generated"
        )
    return cel(f"!has(self.{field}) || self.{field} in {admitted}", message, at=field)
