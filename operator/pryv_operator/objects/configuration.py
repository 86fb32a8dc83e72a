"""ConfigMaps and Secrets with a component's files, named by a hash of their content.

Changed content gets another name, so pod templates that refer to it change and pods roll out.
Equal content keeps its name, and nothing rolls out.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Final

from pryv_operator.api import labels_annotations as keys
from pryv_operator.api import names
from pryv_operator.api.kubernetes import Object
from pryv_operator.objects.canonical_json import canonical_map, canonical_text
from pryv_operator.objects.model import Component, File

#: The API server's limit of 1 MiB less room for keys and metadata.
MAX_OBJECT_BYTES: Final = 1_000_000
#: The limit of 1 MiB, as base64, less some room: what a Secret may reach where its secrets are
#: longer than the masks that files are distributed by.
MAX_SECRET_BYTES: Final = 1_390_000
#: ``rollout.revision_diff`` recognises names by this length.
_DIGEST_CHARACTERS: Final = 10


@dataclass(frozen=True)
class SecretNaming:
    """What the names of content-addressed Secrets depend on.

    A plain hash would let a reader verify guesses of the content, so it is keyed. The component
    goes into it, so that equal content of two components does not show. Live Secrets of a component
    with equal content are reused: neither the loss of the key nor an upgrade rolls anything out.
    """

    hash_key: bytes = field(repr=False)
    #: Content-addressed Secrets of the platform in the cluster: name → data (base64).
    live: Mapping[str, Mapping[str, str]] = field(default_factory=dict, repr=False)


@dataclass(frozen=True)
class KeyReference:
    """A key of a ConfigMap or Secret."""

    kind: str
    name: str
    key: str


@dataclass(frozen=True)
class Configuration:
    """The objects with a component's files, and where each file is."""

    objects: tuple[Object, ...] = field(default=(), repr=False)
    #: By path of the file.
    references: Mapping[str, KeyReference] = field(default_factory=dict)


def configuration_of(component: Component, naming: SecretNaming) -> Configuration:
    """ConfigMaps for the plain files of a component, Secrets for those that hold a secret.

    No file may be larger than ``MAX_OBJECT_BYTES``, see ``fits``.
    """
    objects: list[Object] = []
    references: dict[str, KeyReference] = {}
    ordered = _sorted(component.files)
    for secret in (False, True):
        for chunk in _chunks([file for file in ordered if file.secret is secret]):
            data = {object_key(file.path): file.text for file in chunk}
            item = _secret(component, data, naming) if secret else _config_map(component, data)
            objects.append(item)
            name = item["metadata"]["name"]
            references |= {
                file.path: KeyReference(item["kind"], name, object_key(file.path)) for file in chunk
            }
    return Configuration(tuple(objects), references)


def fits(component: Component) -> bool:
    """Whether the Secrets hold what the secrets in a component's files make of these."""
    secret = [file for file in component.files if file.secret]
    return all(
        sum(file.size for file in chunk) <= MAX_SECRET_BYTES for chunk in _chunks(_sorted(secret))
    )


@lru_cache(maxsize=2048)
def object_key(path: str) -> str:
    """The key for a file: keys cannot hold a slash. Different paths get different keys."""
    plain = path.replace("/", "__")
    if re.fullmatch(r"[-._a-zA-Z0-9]{1,200}", plain) and not re.search("__|_/|/_", path):
        return plain
    readable = re.sub(r"[^-._a-zA-Z0-9]", "_", plain)[-180:]
    return f"{readable}-{hashlib.sha256(path.encode()).hexdigest()[:8]}"


def _sorted(files: Iterable[File]) -> list[File]:
    return sorted(files, key=lambda file: file.path)


def _chunks(files: list[File]) -> Iterable[list[File]]:
    """The files in groups that each fit into one object.

    The sizes are those of masked texts: pods show the groups, and the length of a secret must not
    decide about them.
    """
    chunk: list[File] = []
    room = MAX_OBJECT_BYTES
    for file in files:
        size = file.visible_size
        if chunk and size > room:
            yield chunk
            chunk, room = [], MAX_OBJECT_BYTES
        chunk.append(file)
        room -= size
    if chunk:
        yield chunk


def _config_map(component: Component, data: dict[str, str]) -> Object:
    digest = hashlib.sha256(canonical_map(data).encode()).hexdigest()[:_DIGEST_CHARACTERS]
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": component.platform.metadata(_name(component, digest), _labels(component)),
        "immutable": True,
        "data": data,
    }


def _secret(component: Component, data: dict[str, str], naming: SecretNaming) -> Object:
    encoded = {name: base64.b64encode(text.encode()).decode() for name, text in data.items()}
    whose = map(canonical_text, (component.instance.role, component.service.name))
    hashed = f"[{','.join(whose)},{canonical_map(data)}]"
    digest = hmac.new(naming.hash_key, hashed.encode(), hashlib.sha256).hexdigest()
    name = _name(component, digest[:_DIGEST_CHARACTERS])
    equal = _live_secrets(component, encoded, naming)
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "type": "Opaque",
        "metadata": component.platform.metadata(
            name if not equal or name in equal else equal[0], _labels(component)
        ),
        "immutable": True,
        "data": encoded,
    }


def _live_secrets(
    component: Component, encoded: Mapping[str, str], naming: SecretNaming
) -> list[str]:
    """Names of the component's live Secrets with this data, sorted."""
    prefix = _name(component, "")
    length = len(prefix) + _DIGEST_CHARACTERS
    return sorted(
        name
        for name, data in naming.live.items()
        if name.startswith(prefix) and len(name) == length and data == encoded
    )


def _name(component: Component, digest: str) -> str:
    role, service = component.instance.role, component.service.name
    return names.configuration(component.platform.name, role, service, digest)


def _labels(component: Component) -> dict[str, str]:
    """Instances of a role share their configuration, so no label names an instance."""
    return {
        keys.ROLE: component.instance.role,
        keys.COMPONENT: names.slug(component.service.name),
        keys.PURPOSE: "config",
    }
