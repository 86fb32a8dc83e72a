"""The CustomResourceDefinition, generated from the models in ``spec`` and ``status``."""

from __future__ import annotations

from typing import Any, Final

from pryv_operator.api import labels_annotations as keys
from pryv_operator.api import names
from pryv_operator.api.schema import RULES, cel
from pryv_operator.api.spec import Model, PryvPlatformSpec
from pryv_operator.api.spec.variables import variables_schema
from pryv_operator.api.status import PryvPlatformStatus

Schema = dict[str, Any]

#: Keywords of a JSON schema that a structural schema may have.
_KEYWORDS: Final = (
    "description", "type", "format", "pattern", "enum", "minimum", "maximum",
    "minLength", "maxLength", "minItems", "maxItems", "minProperties", "maxProperties", "required",
)  # fmt: skip
#: Keywords of a field that is an integer or a string.
_INT_OR_STRING_KEYWORDS: Final = (
    "description", "anyOf", "maxLength", RULES, "x-kubernetes-int-or-string",
)  # fmt: skip

#: Length of PLATFORM-INSTANCE without the hyphen: a workload is PLATFORM-INSTANCE-COMPONENT.
_LONGEST_NAME: Final = names.MAX_WORKLOAD_NAME - names.LONGEST_COMPONENT - 2
#: The longest names of a platform with just the default instances (``reg``, ``co1``), with a
#: reg-slave, and on a single node (``single``).
_LONGEST_DEFAULT: Final = _LONGEST_NAME - len("reg")
_LONGEST_WITH_SLAVE: Final = _LONGEST_NAME - len("reg-slave")
_LONGEST_SINGLE: Final = _LONGEST_NAME - len("single")
_NO_ROLES: Final = "!has(self.spec.roles) || dyn(self.spec.roles) == null"

_ROOT_RULES: Final = cel(
    "self.metadata.name.matches('^[a-z]([-a-z0-9]*[a-z0-9])?$')",
    "metadata.name must consist of lower-case letters, digits and '-', beginning with a letter, "
    "and no dot: names of Services derive from it",
    f"size(self.metadata.name) + 3 <= {_LONGEST_NAME}",
    f"metadata.name must have at most {_LONGEST_DEFAULT} characters: "
    f"names of workloads derive from it, and are limited to {names.MAX_WORKLOAD_NAME}",
    f"{_NO_ROLES} || !has(self.spec.roles.reg__dash__slave) || "
    f"size(self.metadata.name) + 9 <= {_LONGEST_NAME}",
    f"metadata.name must have at most {_LONGEST_WITH_SLAVE} characters with a reg-slave",
    f"{_NO_ROLES} || !has(self.spec.roles.singlenode) || "
    f"size(self.metadata.name) + 6 <= {_LONGEST_NAME}",
    f"metadata.name must have at most {_LONGEST_SINGLE} characters on a single node",
    f"{_NO_ROLES} || !has(self.spec.roles.core) || dyn(self.spec.roles.core) == null || "
    "!has(self.spec.roles.core.instances) || dyn(self.spec.roles.core.instances) == null || "
    "self.spec.roles.core.instances.all(i, "
    f"size(self.metadata.name) + size(i.name) <= {_LONGEST_NAME})",
    "metadata.name and the name of each core instance must have at most "
    f"{_LONGEST_NAME} characters together; shorten one of them",
)

_COLUMNS: Final = (
    ("Domain", "string", ".spec.domain", "DNS name of the platform.", 0),
    ("Release", "string", ".status.release", "Release that the platform runs.", 0),
    (
        "Ready",
        "string",
        '.status.conditions[?(@.type=="Ready")].status',
        "Whether the platform is ready.",
        0,
    ),
    ("Roles", "string", ".status.rolesReady", "Ready roles out of the desired ones.", 0),
    ("Revision", "integer", ".status.revision", "Number of the desired revision.", 0),
    (
        "Reason",
        "string",
        '.status.conditions[?(@.type=="Ready")].reason',
        "Reason of the condition Ready.",
        0,
    ),
    (
        "Cut-Over",
        "string",
        '.status.conditions[?(@.type=="CutOver")].reason',
        "CutOverPending while the users of an imported platform are on the old machines.",
        0,
    ),
    ("Age", "date", ".metadata.creationTimestamp", "Age of the resource.", 0),
    (
        "Message",
        "string",
        '.status.conditions[?(@.type=="Ready")].message',
        "Message of the condition Ready.",
        1,
    ),
)


def definition() -> dict[str, Any]:
    """The CustomResourceDefinition."""
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
    spec = structural(PryvPlatformSpec)
    spec["properties"]["variables"] |= variables_schema()
    return {
        "description": "A Pryv.io platform: its variables, secrets and roles.",
        "type": "object",
        "required": ["spec"],
        "properties": {
            "apiVersion": {
                "type": "string",
                "description": "Version of the schema of this object, pryv.io/v1alpha1.",
            },
            "kind": {"type": "string", "description": "PryvPlatform."},
            "metadata": {"type": "object"},
            "spec": spec,
            "status": structural(PryvPlatformStatus),
        },
        **_ROOT_RULES,
    }


def structural(model: type[Model]) -> Schema:
    """A model's schema in structural form: without references, alternatives and defaults.

    Source: https://kubernetes.io/docs/tasks/extend-kubernetes/custom-resources/
    custom-resource-definitions/#specifying-a-structural-schema
    """
    schema = model.model_json_schema(mode="validation")
    return _structural(schema, schema.get("$defs", {}))


def _structural(node: Schema, definitions: dict[str, Schema]) -> Schema:
    node = _dereferenced(node, definitions)
    if node.get("x-kubernetes-int-or-string"):
        return {key: node[key] for key in _INT_OR_STRING_KEYWORDS if key in node}
    if "anyOf" in node:  # an optional field: its type, or null
        (only,) = (branch for branch in node["anyOf"] if branch.get("type") != "null")
        rest = {key: value for key, value in node.items() if key not in ("anyOf", "default")}
        return _structural(only | rest, definitions)
    result: Schema = {key: node[key] for key in _KEYWORDS if key in node}
    result |= {key: value for key, value in node.items() if key.startswith("x-kubernetes-")}
    if RULES in node:  # one of them is the pattern, with a message of our own
        result.pop("pattern", None)
    if "const" in node:
        result |= {"enum": [node["const"]]}
    if "properties" in node:
        required = node.get("required", ())
        children = {
            name: _structural(child, definitions) for name, child in node["properties"].items()
        }
        result["properties"] = {
            name: child if name in required else _nullable(child)
            for name, child in children.items()
        }
    if isinstance(node.get("additionalProperties"), dict):
        entry = _structural(node["additionalProperties"], definitions)
        result["additionalProperties"] = entry if RULES in entry else _nullable(entry)
    if "items" in node:
        result["items"] = _structural(node["items"], definitions)
    return result


def _dereferenced(node: Schema, definitions: dict[str, Schema]) -> Schema:
    if "$ref" not in node:
        return node
    rest = {key: value for key, value in node.items() if key != "$ref"}
    return definitions[node["$ref"].rsplit("/", 1)[1]] | rest


def _nullable(schema: Schema) -> Schema:
    """The schema; an object or list may also be null.

    Server-side apply stores null where it removed the last entry of a map or list. Without this
    the API server would reject ``roles: {}`` after ``roles: {static: {address: …}}``.
    """
    return schema | {"nullable": True} if schema.get("type") in ("object", "array") else schema
