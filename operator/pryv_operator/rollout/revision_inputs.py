"""What a revision was made from besides the spec: keys of Secrets, and templates. Pure.

The annotation ``pryv.io/inputs`` of a revision maps each input to a keyed hash of its content. The
encoding of an input is part of the format: an operator that is upgraded reads revisions of the one
before.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, TypeAlias

from pryv_operator.api import names
from pryv_operator.api.platform import Platform
from pryv_operator.desired.inputs import Inputs
from pryv_operator.templates.user_templates import uses_builtin_release

#: The key under which the operator keeps a value that it has generated.
GENERATED_KEY: Final = "value"
_TEMPLATES: Final = "templates"
#: Names and keys of Kubernetes objects hold neither a blank nor a comma.
_SECRET: Final = re.compile(r"Secret (?P<secret>[^\s,]+), key (?P<key>[^\s,]+)")


@dataclass(frozen=True)
class SecretInput:
    """One key of a Secret, of the user or generated."""

    secret: str
    key: str

    def __str__(self) -> str:
        """As messages name it."""
        return f'Secret "{self.secret}", key "{self.key}"'


@dataclass(frozen=True)
class TemplatesInput:
    """The platform's own templates (``spec.templates``), all of them together."""

    def __str__(self) -> str:
        """As messages name it."""
        return "spec.templates"


@dataclass(frozen=True)
class UnknownInput:
    """An input that another version of the operator has recorded."""

    text: str

    def __str__(self) -> str:
        """As messages name it."""
        return self.text


RevisionInput: TypeAlias = SecretInput | TemplatesInput | UnknownInput


def encode(revision_input: RevisionInput) -> str:
    """An input as the annotation holds it."""
    match revision_input:
        case SecretInput(secret, key):
            return f"Secret {secret}, key {key}"
        case TemplatesInput():
            return _TEMPLATES
        case UnknownInput(text):
            return text


def decode(text: str) -> RevisionInput:
    """The input that the annotation holds as ``text``."""
    if text == _TEMPLATES:
        return TemplatesInput()
    match = _SECRET.fullmatch(text)
    return SecretInput(match["secret"], match["key"]) if match else UnknownInput(text)


def fingerprints(inputs: Inputs) -> dict[RevisionInput, str]:
    """Each input of a desired state besides the spec → keyed hash of its content."""
    found: dict[RevisionInput, str] = {
        secret_input(inputs.platform, variable): keyed_hash(inputs.hash_key, text.encode())
        for variable, text in inputs.secrets.items()
    }
    if inputs.platform.spec.templates:
        content = [[*where, text.hex()] for where, text in sorted(_own_files(inputs).items())]
        found[TemplatesInput()] = keyed_hash(inputs.hash_key, json.dumps(content).encode())
    return found


def _own_files(inputs: Inputs) -> dict[tuple[str, str], bytes]:
    """The user's templates by role and path; those of a built-in release are the operator's."""
    if uses_builtin_release(inputs.platform.spec):
        return {(each.role, each.path): each.replacement for each in inputs.bundle.replaced}
    return {
        (role, path): text
        for role, files in inputs.bundle.roles.items()
        for path, text in files.items()
    }


def secret_input(platform: Platform, variable: str) -> SecretInput:
    """The Secret and key that hold the value of a secret variable."""
    source = platform.spec.secrets.get(variable)
    if source and source.secret_key_ref:
        return SecretInput(source.secret_key_ref.name, source.secret_key_ref.key)
    rotation = (source.generate.rotation or 0) if source and source.generate else 0
    return SecretInput(names.generated_secret(platform.name, variable, rotation), GENERATED_KEY)


def keyed_hash(key: bytes, content: bytes) -> str:
    """A hash (HMAC) of content that only holders of the key can verify guesses with."""
    return hmac.new(key, content, hashlib.sha256).hexdigest()[:16]


def encode_all(hashes: Mapping[RevisionInput, str]) -> dict[str, str]:
    """The annotation's mapping: encoded input → keyed hash."""
    return {encode(each): digest for each, digest in hashes.items()}


def decode_all(annotation: Mapping[str, str]) -> dict[RevisionInput, str]:
    """Input → keyed hash, from the annotation's mapping."""
    return {decode(text): digest for text, digest in annotation.items()}
