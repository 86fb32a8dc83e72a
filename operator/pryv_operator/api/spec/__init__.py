"""What users write: the spec of a PryvPlatform, a module for each of its parts.

The CRD is generated from these models (``make generate``). Validation happens twice on purpose:
the API server enforces the schema and the CEL rules of the CRD; the models validate stored objects
again, because an object may be older than the CRD.
"""

from pryv_operator.api.spec.base import Model
from pryv_operator.api.spec.component_overrides import (
    ComponentOverrides,
    Components,
    EnvVar,
    Resources,
    Storage,
)
from pryv_operator.api.spec.external_services import ExternalSlave, ServiceOverrides
from pryv_operator.api.spec.pryv_platform import PryvPlatformSpec, PullSecret, Release
from pryv_operator.api.spec.roles import CoreInstance, CoreRole, RegMasterRole, Role, Roles
from pryv_operator.api.spec.rollout import DEFAULT_DEADLINE_SECONDS, DEFAULT_HISTORY_LIMIT, Rollout
from pryv_operator.api.spec.secrets import Generate, SecretKeyRef, SecretSource, SecretValueRef
from pryv_operator.api.spec.templates import (
    Archive,
    ConfigMapKeyRef,
    ConfigMapRef,
    TemplateFiles,
    TemplateItem,
    Templates,
)
from pryv_operator.api.spec.tls import IssuerRef, RoleTls, Tls

__all__ = [
    "DEFAULT_DEADLINE_SECONDS",
    "DEFAULT_HISTORY_LIMIT",
    "Archive",
    "ComponentOverrides",
    "Components",
    "ConfigMapKeyRef",
    "ConfigMapRef",
    "CoreInstance",
    "CoreRole",
    "EnvVar",
    "ExternalSlave",
    "Generate",
    "IssuerRef",
    "Model",
    "PryvPlatformSpec",
    "PullSecret",
    "RegMasterRole",
    "Release",
    "Resources",
    "Role",
    "RoleTls",
    "Roles",
    "Rollout",
    "SecretKeyRef",
    "SecretSource",
    "SecretValueRef",
    "ServiceOverrides",
    "Storage",
    "TemplateFiles",
    "TemplateItem",
    "Templates",
    "Tls",
]
