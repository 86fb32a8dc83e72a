"""Configuration-addressed ConfigMaps and Secrets: changed content is a changed name, and so a rollout; the same content is nothing at all."""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

import rfc8785

from pryv_operator.api import labels_annotations as keys
from pryv_operator.api import names
from pryv_operator.api.kubernetes import Object
from pryv_operator.api.platform import Platform
from pryv_operator.objects.model import File

#: What fits into one object: 1 MiB less room for keys and metadata.
MAX_OBJECT_BYTES: Final = 1_000_000
_DIGEST_CHARACTERS: Final = 10


@dataclass(frozen=True)
class SecretNaming:
    """How secrets get their names: by a keyed hash, unless one with equal content is there already.

    ``owned`` maps the names of content-addressed Secrets of the platform to their data (base64, as the API server has it),
    so that a lost key renames nothing.
    """

    hash_key: bytes
    owned: Mapping[str, Mapping[str, str]]


@dataclass(frozen=True)
class Configuration:
    """The objects that hold a component's files, and where each file is."""

    objects: tuple[Object, ...]
    #: path → (kind, object's name, key)
    places: Mapping[str, tuple[str, str, str]]


def configuration_objects(
    platform: Platform, role: str, component: str, files: Iterable[File], addressing: SecretNaming
) -> Configuration:
    """Objects for the files of a component: ConfigMaps for the plain ones, Secrets for those with a secret in them. No file may
    be larger than ``MAX_OBJECT_BYTES`` (``stored_bytes``).
    """
    objects: list[Object] = []
    places: dict[str, tuple[str, str, str]] = {}
    ordered = sorted(files, key=lambda file: file.path)
    for secret in (False, True):
        for chunk in _chunks([file for file in ordered if file.secret is secret]):
            data = {object_key(file.path): file.text for file in chunk}
            built = (
                _secret(platform, role, component, data, addressing)
                if secret
                else _config_map(platform, role, component, data)
            )
            objects.append(built)
            places |= {
                file.path: (built["kind"], built["metadata"]["name"], object_key(file.path))
                for file in chunk
            }
    return Configuration(tuple(objects), places)


def stored_bytes(file: File) -> int:
    """How many bytes a file takes in its object: a Secret's data is base64."""
    size = len(file.text.encode())
    return (size + 2) // 3 * 4 if file.secret else size


def object_key(path: str) -> str:
    """A path as a key of an object, which cannot hold a slash. Distinct paths get distinct keys."""
    plain = path.replace("/", "__")
    if re.fullmatch(r"[-._a-zA-Z0-9]{1,200}", plain) and not re.search("__|_/|/_", path):
        return plain
    return (
        re.sub(r"[^-._a-zA-Z0-9]", "_", plain)[-180:]
        + "-"
        + hashlib.sha256(path.encode()).hexdigest()[:8]
    )


def _chunks(files: list[File]) -> Iterable[list[File]]:
    chunk: list[File] = []
    room = MAX_OBJECT_BYTES
    for file in files:
        size = stored_bytes(file)
        if size > room:
            yield chunk
            chunk, room = [], MAX_OBJECT_BYTES
        chunk.append(file)
        room -= size
    if chunk:
        yield chunk


def _config_map(platform: Platform, role: str, component: str, data: dict[str, str]) -> Object:
    digest = hashlib.sha256(rfc8785.dumps(data)).hexdigest()[:_DIGEST_CHARACTERS]
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": platform.metadata(
            names.configuration(platform.name, role, component, digest), _labels(role, component)
        ),
        "immutable": True,
        "data": data,
    }


def _secret(
    platform: Platform, role: str, component: str, data: dict[str, str], addressing: SecretNaming
) -> Object:
    encoded = {name: base64.b64encode(text.encode()).decode() for name, text in data.items()}
    prefix = names.configuration(platform.name, role, component, "")
    equal = sorted(
        name
        for name, owned in addressing.owned.items()
        if name.startswith(prefix)
        and len(name) == len(prefix) + _DIGEST_CHARACTERS
        and owned == encoded
    )
    digest = hmac.new(addressing.hash_key, rfc8785.dumps(data), hashlib.sha256).hexdigest()[
        :_DIGEST_CHARACTERS
    ]
    name = prefix + digest
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "type": "Opaque",
        "metadata": platform.metadata(
            name if not equal or name in equal else equal[0], _labels(role, component)
        ),
        "immutable": True,
        "data": encoded,
    }


def _labels(role: str, component: str) -> dict[str, str]:
    return {keys.ROLE: role, keys.COMPONENT: names.slug(component), keys.PURPOSE: "config"}
