"""What a revision was made from besides the spec: keys of Secrets, and templates. Pure.

The annotation ``pryv.io/inputs`` of a revision maps each input to a keyed hash of its name and its
content, so that equal contents of two inputs do not show. Earlier versions hashed the content
alone. Both forms, and the encoding of an input, are part of the format: an operator that is
upgraded reads revisions of the one before.
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
#: How hashes of the name and the content begin.
_NAMED: Final = "named:"
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


def contents(inputs: Inputs) -> dict[RevisionInput, bytes]:
    """Each input of a desired state besides the spec → its content."""
    found: dict[RevisionInput, bytes] = {
        secret_input(inputs.platform, variable): text.encode()
        for variable, text in inputs.secrets.items()
    }
    if inputs.platform.spec.templates:
        files = [[*where, text.hex()] for where, text in sorted(_own_files(inputs).items())]
        found[TemplatesInput()] = json.dumps(files).encode()
    return found


def fingerprints(inputs: Inputs) -> dict[RevisionInput, str]:
    """Each input of a desired state besides the spec → keyed hash, as a revision records it."""
    return {
        each: fingerprint(inputs.hash_key, each, content)
        for each, content in contents(inputs).items()
    }


def fingerprint(
    key: bytes, revision_input: RevisionInput, content: bytes, like: str = _NAMED
) -> str:
    """The keyed hash of an input with this content, in the form of the recorded hash ``like``."""
    return (
        named_hash(key, encode(revision_input), content)
        if like.startswith(_NAMED)
        else keyed_hash(key, content)
    )


def are_comparable(one: str, other: str) -> bool:
    """Whether two recorded hashes have the same form: only then does a difference mean a change."""
    return one.startswith(_NAMED) == other.startswith(_NAMED)


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


def named_hash(key: bytes, name: str, content: bytes) -> str:
    """A keyed hash of content and of what holds it, so that equal contents elsewhere do not show.

    ``name`` has no null character.
    """
    return _NAMED + keyed_hash(key, name.encode() + b"\0" + content)


def encode_all(hashes: Mapping[RevisionInput, str]) -> dict[str, str]:
    """The annotation's mapping: encoded input → keyed hash."""
    return {encode(each): digest for each, digest in hashes.items()}


def decode_all(annotation: Mapping[str, str]) -> dict[RevisionInput, str]:
    """Input → keyed hash, from the annotation's mapping."""
    return {decode(text): digest for text, digest in annotation.items()}
