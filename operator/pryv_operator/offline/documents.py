"""A platform and what it refers to, read from YAML files as ``kubectl apply`` reads them."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import yaml
from pydantic import ValidationError

from pryv_operator.api import labels_annotations as keys
from pryv_operator.api.findings import Advisory, Problem
from pryv_operator.api.kubernetes import Object
from pryv_operator.api.platform import Platform
from pryv_operator.api.reasons import Reason
from pryv_operator.api.spec import PryvPlatformSpec
from pryv_operator.templates.builtin import load_release
from pryv_operator.templates.bundle import Bundle
from pryv_operator.templates.user_templates import Contents, read_user_templates

DEFAULT_NAMESPACE: Final = "default"


class DocumentError(Exception):
    """Files that hold no platform, or a malformed one. The message names file, line and field, never a value."""

    def __init__(self, message: str, file: str = "", line: int | None = None) -> None:
        place = ", ".join([file] * bool(file) + [f"line {line}"] * bool(line))
        super().__init__(f"{place}: {message}" if place else message)


@dataclass(frozen=True)
class Documents:
    """One platform, and the Secrets and ConfigMaps that stand beside it."""

    platform: Platform
    contents: Contents = field(repr=False)
    warnings: tuple[Advisory, ...] = ()

    def content(self, kind: str, name: str, key: str) -> bytes | None:
        """The content of a key of a Secret or ConfigMap."""
        return self.contents.get((kind, name), {}).get(key)


def read_documents(files: Iterable[tuple[str, str]]) -> Documents:
    """The platform among YAML documents: (name of the file, its text), each with one document or several.

    Raises:
        DocumentError: no valid YAML, no platform or several, a field that is not as it should be.
    """
    objects = [(name, item) for name, text in files for item in _objects(name, text)]
    platforms = [
        (name, item)
        for name, item in objects
        if item.get("kind") == keys.KIND and item.get("apiVersion") == keys.API_VERSION
    ]
    if len(platforms) != 1:
        found = "no" if not platforms else str(len(platforms))
        raise DocumentError(
            f"there must be one {keys.KIND} ({keys.API_VERSION}) among the files; there is {found}"
        )
    ((file, item),) = platforms
    platform, warnings = _platform(file, item)
    contents: dict[tuple[str, str], Mapping[str, bytes]] = {}
    for name, each in objects:
        if each.get("kind") in ("Secret", "ConfigMap") and each.get("apiVersion") == "v1":
            contents[(each["kind"], _name(name, each))] = _content(name, each)
    return Documents(platform, contents, warnings)


def bundle_of(documents: Documents) -> Bundle:
    """The templates of the platform: a built-in release, or its own from a ConfigMap or Secret among the documents.

    Raises:
        DocumentError: they are not there, or cannot be used.
    """
    spec = documents.platform.spec
    if spec.templates is None:
        return load_release(spec.release)
    found = read_user_templates(
        spec.templates, documents.contents, if_missing="pass its file with -f, too"
    )
    if isinstance(found, Problem):
        raise DocumentError(found.message)
    return found


# --- objects ---


def _platform(file: str, item: Object) -> tuple[Platform, tuple[Advisory, ...]]:
    written = item.get("spec")
    if not isinstance(written, dict):
        raise DocumentError("the platform has no spec", file)
    try:
        spec = PryvPlatformSpec.model_validate(written)
    except ValidationError as error:
        found = error.errors(include_input=False, include_url=False, include_context=False)
        listed = "; ".join(
            f"spec.{'.'.join(str(step) for step in each['loc'])}: {each['msg']}"
            for each in found[:10]
        )
        raise DocumentError(listed, file) from None
    unknown = sorted(_unknown(written, spec.model_dump(by_alias=True, exclude_unset=True), "spec"))
    warnings = tuple(
        Advisory(Reason.UNKNOWN_FIELD, f"{path} is no field of a platform: it is passed over")
        for path in unknown
    )
    namespace = item["metadata"].get("namespace") or DEFAULT_NAMESPACE
    return Platform(_name(file, item), str(namespace), "", spec), warnings


def _unknown(written: Any, understood: Any, path: str) -> Iterator[str]:
    if isinstance(written, dict) and isinstance(understood, dict):
        for key, value in written.items():
            if value is not None:
                yield from (
                    _unknown(value, understood[key], f"{path}.{key}")
                    if key in understood
                    else [f"{path}.{key}"]
                )
    elif isinstance(written, list) and isinstance(understood, list):
        for index, (left, right) in enumerate(zip(written, understood, strict=False)):
            yield from _unknown(left, right, f"{path}[{index}]")


def _name(file: str, item: Object) -> str:
    metadata = item.get("metadata")
    name = metadata.get("name") if isinstance(metadata, dict) else None
    if not isinstance(name, str) or not name:
        raise DocumentError(f"an object of kind {item.get('kind')} has no metadata.name", file)
    return name


def _content(file: str, item: Object) -> dict[str, bytes]:
    """Key → bytes, of a Secret (``data`` is base64, ``stringData`` wins) or a ConfigMap (``binaryData`` is base64)."""
    secret = item["kind"] == "Secret"
    encoded, plain = (
        (item.get("data"), item.get("stringData"))
        if secret
        else (item.get("binaryData"), item.get("data"))
    )
    what = f"{item['kind']} {item['metadata']['name']}"
    try:
        found = {
            str(key): base64.b64decode("".join(str(value).split()), validate=True)
            for key, value in (encoded or {}).items()
        }
    except (binascii.Error, ValueError, AttributeError):
        raise DocumentError(f"{what} holds something that is no base64", file) from None
    if not isinstance(plain or {}, dict) or not all(
        isinstance(value, str) for value in (plain or {}).values()
    ):
        raise DocumentError(
            f"{what}: every value must be a text (in quotes where it looks like a number)", file
        )
    return found | {
        str(key): value.encode("utf-8", "surrogatepass") for key, value in (plain or {}).items()
    }


# --- YAML, as the tools of Kubernetes read it ---


def _objects(file: str, text: str) -> Iterator[Object]:
    try:
        documents = list(yaml.load_all(text, Loader=_Loader))
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        problem = re.split(r"['\"]", error.problem or error.context or "it is malformed")[0].strip()
        failure = DocumentError(f"no valid YAML: {problem}", file, mark.line + 1 if mark else None)
    except (yaml.YAMLError, UnicodeEncodeError, RecursionError, ValueError):
        failure = DocumentError("no valid YAML", file)
    else:
        yield from (
            item for document in documents if document is not None for item in _flat(file, document)
        )
        return
    raise failure


def _flat(file: str, document: Any) -> Iterator[Object]:
    if not isinstance(document, dict):
        raise DocumentError("a document is no Kubernetes object", file)
    if document.get("kind") == "List" and isinstance(document.get("items"), list):
        for item in document["items"]:
            yield from _flat(file, item)
    else:
        yield document


class _Loader(yaml.CSafeLoader):
    """YAML 1.1 without dates and without numbers to the base of sixty; integers and floats as Go reads them."""

    yaml_implicit_resolvers: Any = {}  # noqa: RUF012 - the base class has no annotation


_BOOLEANS: Final = {"y": True, "n": False, **yaml.SafeLoader.bool_values}


def _construct_boolean(loader: _Loader, node: yaml.ScalarNode) -> bool:
    return bool(_BOOLEANS[str(loader.construct_scalar(node)).lower()])


def _construct_integer(loader: _Loader, node: yaml.ScalarNode) -> int | float:
    text = str(loader.construct_scalar(node)).replace("_", "")
    sign = -1 if text.startswith("-") else 1
    digits = text.lstrip("+-")
    octal = re.fullmatch(r"0[0-7]+", digits)
    return sign * (int(digits, 8) if octal else int(digits, 0))


def _construct_float(loader: _Loader, node: yaml.ScalarNode) -> float:
    return float(
        str(loader.construct_scalar(node))
        .replace("_", "")
        .lower()
        .replace(".inf", "inf")
        .replace(".nan", "nan")
    )


_TAG: Final = "tag:yaml.org,2002:"
for _kind, _pattern, _first in (
    (
        "bool",
        r"(?:[yY]|yes|Yes|YES|[nN]|no|No|NO|true|True|TRUE|false|False|FALSE|on|On|ON|off|Off|OFF)",
        "yYnNtTfFoO",
    ),
    ("null", r"(?:~|null|Null|NULL|)", ["~", "n", "N", ""]),
    ("int", r"[-+]?(?:0b[01_]+|0o?[0-7_]+|0x[0-9a-fA-F_]+|0|[1-9][0-9_]*)", "-+0123456789"),
    (
        "float",
        r"(?:[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?|[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN))",
        "-+0123456789.",
    ),
    ("merge", r"<<", "<"),
):
    _Loader.add_implicit_resolver(_TAG + _kind, re.compile(f"^{_pattern}$", re.ASCII), list(_first))
_Loader.add_constructor(_TAG + "int", _construct_integer)
_Loader.add_constructor(_TAG + "float", _construct_float)
_Loader.add_constructor(_TAG + "bool", _construct_boolean)
