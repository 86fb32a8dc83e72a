"""Secrets that several roles share, such as the system keys.

A role with the old value cannot talk to one with the new, so a rollout changes all their users in
one step. For that every workload is annotated with digests of the shared secrets it uses.
"""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Iterable, Mapping

from pryv_operator.api import labels_annotations as keys
from pryv_operator.api.kubernetes import Object
from pryv_operator.objects.model import Component


def shared_secret_digests(
    components: Iterable[Component],
    secrets: Mapping[str, str],
    masks: Mapping[str, str],
    hash_key: bytes,
) -> dict[str, dict[str, str]]:
    """Workload → variable of each secret it shares with another role → digest of the value.

    A digest is a keyed hash after an identifier of its key: digests of different keys cannot be
    compared. Users of a secret are found by its mask in their files, so this holds for any
    templates, and a file with a guess in it does not count as a user.
    """
    listed = [(each, _masks_of(each)) for each in components]
    digests: dict[str, dict[str, str]] = {}
    for variable, text in sorted(secrets.items()):
        users = [component for component, found in listed if masks.get(variable) in found]
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


def _masks_of(component: Component) -> frozenset[str]:
    return frozenset(mask for file in component.files for mask in file.masks)
