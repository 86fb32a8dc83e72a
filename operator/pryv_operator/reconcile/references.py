"""What a platform refers to, and which platforms refer to an object: so that a change reconciles exactly those."""

from __future__ import annotations

from pryv_operator.api.platform import Platform
from pryv_operator.desired import certificates
from pryv_operator.kube.work_queue import Key
from pryv_operator.templates.user_templates import referenced_objects

#: Kind and name of an object in the platform's namespace.
Reference = tuple[str, str]


def references_of(platform: Platform) -> frozenset[Reference]:
    """All Secrets and ConfigMaps of others whose content goes into a platform."""
    found = {
        ("Secret", source.secret_key_ref.name)
        for source in platform.spec.secrets.values()
        if source.secret_key_ref
    }
    certificate = certificates.secret_name(platform)
    if certificate:
        found.add(("Secret", certificate))
    found |= {("Secret", name) for name in certificates.role_secret_names(platform).values()}
    templates = platform.spec.templates
    if templates:
        found.update(referenced_objects(templates))
    return frozenset(found)


class References:
    """The index, both ways."""

    def __init__(self) -> None:
        """Empty."""
        self._references: dict[Key, frozenset[Reference]] = {}

    def set(self, key: Key, references: frozenset[Reference]) -> None:
        """What a platform refers to now. To be called before the objects are read, so that no change falls between."""
        self._references[key] = references

    def forget(self, key: Key) -> None:
        """The platform is gone."""
        self._references.pop(key, None)

    def platforms(self, namespace: str, kind: str, name: str) -> list[Key]:
        """Platforms that refer to an object."""
        return [
            key
            for key, found in self._references.items()
            if key.namespace == namespace and (kind, name) in found
        ]
