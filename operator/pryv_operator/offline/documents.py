"""A platform with the Secrets and ConfigMaps that it refers to, read from YAML files."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from pryv_operator.api import labels_annotations as keys
from pryv_operator.api.crd import structural
from pryv_operator.api.findings import Advisory, Problem
from pryv_operator.api.kubernetes import Object
from pryv_operator.api.platform import Platform, is_cut_over_pending
from pryv_operator.api.reasons import Reason
from pryv_operator.api.schema import RULES
from pryv_operator.api.spec import PryvPlatformSpec
from pryv_operator.offline.kubernetes_yaml import DocumentError, read_objects
from pryv_operator.offline.schema_errors import schema_errors
from pryv_operator.templates.builtin import load_release
from pryv_operator.templates.bundle import Bundle
from pryv_operator.templates.user_templates import (
    Contents,
    read_archive,
    read_files,
    uses_builtin_release,
)

__all__ = ["DEFAULT_NAMESPACE", "DocumentError", "Documents", "load_bundle", "read_documents"]

DEFAULT_NAMESPACE: Final = "default"
_IF_MISSING: Final = "pass its file with -f, too"
#: Types of pydantic's errors about what a schema says, too.
_OF_SCHEMA: Final = ("_type", "_parsing", "missing", "literal_error")


@dataclass(frozen=True)
class Documents:
    """One platform, and the Secrets and ConfigMaps in the same files."""

    platform: Platform
    contents: Contents = field(repr=False)
    warnings: tuple[Advisory, ...] = ()

    def content(self, kind: str, name: str, key: str) -> bytes | None:
        """The content of a key of a Secret or ConfigMap; None when it is not in the files."""
        return self.contents.get((kind, name), {}).get(key)


def read_documents(files: Iterable[tuple[str, str]]) -> Documents:
    """The platform and the objects it may refer to.

    Args:
        files: name and text of each file, which holds one or several YAML documents.

    Raises:
        DocumentError: invalid YAML, not exactly one platform, or an invalid field.
    """
    objects = [(file, item) for file, text in files for item in read_objects(file, text)]
    platforms = [
        (file, item)
        for file, item in objects
        if item.get("kind") == keys.KIND and item.get("apiVersion") == keys.API_VERSION
    ]
    if len(platforms) != 1:
        raise DocumentError(
            f"found {len(platforms)} objects of kind {keys.KIND} ({keys.API_VERSION}) in the "
            "files; pass exactly one"
        )
    file, item = platforms[0]
    platform, warnings = _platform(file, item)
    contents: dict[tuple[str, str], Mapping[str, bytes]] = {}
    for file, item in objects:
        if item.get("kind") in ("Secret", "ConfigMap") and item.get("apiVersion") == "v1":
            contents[(item["kind"], _name(file, item))] = _content(file, item)
    return Documents(platform, contents, warnings)


def load_bundle(documents: Documents) -> Bundle:
    """The platform's templates: of a built-in release, or of an object in the files.

    Raises:
        DocumentError: the object is not in the files, or its content cannot be used.
    """
    spec, contents = documents.platform.spec, documents.contents
    found: Bundle | Problem | None = None
    if uses_builtin_release(spec):
        found = load_release(spec.release)
    elif spec.templates and spec.templates.archive:
        found = read_archive(spec.templates.archive, contents, if_missing=_IF_MISSING)
    if spec.templates and spec.templates.files and not isinstance(found, Problem):
        found = read_files(spec.templates.files, found, contents, if_missing=_IF_MISSING)
    if isinstance(found, Problem):
        raise DocumentError(found.message)
    assert found is not None  # noqa: S101 - without archive and release there are files
    return found


def _platform(file: str, item: Object) -> tuple[Platform, tuple[Advisory, ...]]:
    """The platform in an object, and a warning for each unknown field."""
    raw = item.get("spec")
    if not isinstance(raw, dict):
        raise DocumentError(f"{keys.KIND}: spec is missing; add it", file)
    found = schema_errors(raw, structural(PryvPlatformSpec), "spec")
    spec, invalid = None, [*found.invalid]
    try:
        spec = PryvPlatformSpec.model_validate(raw)
    except ValidationError as error:
        invalid += _invalid_values(error)
    if spec is None or invalid:
        unknown = [f"strict decoding error: {each}" for each in found.unknown]
        where = f"{file}: " if file else ""
        raise DocumentError("\n".join(f"{where}{each}" for each in [*unknown, *invalid]))
    warnings = tuple(
        Advisory(
            Reason.UNKNOWN_FIELD,
            f"{each}: it is ignored here, but the API server rejects it; check its spelling",
        )
        for each in sorted(found.unknown)
    )
    namespace = item["metadata"].get("namespace") or DEFAULT_NAMESPACE
    annotations = item["metadata"].get("annotations") or {}
    pending = isinstance(annotations, dict) and is_cut_over_pending(annotations)
    name = _name(file, item)
    return Platform(name, str(namespace), "", spec, cut_over_pending=pending), warnings


def _invalid_values(error: ValidationError) -> list[str]:
    """The fields whose values break a rule; what the schema refuses is reported by it."""
    found = error.errors(include_input=False, include_url=False, include_context=False)
    return [
        f"{_path(each['loc'])}: {_explanation(each)}"
        for each in found
        if not each["type"].endswith(_OF_SCHEMA)
    ]


def _path(steps: Iterable[str | int]) -> str:
    """The path of a field of the spec, as the API server writes it."""
    return "spec" + "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in steps)


def _explanation(error: ErrorDetails) -> str:
    """What is wrong with a field: of a pattern, the message of the API server's rule."""
    node = structural(PryvPlatformSpec)
    for step in error["loc"]:
        fields = {"items": node.get("items"), **node.get("properties", {})}
        name = "items" if isinstance(step, int) else step
        node = fields.get(name) or node.get("additionalProperties") or {}
    rules = node.get(RULES) if error["type"] == "string_pattern_mismatch" else None
    return str(rules[0]["message"] if rules else error["msg"])


def _name(file: str, item: Object) -> str:
    metadata = item.get("metadata")
    name = metadata.get("name") if isinstance(metadata, dict) else None
    if not isinstance(name, str) or not name:
        raise DocumentError(f"{item.get('kind')}: metadata.name is missing; set it", file)
    return name


def _content(file: str, item: Object) -> dict[str, bytes]:
    """Key → bytes of a Secret or ConfigMap; on both, the field with plain texts wins."""
    encoded_field, plain_field = (
        ("data", "stringData") if item["kind"] == "Secret" else ("binaryData", "data")
    )
    where = f'{item["kind"]} "{item["metadata"]["name"]}"'
    try:
        encoded = {
            str(key): base64.b64decode("".join(str(value).split()), validate=True)
            for key, value in (item.get(encoded_field) or {}).items()
        }
    except (binascii.Error, ValueError, AttributeError):
        raise DocumentError(
            f"{where}: {encoded_field} is not a map of base64 texts; use {plain_field} for "
            "plain texts",
            file,
        ) from None
    plain = item.get(plain_field) or {}
    if not isinstance(plain, dict) or not all(isinstance(each, str) for each in plain.values()):
        raise DocumentError(
            f"{where}: {plain_field} is not a map of texts; put numbers and booleans in quotes",
            file,
        )
    return encoded | {
        str(key): value.encode("utf-8", "surrogatepass") for key, value in plain.items()
    }
