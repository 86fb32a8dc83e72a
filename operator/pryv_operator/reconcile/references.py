"""The objects of others that a platform refers to."""

from __future__ import annotations

from pryv_operator.api.platform import Platform
from pryv_operator.desired import certificates
from pryv_operator.reconcile.reference_index import Reference
from pryv_operator.templates.user_templates import referenced_objects


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
