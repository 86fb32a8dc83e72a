"""Reads the revision history of a platform, and writes its spec, with the user's credentials."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from pydantic import ValidationError

from pryv_operator.api import labels_annotations as keys
from pryv_operator.api import names
from pryv_operator.api.findings import Problem
from pryv_operator.api.kubernetes import Object
from pryv_operator.api.platform import Platform
from pryv_operator.api.spec import PryvPlatformSpec
from pryv_operator.child_processes.limits import LimitExceededError
from pryv_operator.cli.connection import MANAGER
from pryv_operator.cli.terminal import report
from pryv_operator.desired.inputs import Inputs
from pryv_operator.kube.client import METADATA, KubeClient
from pryv_operator.kube.errors import ConflictError, RejectedError
from pryv_operator.kube.resources import CONFIG_MAPS, CONTROLLER_REVISIONS, PLATFORMS, SECRETS
from pryv_operator.reconcile.computation import UnlimitedComputation
from pryv_operator.reconcile.template_sources import TemplateReader
from pryv_operator.rollout import revisions, rollback_checks
from pryv_operator.rollout.recorded import HistoryError, RecordedRevision, parse_recorded
from pryv_operator.rollout.revision_inputs import (
    GENERATED_KEY,
    RevisionInput,
    SecretInput,
    TemplatesInput,
    contents,
    fingerprint,
)

#: The operator may write the status between reading and writing.
_TRIES: Final = 5


async def list_recorded(
    client: KubeClient, namespace: str, name: str
) -> tuple[RecordedRevision, ...]:
    """The recorded revisions of a platform, oldest first."""
    labels = ",".join(
        f"{key}={value}"
        for key, value in {**names.platform_labels(name), keys.PURPOSE: revisions.PURPOSE}.items()
    )
    return parse_recorded(await client.list(CONTROLLER_REVISIONS, namespace, labels=labels))


async def read_config_maps(
    client: KubeClient, namespace: str, config_maps: Sequence[str]
) -> dict[str, Mapping[str, str]]:
    """ConfigMap → its data; without those that do not exist or may not be read."""
    found: dict[str, Mapping[str, str]] = {}
    for name in config_maps:
        try:
            item = await client.get(CONFIG_MAPS, namespace, name)
        except RejectedError as error:
            report(f"warning: files in ConfigMaps are not shown: {error.message}")
            return found
        if item:
            found[name] = item.get("data") or {}
    return found


async def find_input_problems(
    client: KubeClient, resource: Object, target: RecordedRevision
) -> tuple[list[str], Object | None]:
    """What has changed of a revision's inputs, and the Secret with the key of their hashes.

    Raises:
        HistoryError: they cannot be compared.
    """
    metadata = resource["metadata"]
    namespace = metadata["namespace"]
    try:
        spec = PryvPlatformSpec.model_validate(target.spec)
    except ValidationError as error:
        fields = ", ".join(
            ".".join(map(str, each["loc"]))
            for each in error.errors(include_input=False, include_url=False)[:5]
        )
        raise HistoryError(
            f"{target.title}: its spec is not valid for this version: {fields}; "
            "use kubectl-pryv of the version that recorded it"
        ) from None
    platform = Platform(metadata["name"], namespace, metadata["uid"], spec)
    try:
        missing = [
            f'Secret "{name}" (certificate): not found'
            for name in rollback_checks.certificate_secrets(spec)
            if await client.get(SECRETS, namespace, name, accept=METADATA) is None
        ]
        hash_key = (
            await client.get(SECRETS, namespace, names.hash_key_secret(platform.name))
            if target.revision.inputs
            else None
        )
        current = await _hash_inputs(client, platform, target, hash_key)
    except RejectedError as error:
        raise HistoryError(
            f"{target.title}: its Secrets and templates cannot be compared: {error.message}; "
            "ask for permission to read them, or use --force to write the spec without"
        ) from None
    return [*missing, *rollback_checks.input_problems(target, current, spec)], hash_key


async def _hash_inputs(
    client: KubeClient, platform: Platform, target: RecordedRevision, hash_key: Object | None
) -> dict[RevisionInput, str | None]:
    """Input of a revision → keyed hash of its present content; None when it does not exist."""
    if not target.revision.inputs:
        return {}
    key = rollback_checks.secret_bytes(hash_key, GENERATED_KEY)
    if not key:
        raise HistoryError(
            f"{target.title}: its Secrets and templates cannot be compared: "
            f'Secret "{names.hash_key_secret(platform.name)}" not found; '
            "use --force to write the spec without"
        )
    current: dict[RevisionInput, str | None] = {}
    secrets: dict[str, Object | None] = {}
    for each, recorded in target.revision.inputs.items():
        content: bytes | None = None
        if isinstance(each, SecretInput):
            if each.secret not in secrets:
                secrets[each.secret] = await client.get(SECRETS, platform.namespace, each.secret)
            content = rollback_checks.secret_bytes(secrets[each.secret], each.key)
        elif isinstance(each, TemplatesInput):
            content = await _read_templates(client, platform)
        current[each] = None if content is None else fingerprint(key, each, content, recorded)
    return current


async def _read_templates(client: KubeClient, platform: Platform) -> bytes | None:
    """The content of a platform's own templates; None when they are missing or invalid."""
    try:
        bundle = await TemplateReader(UnlimitedComputation()).read(client, platform)
    except LimitExceededError as error:
        raise HistoryError(
            f"the templates cannot be compared: reading them takes {error}, the limit; "
            "use --force to write the spec without"
        ) from None
    if isinstance(bundle, Problem):
        return None
    inputs = Inputs(platform, bundle, secrets={}, hash_key=b"", addresses={}, certificate=None)
    return contents(inputs).get(TemplatesInput())


async def write_spec(
    client: KubeClient, resource: Object, spec: Mapping[str, Any], *, dry_run: bool
) -> None:
    """Write the spec over the one that was read.

    If only the status or metadata changed since then, it is written all the same.

    Raises:
        HistoryError: another client changed the spec, or keeps changing the resource.
    """
    name = resource["metadata"]["name"]
    for _ in range(_TRIES):
        try:
            await client.replace_spec(resource, spec, MANAGER, dry_run=dry_run)
        except ConflictError:
            again = await client.get(PLATFORMS, resource["metadata"]["namespace"], name)
            if again is None or any(
                again["metadata"][key] != resource["metadata"][key] for key in ("uid", "generation")
            ):
                raise HistoryError(
                    f'PryvPlatform "{name}": changed by another client meanwhile, so nothing was '
                    "written; review the change and retry"
                ) from None
            resource = again
        else:
            return
    raise HistoryError(
        f'PryvPlatform "{name}": changed by other clients continuously, so nothing was written; '
        "try again"
    )
