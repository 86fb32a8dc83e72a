"""Generated secrets and the key for content hashes: created once, by creation only. Random."""

from __future__ import annotations

import secrets as randomness
import string
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from pryv_operator.api import labels_annotations as keys
from pryv_operator.api import names
from pryv_operator.api.findings import Announcement, Problem
from pryv_operator.api.kubernetes import Object
from pryv_operator.api.platform import Platform
from pryv_operator.api.reasons import Reason
from pryv_operator.live.live_objects import LiveObjects
from pryv_operator.reconcile.create_once import PLACEHOLDER, SecretContent, UnusableSecretError
from pryv_operator.reconcile.secret_data import decoded_text
from pryv_operator.reconcile.snapshot import Snapshot
from pryv_operator.rollout import revisions
from pryv_operator.rollout.revision_inputs import GENERATED_KEY, SecretInput
from pryv_operator.values.platform_values import generated_names

_ALPHABET: Final = string.ascii_lowercase + string.digits
_LENGTH: Final = 32
_HASH_KEY_BYTES: Final = 32


@dataclass(frozen=True)
class EnsuredSecrets:
    """The generated values, by variable, and the key of content hashes."""

    values: Mapping[str, str] = field(repr=False)
    hash_key: bytes = field(repr=False)


def required_secrets(snapshot: Snapshot) -> tuple[SecretContent, ...]:
    """The generated values and the hash key that a platform needs, each with a new value."""
    variables = generated_names(snapshot.platform, snapshot.bundle)
    values = (_generated_value(snapshot, variable) for variable in variables)
    return (*values, _hash_key(snapshot))


def read_secrets(snapshot: Snapshot, live: LiveObjects) -> EnsuredSecrets:
    """The values of these Secrets. ``live``: the platform's objects, with what was created.

    Raises:
        UnusableSecretError: one holds no value.
    """
    platform = snapshot.platform
    values = {
        variable: _value_of(live, _secret_name(platform, variable))
        for variable in generated_names(platform, snapshot.bundle)
    }
    return EnsuredSecrets(values, _value_of(live, names.hash_key_secret(platform.name)).encode())


def obsolete_rotations(snapshot: Snapshot) -> tuple[Object, ...]:
    """Generated Secrets of earlier rotations, to be deleted once nothing runs with them. Pure."""
    platform = snapshot.platform
    current = {
        variable: _secret_name(platform, variable)
        for variable in generated_names(platform, snapshot.bundle)
    }
    return tuple(
        item
        for item in snapshot.secrets_for("generated")
        if (variable := (item["metadata"].get("annotations") or {}).get(keys.VARIABLE)) in current
        and item["metadata"]["name"] != current[variable]
    )


def _secret_name(platform: Platform, variable: str) -> str:
    """Name of the Secret with a variable's value; it changes with ``generate.rotation``."""
    source = platform.spec.secrets.get(variable)
    rotation = (source.generate.rotation or 0) if source and source.generate else 0
    return names.generated_secret(platform.name, variable, rotation)


def _generated_value(snapshot: Snapshot, variable: str) -> SecretContent:
    platform = snapshot.platform
    name = _secret_name(platform, variable)
    in_use = SecretInput(name, GENERATED_KEY) in revisions.inputs_in_use(snapshot.history)
    value = "".join(randomness.choice(_ALPHABET) for _ in range(_LENGTH))
    if in_use:
        text = (
            f'Secret "{name}": deleted while in use; '
            f"generated a new value of {variable}, which is rolled out to its users"
        )
        announcement = Announcement(Reason.SECRET_RECREATED, text)
    else:
        text = f'Secret "{name}": generated a value of {variable}'
        announcement = Announcement(Reason.SECRET_GENERATED, text)
    return SecretContent(
        name,
        "generated",
        {GENERATED_KEY: PLACEHOLDER if platform.paused else value},
        {keys.VARIABLE: variable} | ({keys.RECREATED: "true"} if in_use else {}),
        announcement=announcement,
    )


def _hash_key(snapshot: Snapshot) -> SecretContent:
    platform = snapshot.platform
    name = names.hash_key_secret(platform.name)
    in_use = bool(revisions.inputs_in_use(snapshot.history))
    value = PLACEHOLDER if platform.paused else randomness.token_hex(_HASH_KEY_BYTES)
    text = f'Secret "{name}": deleted while in use; a new key was generated, no pod restarts'
    return SecretContent(
        name,
        "hash-key",
        {GENERATED_KEY: value},
        {keys.RECREATED: "true"} if in_use else None,
        announcement=Announcement(Reason.SECRET_RECREATED, text) if in_use else None,
    )


def _value_of(live: LiveObjects, name: str) -> str:
    """The value in a Secret; an empty one is never used as a key.

    Raises:
        UnusableSecretError: there is no value.
    """
    secret = live.get("Secret", name)
    value = decoded_text(secret, GENERATED_KEY) if secret else None
    if value:
        return value
    text = (
        f'Secret "{name}": key "{GENERATED_KEY}" holds no text; '
        "restore the value, or delete the Secret to generate a new one"
    )
    raise UnusableSecretError(Problem(Reason.INVALID_SECRET, text))
