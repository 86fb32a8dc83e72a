"""``spec.variables``: the schema that keeps secrets out of them."""

from __future__ import annotations

from typing import Final

from pryv_operator.api import secret_variables
from pryv_operator.api.schema import RULES, Schema, cel, preserve_unknown, together

_OBJECT_WITH_SECRET: Final = {
    "type": "object",
    "description": "Any JSON object. The secret inside it belongs in spec.secrets.",
    "nullable": True,
    **preserve_unknown(),
}
_SECRET: Final = {
    "type": "string",
    "description": "A secret, which belongs in spec.secrets. The only value allowed here is "
    f"{secret_variables.GENERATE}.",
    "maxLength": 4096,
}
_URL: Final = {
    "type": "string",
    "description": "A URL. One that holds a credential belongs in spec.secrets.",
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
    for variable, paths in secret_variables.CREDENTIAL_URLS.items():
        for path in paths:
            _add_url(root, variable, path)
    root["properties"] = dict(sorted(root["properties"].items()))
    return root


def _add_secret(root: Schema, variable: str, path: str) -> None:
    """Declare the secret at a dotted path inside an object variable."""
    rules = _only_generate(f"{variable}.{path}", or_empty=True)
    _add_field(root, f"{variable}.{path}", _SECRET, rules)


def _add_url(root: Schema, variable: str, path: str) -> None:
    """Declare the URL at a dotted path inside an object variable: it holds no credentials."""
    has_query = variable == "MFA_ENDPOINTS"
    patterns = [secret_variables.URL_WITH_PASSWORD]
    patterns += [secret_variables.URL_WITH_KEY] if has_query else []
    field = path.rsplit(".", 1)[-1]
    condition = " && ".join(f"!self.{field}.matches('{pattern}')" for pattern in patterns)
    message = (
        f"{variable}.{path} holds a credential and must not be in spec.variables; put the whole "
        f"URL into a Secret and name it in spec.secrets ({variable}.{path}: {{secretKeyRef: "
        "{name: …, key: …}})"
    )
    rules = cel(f"!has(self.{field}) || ({condition})", message, at=field)
    _add_field(root, f"{variable}.{path}", _URL, rules)


def _add_field(root: Schema, place: str, schema: Schema, rules: Schema) -> None:
    """Declare a field at a dotted place, and rules of the object around it."""
    node = root
    *above, last = place.split(".")
    for step in above:
        node = node.setdefault("properties", {}).setdefault(step, dict(_OBJECT_WITH_SECRET))
    node.setdefault("properties", {})[last] = dict(schema)
    node[RULES] = [*node.get(RULES, []), *rules[RULES]]


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
    name = field.replace("-", "__dash__")  # CEL's name of a field with a dash
    at = f"['{field}']" if "-" in field else field
    return cel(f"!has(self.{name}) || self.{name} in {allowed}", message, at=at)
