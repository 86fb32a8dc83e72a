"""The CustomResourceDefinition, generated from the models: pydantic's JSON schema made structural."""

from __future__ import annotations

from typing import Any, Final

from pryv_operator.api import labels_annotations as keys
from pryv_operator.api import names
from pryv_operator.api.schema import RULES, cel
from pryv_operator.api.spec import Model, PryvPlatformSpec
from pryv_operator.api.spec.variables import variables_schema
from pryv_operator.api.status import PryvPlatformStatus

Schema = dict[str, Any]

#: What a structural schema keeps of a JSON schema.
_KEPT: Final = (
    "description", "type", "format", "pattern", "enum", "minimum", "maximum",
    "minLength", "maxLength", "minItems", "maxItems", "minProperties", "maxProperties", "required",
)  # fmt: skip

#: A workload is named platform-instance-component; the default instances are reg, sw, co1, and reg-slave when present.
_LONGEST_NAME: Final = names.MAX_WORKLOAD_NAME - names.LONGEST_COMPONENT - 2

_ROOT_RULES: Final = cel(
    "self.metadata.name.matches('^[a-z]([-a-z0-9]*[a-z0-9])?$')",
    "metadata.name names Services and DNS labels: lower-case letters, digits and '-', beginning with a letter, and no dot",
    f"size(self.metadata.name) + 3 <= {_LONGEST_NAME}",
    f"metadata.name is too long: what is derived from it must fit into {names.MAX_WORKLOAD_NAME} characters, "
    f"so {_LONGEST_NAME - 3} are the most",
    "!has(self.spec.roles) || dyn(self.spec.roles) == null || !has(self.spec.roles.reg__dash__slave) || "
    f"size(self.metadata.name) + 9 <= {_LONGEST_NAME}",
    f"metadata.name is too long for a platform with a reg-slave: {_LONGEST_NAME - 9} characters are the most",
    "!has(self.spec.roles) || dyn(self.spec.roles) == null || !has(self.spec.roles.singlenode) || "
    f"size(self.metadata.name) + 6 <= {_LONGEST_NAME}",
    f"metadata.name is too long for a platform on a single node: {_LONGEST_NAME - 6} characters are the most",
    "!has(self.spec.roles) || dyn(self.spec.roles) == null || !has(self.spec.roles.core) || dyn(self.spec.roles.core) == null || "
    "!has(self.spec.roles.core.instances) || dyn(self.spec.roles.core.instances) == null || "
    f"self.spec.roles.core.instances.all(i, size(self.metadata.name) + size(i.name) <= {_LONGEST_NAME})",
    f"metadata.name and the name of each core instance may have {_LONGEST_NAME} characters together: shorten one of them",
)

_COLUMNS: Final = (
    ("Domain", "string", ".spec.domain", "The platform's DNS name.", 0),
    ("Release", "string", ".status.release", "The release that is run.", 0),
    (
        "Ready",
        "string",
        '.status.conditions[?(@.type=="Ready")].status',
        "Whether the platform is ready.",
        0,
    ),
    ("Roles", "string", ".status.rolesReady", "Ready roles of those wanted.", 0),
    ("Revision", "integer", ".status.revision", "Number of the wanted revision.", 0),
    (
        "Reason",
        "string",
        '.status.conditions[?(@.type=="Ready")].reason',
        "Why it is, or is not.",
        0,
    ),
    ("Age", "date", ".metadata.creationTimestamp", "Age of the resource.", 0),
    (
        "Message",
        "string",
        '.status.conditions[?(@.type=="Ready")].message',
        "Why, in plain words.",
        1,
    ),
)


def definition() -> dict[str, Any]:
    """The CRD as a plain object."""
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {
            "name": f"{keys.PLURAL}.{keys.GROUP}",
            "labels": {keys.APP_NAME: "pryv-operator"},
        },
        "spec": {
            "group": keys.GROUP,
            "scope": "Namespaced",
            "names": {
                "kind": keys.KIND,
                "listKind": f"{keys.KIND}List",
                "plural": keys.PLURAL,
                "singular": keys.KIND.lower(),
                "shortNames": ["pryv"],
            },
            "versions": [
                {
                    "name": keys.VERSION,
                    "served": True,
                    "storage": True,
                    "subresources": {"status": {}},
                    "selectableFields": [
                        {"jsonPath": ".spec.domain"},
                        {"jsonPath": ".spec.release"},
                    ],
                    "additionalPrinterColumns": [
                        {"name": name, "type": kind, "jsonPath": path, "description": description}
                        | ({"priority": priority} if priority else {})
                        for name, kind, path, description, priority in _COLUMNS
                    ],
                    "schema": {"openAPIV3Schema": _root()},
                }
            ],
        },
    }


def _root() -> Schema:
    wanted = structural(PryvPlatformSpec)
    wanted["properties"]["variables"] |= variables_schema()
    return {
        "description": "A Pryv.io platform: variables and secrets in, running roles out.",
        "type": "object",
        "required": ["spec"],
        "properties": {
            "apiVersion": {
                "type": "string",
                "description": "Version of the schema of this object.",
            },
            "kind": {"type": "string", "description": "PryvPlatform."},
            "metadata": {"type": "object"},
            "spec": wanted,
            "status": structural(PryvPlatformStatus),
        },
        **_ROOT_RULES,
    }


def structural(model: type[Model]) -> Schema:
    """A model's schema as the API server takes it: no references, no alternatives, no defaults."""
    schema = model.model_json_schema(mode="validation")
    definitions: dict[str, Schema] = schema.get("$defs", {})

    def convert(node: Schema) -> Schema:
        if "$ref" in node:
            node = definitions[node["$ref"].rsplit("/", 1)[1]] | {
                k: v for k, v in node.items() if k != "$ref"
            }
        if node.get("x-kubernetes-int-or-string"):
            return {
                key: node[key]
                for key in (
                    "description",
                    "anyOf",
                    "maxLength",
                    RULES,
                    "x-kubernetes-int-or-string",
                )
                if key in node
            }
        if "anyOf" in node:  # a field that may be left out
            (only,) = (branch for branch in node["anyOf"] if branch.get("type") != "null")
            return convert(only | {k: v for k, v in node.items() if k not in ("anyOf", "default")})
        result: Schema = {key: node[key] for key in _KEPT if key in node}
        result |= {key: value for key, value in node.items() if key.startswith("x-kubernetes-")}
        if RULES in node:  # which say what a pattern says, in words
            result.pop("pattern", None)
        if "const" in node:
            result |= {"enum": [node["const"]]}
        if "properties" in node:
            required = node.get("required", ())
            result["properties"] = {
                name: convert(child) if name in required else _emptied(convert(child))
                for name, child in node["properties"].items()
            }
        if isinstance(node.get("additionalProperties"), dict):
            entry = convert(node["additionalProperties"])
            result["additionalProperties"] = entry if RULES in entry else _emptied(entry)
        if "items" in node:
            result["items"] = convert(node["items"])
        return result

    return convert(schema)


def _emptied(schema: Schema) -> Schema:
    """Server-side apply leaves null where it has removed the last entry of a map or a list: ``roles: {}`` would be refused."""
    return schema | {"nullable": True} if schema.get("type") in ("object", "array") else schema
