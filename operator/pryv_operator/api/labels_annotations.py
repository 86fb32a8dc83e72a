"""Every label, annotation and fixed name that the operator reads or writes."""

from __future__ import annotations

from typing import Final

GROUP: Final = "pryv.io"
VERSION: Final = "v1alpha1"
API_VERSION: Final = f"{GROUP}/{VERSION}"
KIND: Final = "PryvPlatform"
PLURAL: Final = "pryvplatforms"

#: Field manager of every server-side apply, and reporting controller of every event.
FIELD_MANAGER: Final = "pryv-operator"
#: Field manager of owner references that are set outside an apply. It differs from the one of
#: creations, so that a managed-fields entry of it does not look like one.
OWNERS_MANAGER: Final = f"{FIELD_MANAGER}-owners"

# Labels
MANAGED_BY: Final = "app.kubernetes.io/managed-by"
APP_NAME: Final = "app.kubernetes.io/name"
PLATFORM: Final = "pryv.io/platform"
ROLE: Final = "pryv.io/role"
INSTANCE: Final = "pryv.io/instance"
COMPONENT: Final = "pryv.io/component"
#: On pods that mount a shared PVC: the label that their affinity selects.
PVC: Final = "pryv.io/claim"
#: On pods with published ports: what external Services select.
PUBLISHED: Final = "pryv.io/published"
#: What an object is for: ``config``, ``generated``, ``hash-key``, ``authority``, ``certificate``,
#: ``history``, ``trial``; of the operator itself: ``at-rest``.
PURPOSE: Final = "pryv.io/purpose"
#: The purpose of the ControllerRevisions of a platform's history.
HISTORY: Final = "history"
#: The purpose of the ConfigMaps that keep which platforms are at rest.
AT_REST: Final = "at-rest"

# Annotations that a user writes on a platform
#: ``TARGET[,TARGET…]@TEXT``: what to restart without a change. A target is ``all``, a role, an
#: instance, a component or ``instance/component``; another text restarts again.
RESTART: Final = "pryv.io/restart"
#: Any new value requests a reconciliation, and another attempt at a failed rollout.
RECONCILE: Final = "pryv.io/reconcile"
#: Another value applies what an upgrade of the operator has deferred.
UPDATE: Final = "pryv.io/update"
#: ``pending`` on an imported platform, until its users are moved to it. Import writes it.
CUT_OVER: Final = "pryv.io/cut-over"
CUT_OVER_PENDING: Final = "pending"
#: Another value takes over existing Secrets with the names of the platform's own, once.
ADOPT: Final = "pryv.io/adopt"
#: Changes of these request a reconciliation.
USER_ANNOTATIONS: Final = (RESTART, RECONCILE, UPDATE, CUT_OVER, ADOPT)

# Annotations that the operator writes
#: Hash of what was last applied to this object (never of a Secret's data).
APPLIED: Final = "pryv.io/applied"
#: On a generated Secret: the variable whose value it holds.
VARIABLE: Final = "pryv.io/variable"
#: On a generated Secret that was deleted while in use, and recreated with another value.
RECREATED: Final = "pryv.io/recreated"
#: The same, as the first versions of the operator wrote it.
_RECREATED_BEFORE: Final = "pryv.io/made-anew"
#: Names of that annotation on live Secrets.
RECREATED_NAMES: Final = (RECREATED, _RECREATED_BEFORE)
#: On a workload: digest of the pod template that was last applied.
TEMPLATE: Final = "pryv.io/template"
#: On a workload: secret variable shared by several roles → keyed hash of the applied value (JSON).
SHARED_SECRETS: Final = "pryv.io/shared-secrets"
#: On a pod template: the value of ``pryv.io/restart`` that last restarted it.
RESTARTED: Final = "pryv.io/restarted"
#: On a pod template: digest of what the component reads from another one once, when it starts.
BOOT_INPUTS: Final = "pryv.io/boot-inputs"

# Annotation of the operator's own Lease
#: The processes that share the shards → their last heartbeat (JSON).
MEMBERS: Final = "pryv.io/members"

# Annotations of a revision in the history (ControllerRevision)
#: Digest of the desired state that the revision records.
DESIRED: Final = "pryv.io/desired"
#: Workload → digest of its pod template, image, shared secrets and boot inputs (JSON).
TEMPLATES: Final = "pryv.io/templates"
#: Names of the ConfigMaps and Secrets that its pod templates refer to (JSON).
REFERENCES: Final = "pryv.io/references"
#: What it was made from besides secrets and templates (JSON), see ``rollout/deferral.py``.
BASIS: Final = "pryv.io/basis"
#: Input from outside the spec → keyed hash (JSON).
INPUTS: Final = "pryv.io/inputs"
#: Names of the workloads that were not ready when its rollout began (JSON).
UNREADY: Final = "pryv.io/unready"
#: Names of the workloads that migrate their data and got another image (JSON), written before
#: the image is applied.
MIGRATED: Final = "pryv.io/migrated"
#: Labels of the components that belong to it and wait for something of their own (JSON): they are
#: not among its workloads, and it is never complete.
BLOCKED: Final = "pryv.io/blocked"
#: Present once the revision was rolled out completely.
COMPLETE: Final = "pryv.io/complete"
#: Instead of it, once all that runs was rolled out: names of the workloads that have no pod by the
#: spec (``replicas: 0``) and have never run their template (JSON).
NOT_RUN: Final = "pryv.io/not-run"
#: Present once its rollout failed: the message.
FAILED: Final = "pryv.io/failed"
#: The platform's ``pryv.io/reconcile`` when the rollout failed; another value retries it.
ATTEMPT: Final = "pryv.io/attempt"
#: Time of the last retry.
RETRIED: Final = "pryv.io/retried"
#: Digest of what it records: the spec and the workloads.
DATA_DIGEST: Final = "pryv.io/data-digest"
#: MAC of the operator over the others, see ``rollout/revision_mac.py``.
MAC: Final = "pryv.io/mac"
