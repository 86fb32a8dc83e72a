"""What specs may use beyond their namespace if the operator is started with ``--allow``.

``desired/privileges.py`` finds the uses.
"""

from __future__ import annotations

from enum import StrEnum


class Privilege(StrEnum):
    """Something that reaches beyond a platform's namespace: a value of ``--allow``."""

    CLUSTER_ISSUERS = "clusterIssuers"
    CONTROL_PLANE_TOLERATIONS = "controlPlaneTolerations"
    CROSS_NAMESPACE_AFFINITY = "crossNamespaceAffinity"
    EXTERNAL_IPS = "externalIPs"
    SECURITY_ANNOTATIONS = "securityAnnotations"
    SYSTEM_PRIORITY_CLASSES = "systemPriorityClasses"
