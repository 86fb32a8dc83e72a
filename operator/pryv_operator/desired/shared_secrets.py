"""Secrets that several roles share, such as the system keys.

A role with the old value cannot talk to one with the new, so a rollout changes all their users in
one step. For that every workload is annotated with digests of the shared secrets it uses.
"""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Iterable, Mapping
from typing import Final

from pryv_operator.api import labels_annotations as keys
from pryv_operator.api.kubernetes import Object
from pryv_operator.objects.model import Component

#: Shorter values (characters) occur in files by chance.
_MIN_LENGTH: Final = 8


def shared_secret_digests(
    components: Iterable[Component], secrets: Mapping[str, str], hash_key: bytes
) -> dict[str, dict[str, str]]:
    """Workload → variable of each secret it shares with another role → digest of the value.

    A digest is a keyed hash after an identifier of its key: digests of different keys cannot be
    compared. Users of a secret are found in the rendered files, so this holds for any templates.
    """
    listed = list(components)
    digests: dict[str, dict[str, str]] = {}
    for variable, text in sorted(secrets.items()):
        if len(text) < _MIN_LENGTH:
            continue
        users = [component for component in listed if _uses(component, text)]
        if len({component.instance.role for component in users}) > 1:
            digest = _digest(variable, text, hash_key)
            for component in users:
                digests.setdefault(component.name, {})[variable] = digest
    return digests


def with_digests(workload: Object, digests: Mapping[str, str] | None) -> Object:
    """A workload annotated with the digests of its shared secrets, if it has any."""
    if not digests:
        return workload
    metadata = workload["metadata"]
    annotations = {
        **metadata.get("annotations", {}),
        keys.SHARED_SECRETS: json.dumps(digests, sort_keys=True, separators=(",", ":")),
    }
    return {**workload, "metadata": {**metadata, "annotations": annotations}}


def _digest(variable: str, text: str, hash_key: bytes) -> str:
    key_id = hashlib.sha256(hash_key).hexdigest()[:6]
    keyed = hmac.new(hash_key, f"{variable}={text}".encode(), hashlib.sha256)
    return f"{key_id}:{keyed.hexdigest()[:12]}"


def _uses(component: Component, text: str) -> bool:
    """Whether a secret is in one of the files, as it is or escaped as in JSON."""
    spellings = {text, json.dumps(text)[1:-1], json.dumps(text, ensure_ascii=False)[1:-1]}
    return any(
        spelling in file.text for file in component.files if file.secret for spelling in spellings
    )
