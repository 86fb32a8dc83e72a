"""Whether and how the spec of a recorded revision can be restored. Pure.

A revision records no secret value and no template. So its spec alone brings its state back only
while the Secrets and templates that it was made from are unchanged.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping, Sequence
from typing import Any, Final

from pryv_operator.api import names
from pryv_operator.api.kubernetes import Object
from pryv_operator.api.spec import PryvPlatformSpec
from pryv_operator.rollout.recorded import (
    HistoryError,
    RecordedRevision,
    component_label,
    shortened,
)
from pryv_operator.rollout.revision_diff import same_spec
from pryv_operator.rollout.revision_inputs import (
    RevisionInput,
    SecretInput,
    TemplatesInput,
    encode,
)
from pryv_operator.rollout.revisions import parse_time

#: Fields that keep their current values: how changes reach what runs, and what becomes of the data.
PRESERVED_FIELDS: Final = ("deletionPolicy", "rollout", "stopped")


def restored_spec(recorded: Mapping[str, Any], current: Mapping[str, Any]) -> dict[str, Any]:
    """The spec of a revision, with the preserved fields of the current spec."""
    restored = {key: value for key, value in recorded.items() if key not in PRESERVED_FIELDS}
    return restored | {key: current[key] for key in PRESERVED_FIELDS if key in current}


def secret_bytes(secret: Object | None, key: str) -> bytes | None:
    """What a Secret holds under a key; None when it is missing or not base64."""
    encoded = ((secret or {}).get("data") or {}).get(key)
    try:
        return None if encoded is None else base64.b64decode(encoded)
    except binascii.Error:
        return None


def certificate_secrets(spec: PryvPlatformSpec) -> list[str]:
    """Names of the Secrets with certificates in a spec.

    Their content is not compared, because certificates are renewed.
    """
    named = [spec.tls.secret_name] if spec.tls and spec.tls.secret_name else []
    roles = spec.roles
    every = (
        (roles.reg_master, roles.core, roles.static, roles.reg_slave, roles.singlenode)
        if roles
        else ()
    )
    return sorted({*named, *(role.tls.secret_name for role in every if role and role.tls)})


def input_problems(
    target: RecordedRevision,
    current: Mapping[RevisionInput, str | None],
    spec: PryvPlatformSpec,
) -> list[str]:
    """What has changed of a revision's inputs since it was recorded.

    Args:
        target: the revision to restore.
        current: input → keyed hash of its present content; None or absent when it does not exist.
        spec: the target's.
    """
    inputs = sorted(target.revision.inputs.items(), key=lambda entry: encode(entry[0]))
    return [
        f"{_described(each, spec)}: "
        + ("not found" if current.get(each) is None else f"changed since {target.title}")
        for each, recorded in inputs
        if current.get(each) != recorded
    ]


def _described(each: RevisionInput, spec: PryvPlatformSpec) -> str:
    """An input by the objects that hold it."""
    templates = spec.templates
    if not isinstance(each, TemplatesInput) or templates is None:
        return str(each)
    if templates.archive and templates.archive.config_map_key_ref:
        config_map = templates.archive.config_map_key_ref
        return f'ConfigMap "{config_map.name}", key "{config_map.key}"'
    if templates.archive and templates.archive.secret_key_ref:
        secret = templates.archive.secret_key_ref
        return str(SecretInput(secret.name, secret.key))
    files = sorted({source.config_map_ref.name for source in templates.files or ()})
    return " or ".join(f'ConfigMap "{name}"' for name in files)


def refusal(
    target: RecordedRevision, problems: Sequence[str], hash_key: Object | None, platform: str
) -> str | None:
    """Why a revision is not restored, or None.

    Args:
        target: the revision to restore.
        problems: what has changed of its inputs.
        hash_key: the Secret with the key of the hashes of inputs, if it exists.
        platform: the platform's name.
    """
    if not problems:
        return None
    created = hash_key["metadata"].get("creationTimestamp") if hash_key else None
    all_changed = len(problems) >= len(target.revision.inputs) > 0
    recreated = created and parse_time(created) > target.revision.created
    note = (
        f' (they cannot be compared: Secret "{names.hash_key_secret(platform)}" was recreated '
        f"after {target.title})"
        if all_changed and recreated
        else ""
    )
    return (
        f"{target.title}: its inputs have changed since: {'; '.join(problems)}{note}; "
        "restore them, or use --force to roll back with their current content"
    )


def check_spec_differs(
    target: RecordedRevision,
    restored: Mapping[str, Any],
    current: Mapping[str, Any],
    problems: Sequence[str],
) -> None:
    """Check that restoring a revision would change the spec.

    Raises:
        HistoryError: the spec would stay the same; ``problems`` are what differs outside of it.
    """
    if not same_spec(restored, current):
        return
    outside = f"; changed outside the spec: {'; '.join(problems)}" if problems else ""
    raise HistoryError(
        f"{target.title}: nothing to roll back, the resource has its spec already{outside}"
    )


def warnings(
    target: RecordedRevision, newest: RecordedRevision, current: Mapping[str, Any]
) -> list[str]:
    """What a user should know who restores a revision. ``current``: the spec that is written."""
    found = []
    if target.revision.failed is not None:
        found.append(f"{target.title}: its rollout has failed: {shortened(target.revision.failed)}")
    elif target.revision.not_run:
        listed = (component_label(each, target.workloads) for each in target.revision.not_run)
        found.append(f"{target.title}: never ran: {', '.join(sorted(listed))}")
    elif not target.revision.complete:
        found.append(f"{target.title}: was never rolled out completely")
    for name, workload in sorted(target.workloads.items()):
        then, now = (each.revision.templates.get(name) for each in (target, newest))
        if workload["kind"] == "StatefulSet" and then and now and then.image != now.image:
            label = component_label(name, target.workloads)
            found.append(
                f"{label}: image is downgraded from {now.image} to {then.image}, which may "
                "be unable to read migrated data; back up first"
            )
    if (current.get("rollout") or {}).get("paused"):
        found.append("spec.rollout.paused: nothing is applied while it is true")
    if current.get("stopped"):
        found.append("spec.stopped: the platform stays stopped")
    return found


def applying_managers(resource: Object) -> list[str]:
    """Field managers that apply the spec, and so will overwrite a restored one."""
    return sorted({
        entry["manager"]
        for entry in resource["metadata"].get("managedFields") or ()
        if entry.get("operation") == "Apply" and "f:spec" in (entry.get("fieldsV1") or {})
    })  # fmt: skip
