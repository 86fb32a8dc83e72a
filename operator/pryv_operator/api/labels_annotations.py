"""Every label, annotation, finalizer-like key and fixed name the operator writes: one place to look them up."""

from __future__ import annotations

from typing import Final

GROUP: Final = "pryv.io"
VERSION: Final = "v1alpha1"
API_VERSION: Final = f"{GROUP}/{VERSION}"
KIND: Final = "PryvPlatform"
PLURAL: Final = "pryvplatforms"

#: Field manager of every server-side apply, and reporting controller of every event.
FIELD_MANAGER: Final = "pryv-operator"
#: Who sets owner references outside of an apply: such an entry must not look like that of a creation.
OWNERS_MANAGER: Final = f"{FIELD_MANAGER}-owners"

# Labels
MANAGED_BY: Final = "app.kubernetes.io/managed-by"
APP_NAME: Final = "app.kubernetes.io/name"
PLATFORM: Final = "pryv.io/platform"
ROLE: Final = "pryv.io/role"
INSTANCE: Final = "pryv.io/instance"
COMPONENT: Final = "pryv.io/component"
#: On pods that mount a shared claim: what their affinity looks for.
PVC: Final = "pryv.io/claim"
#: What an object is for: ``config``, ``generated``, ``hash-key``, ``authority``, ``certificate``,
#: ``history``.
PURPOSE: Final = "pryv.io/purpose"

# Annotations that a user writes on a platform
#: What to restart without a change: ``all``, a role, an instance, ``instance/component`` or a component; ``@`` and any text makes it new.
RESTART: Final = "pryv.io/restart"
#: Any new value asks for a pass now, and for another try of a rollout that has failed.
RECONCILE: Final = "pryv.io/reconcile"

# Annotations that the operator writes
#: Hash of what was last applied to this object (never of a Secret's data).
APPLIED: Final = "pryv.io/applied"
#: The variable a generated Secret holds the value of.
VARIABLE: Final = "pryv.io/variable"
#: On a generated Secret that had to be made again although it was in use: somebody has deleted it.
RECREATED: Final = "pryv.io/made-anew"
#: On a workload: digest of the pod template that was last applied.
TEMPLATE: Final = "pryv.io/template"
#: On a workload: secret variables that several roles share → keyed hash of the value it was applied with (JSON).
SHARED_SECRETS: Final = "pryv.io/shared-secrets"
#: On a pod template: the restart it was made for.
RESTARTED: Final = "pryv.io/restarted"

# Annotations of a revision in the history
#: Digest of the desired state it records.
DESIRED: Final = "pryv.io/desired"
#: Workload → its pod template's digest, image and shared secrets (JSON).
TEMPLATES: Final = "pryv.io/templates"
#: Names of the configuration its pod templates refer to (JSON).
REFERENCES: Final = "pryv.io/references"
#: What outside of the spec went into it → keyed hash (JSON).
INPUTS: Final = "pryv.io/inputs"
#: Names of the workloads that were not ready when it began (JSON).
UNREADY: Final = "pryv.io/unready"
#: Names of the workloads that migrate their data and were given another image with it, written before they were (JSON).
MIGRATED: Final = "pryv.io/migrated"
#: It was rolled out to the end.
COMPLETE: Final = "pryv.io/complete"
#: Its rollout has failed, and why.
FAILED: Final = "pryv.io/failed"
#: The platform's ``pryv.io/reconcile`` when it failed; with another one it is tried again.
ATTEMPT: Final = "pryv.io/attempt"
#: When it was tried again.
RETRIED: Final = "pryv.io/retried"
