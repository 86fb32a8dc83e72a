"""Secret values that several roles share, such as the system keys: one role with the old value cannot talk to one with the new."""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Iterable, Mapping
from typing import Final

from pryv_operator.api import labels_annotations as keys
from pryv_operator.api.kubernetes import Object
from pryv_operator.objects.model import Component

#: Shorter values are found in texts by chance.
_SHORTEST: Final = 8


def shared_secrets(
    components: Iterable[Component], secrets: Mapping[str, str], hash_key: bytes
) -> dict[str, dict[str, str]]:
    """Workload → the secrets that it shares with another role → keyed hash of their value, which says which key.

    Who uses a secret is read off the rendered files, so it holds for any templates.
    """
    key_id = hashlib.sha256(hash_key).hexdigest()[:6]
    listed = list(components)
    found: dict[str, dict[str, str]] = {}
    for variable, text in sorted(secrets.items()):
        if len(text) < _SHORTEST:
            continue
        users = [component for component in listed if _uses(component, text)]
        if len({component.instance.role for component in users}) < 2:
            continue
        digest = f"{key_id}:{hmac.new(hash_key, f'{variable}={text}'.encode(), hashlib.sha256).hexdigest()[:12]}"
        for component in users:
            found.setdefault(component.name, {})[variable] = digest
    return found


def annotated(workload: Object, shared: Mapping[str, str] | None) -> Object:
    """A workload that tells which of these it was made with."""
    if not shared:
        return workload
    metadata = workload["metadata"]
    annotations = {
        **metadata.get("annotations", {}),
        keys.SHARED_SECRETS: json.dumps(shared, sort_keys=True, separators=(",", ":")),
    }
    return {**workload, "metadata": {**metadata, "annotations": annotations}}


def _uses(component: Component, text: str) -> bool:
    spellings = {text, json.dumps(text)[1:-1], json.dumps(text, ensure_ascii=False)[1:-1]}
    return any(
        spelling in file.text for file in component.files if file.secret for spelling in spellings
    )
