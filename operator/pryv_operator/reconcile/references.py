"""The objects that platforms refer to: a change of one reconciles exactly those that do."""

from __future__ import annotations

from pryv_operator.api.platform import Platform
from pryv_operator.desired import certificates
from pryv_operator.kube.work_queue import Key
from pryv_operator.templates.user_templates import referenced_objects

#: Kind and name of an object in the platform's namespace.
Reference = tuple[str, str]


def referenced_secrets(platform: Platform) -> frozenset[str]:
    """Names of the Secrets with values (``spec.secrets``) and certificates (``tls``)."""
    values = {
        source.secret_key_ref.name
        for source in platform.spec.secrets.values()
        if source.secret_key_ref
    }
    certificate = certificates.secret_name(platform)
    return frozenset(
        values
        | set(certificates.role_secret_names(platform).values())
        | ({certificate} if certificate else set())
    )


def references_of(platform: Platform) -> frozenset[Reference]:
    """All Secrets and ConfigMaps of others whose content goes into a platform."""
    templates = platform.spec.templates
    return frozenset(
        {("Secret", name) for name in referenced_secrets(platform)}
        | set(referenced_objects(templates) if templates else ())
    )


class References:
    """The index from objects to platforms."""

    def __init__(self) -> None:
        """Empty."""
        self._references: dict[Key, frozenset[Reference]] = {}

    def set(self, key: Key, references: frozenset[Reference]) -> None:
        """Set what a platform refers to.

        Call it before the objects are read, so that no change in between is missed.
        """
        self._references[key] = references

    def forget(self, key: Key) -> None:
        """Remove a deleted platform."""
        self._references.pop(key, None)

    def platforms(self, namespace: str, kind: str, name: str) -> list[Key]:
        """Platforms that refer to an object."""
        return [
            key
            for key, found in self._references.items()
            if key.namespace == namespace and (kind, name) in found
        ]
