"""``kubectl-pryv history``, ``diff`` and ``rollback``: the revision history of a platform.

The cluster is read with the credentials of the user.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Final

import typer
from pydantic import ValidationError

from pryv_operator.api import labels_annotations as keys
from pryv_operator.api import names
from pryv_operator.api.findings import Problem
from pryv_operator.api.kubernetes import Object
from pryv_operator.api.platform import Platform
from pryv_operator.api.spec import PryvPlatformSpec
from pryv_operator.cli.connection import KubeconfigError, Target, connected
from pryv_operator.cli.history_table import history_table
from pryv_operator.cli.output import fail, say
from pryv_operator.desired.inputs import Inputs
from pryv_operator.kube.client import METADATA, KubeClient
from pryv_operator.kube.errors import ApiError, ConflictError, NotFoundError, RejectedError
from pryv_operator.kube.resources import CONFIG_MAPS, CONTROLLER_REVISIONS, PLATFORMS, SECRETS
from pryv_operator.reconcile.template_sources import TemplateReader
from pryv_operator.rollout import revision_diff, revisions, rollback_checks
from pryv_operator.rollout.recorded import (
    HistoryError,
    RecordedRevision,
    find_revision,
    parse_recorded,
)
from pryv_operator.rollout.revision_inputs import (
    GENERATED_KEY,
    RevisionInput,
    SecretInput,
    TemplatesInput,
    fingerprints,
    keyed_hash,
)

#: Field manager of what a user writes with this command.
MANAGER: Final = "kubectl-pryv"

#: The operator may write the status between reading and writing.
_TRIES: Final = 5

_Name = Annotated[str, typer.Argument(metavar="PLATFORM", help="Name of the platform.")]
_Namespace = Annotated[
    str | None,
    typer.Option("--namespace", "-n", help="Namespace of the platform; default: the context's."),
]
_Kubeconfig = Annotated[
    Path | None,
    typer.Option(help="Kubeconfig file; default: as with kubectl, KUBECONFIG or ~/.kube/config."),
]
_Context = Annotated[
    str | None,
    typer.Option(help="Context of the kubeconfig; default: its current one."),
]


def history(
    platform: _Name,
    *,
    namespace: _Namespace = None,
    kubeconfig: _Kubeconfig = None,
    context: _Context = None,
) -> None:
    """List the revisions of a platform: when each was created, its state, and what it changed.

    Reads the cluster that kubectl would use, with your own credentials.
    """
    _run(
        Target(namespace, kubeconfig, context),
        lambda client, where: _history(client, where, platform),
    )


def diff(
    platform: _Name,
    *,
    revision: Annotated[int, typer.Option("--revision", help="Number of the revision to compare.")],
    to: Annotated[
        int | None,
        typer.Option(
            "--to", help="Number of the revision to compare it with; default: the newest."
        ),
    ] = None,
    namespace: _Namespace = None,
    kubeconfig: _Kubeconfig = None,
    context: _Context = None,
) -> None:
    """Compare two revisions: the spec, and each component's files and pod template.

    Of files in Secrets only the names are shown. Reads the cluster that kubectl would use, with
    your own credentials.
    """
    _run(
        Target(namespace, kubeconfig, context),
        lambda client, where: _diff(client, where, platform, revision, to),
    )


def rollback(
    platform: _Name,
    *,
    to: Annotated[int, typer.Option("--to", help="Number of the revision whose spec is restored.")],
    dry_run: Annotated[
        bool,
        typer.Option(
            "--dry-run",
            help="Write nothing; show the change, and whether the API server accepts it.",
        ),
    ] = False,
    force: Annotated[
        bool,
        typer.Option(
            "--force",
            help="Do not compare Secrets and templates with those of the revision: the result may "
            "be a state that never ran.",
        ),
    ] = False,
    namespace: _Namespace = None,
    kubeconfig: _Kubeconfig = None,
    context: _Context = None,
) -> None:
    """Restore the spec of a revision; the operator rolls it out like any other change.

    The whole spec is written, but spec.rollout, spec.stopped and spec.deletionPolicy keep their
    current values. It is refused when a Secret or the templates that the revision was made from
    have changed since or do not exist. Writes to the cluster that kubectl would use, with your own
    credentials.
    """
    _run(
        Target(namespace, kubeconfig, context),
        lambda client, where: _rollback(
            client, where, platform, to, _RollbackOptions(dry_run, force)
        ),
    )


@dataclass(frozen=True)
class _RollbackOptions:
    """Options of ``rollback``, as its help describes them."""

    dry_run: bool
    force: bool


# --- the commands; each returns what goes to standard output ---


async def _history(client: KubeClient, namespace: str, name: str) -> str:
    resource = await _read_platform(client, namespace, name)
    recorded = await _list_recorded(client, namespace, name)
    if not recorded:
        raise HistoryError(f'PryvPlatform "{name}": the revision history is empty')
    paused = bool((resource["spec"].get("rollout") or {}).get("paused"))
    return history_table(recorded, paused=paused)


async def _diff(
    client: KubeClient, namespace: str, name: str, number: int, other: int | None
) -> str:
    await _read_platform(client, namespace, name)
    recorded = await _list_recorded(client, namespace, name)
    before = find_revision(recorded, number)
    after = recorded[-1] if other is None else find_revision(recorded, other)
    config_maps = sorted(revision_diff.config_maps(before, after))
    contents = await _read_config_maps(client, namespace, config_maps)
    text = revision_diff.revision_difference(before, after, contents)
    if not text:
        say(f"{before.title} and {after.title} do not differ")
    return text


async def _rollback(
    client: KubeClient, namespace: str, name: str, number: int, options: _RollbackOptions
) -> str:
    resource = await _read_platform(client, namespace, name)
    if resource["metadata"].get("deletionTimestamp"):
        raise HistoryError(f'PryvPlatform "{name}": is being deleted')
    recorded = await _list_recorded(client, namespace, name)
    target = find_revision(recorded, number)
    spec = rollback_checks.restored_spec(target.spec, resource["spec"])
    await _check_rollback(client, resource, target, spec, force=options.force)
    await _write(client, resource, spec, dry_run=options.dry_run)
    for warning in rollback_checks.warnings(target, recorded[-1], spec):
        say(f"warning: {warning}")
    managers = rollback_checks.applying_managers(resource)
    by = f" (it is applied by {', '.join(managers)})" if managers else ""
    say(f"a GitOps tool that manages the resource{by} overwrites this; change its source, too")
    say(
        f"dry run: nothing was written; {target.title} can be restored"
        if options.dry_run
        else f"{target.title}: its spec was written; follow it with: kubectl-pryv history {name}"
    )
    return revision_diff.spec_difference(resource["spec"], spec, "now", target.title)


async def _check_rollback(
    client: KubeClient,
    resource: Object,
    target: RecordedRevision,
    spec: Mapping[str, Any],
    *,
    force: bool,
) -> None:
    """Check that a revision's spec can be written, and restores what it was made from.

    Raises:
        HistoryError: it would change nothing, or its inputs have changed.
    """
    if force:
        rollback_checks.check_spec_differs(target, spec, resource["spec"], ())
        say(
            "warning: --force: Secrets and templates were not compared; "
            "the result may be a state that never ran"
        )
        return
    problems, hash_key = await _input_problems(client, resource, target)
    rollback_checks.check_spec_differs(target, spec, resource["spec"], problems)
    refusal = rollback_checks.refusal(target, problems, hash_key, resource["metadata"]["name"])
    if refusal:
        raise HistoryError(refusal)


# --- the API server ---


async def _read_platform(client: KubeClient, namespace: str, name: str) -> Object:
    resource = await client.get(PLATFORMS, namespace, name)
    if resource is not None:
        return resource
    try:
        others = [item["metadata"]["name"] for item in await client.list(PLATFORMS, namespace)]
    except NotFoundError:
        raise HistoryError(
            "PryvPlatform: unknown to this cluster; install the CRD of the operator"
        ) from None
    except RejectedError:
        others = []
    existing = f"; it has: {', '.join(sorted(others))}" if others else ""
    raise HistoryError(f'PryvPlatform "{name}": not found in namespace "{namespace}"{existing}')


async def _list_recorded(
    client: KubeClient, namespace: str, name: str
) -> tuple[RecordedRevision, ...]:
    labels = ",".join(
        f"{key}={value}"
        for key, value in {**names.platform_labels(name), keys.PURPOSE: revisions.PURPOSE}.items()
    )
    return parse_recorded(await client.list(CONTROLLER_REVISIONS, namespace, labels=labels))


async def _read_config_maps(
    client: KubeClient, namespace: str, config_maps: Sequence[str]
) -> dict[str, Mapping[str, str]]:
    """ConfigMap → its data; without those that do not exist or may not be read."""
    found: dict[str, Mapping[str, str]] = {}
    for name in config_maps:
        try:
            item = await client.get(CONFIG_MAPS, namespace, name)
        except RejectedError as error:
            say(f"warning: files in ConfigMaps are not shown: {error.message}")
            return found
        if item:
            found[name] = item.get("data") or {}
    return found


async def _input_problems(
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
    for each in target.revision.inputs:
        if isinstance(each, SecretInput):
            if each.secret not in secrets:
                secrets[each.secret] = await client.get(SECRETS, platform.namespace, each.secret)
            content = rollback_checks.secret_bytes(secrets[each.secret], each.key)
            current[each] = None if content is None else keyed_hash(key, content)
        elif isinstance(each, TemplatesInput):
            current[each] = await _hash_templates(client, platform, key)
    return current


async def _hash_templates(client: KubeClient, platform: Platform, key: bytes) -> str | None:
    """The keyed hash of a platform's own templates; None when they are missing or invalid."""
    bundle = await TemplateReader(client).read(platform)
    if isinstance(bundle, Problem):
        return None
    inputs = Inputs(platform, bundle, secrets={}, hash_key=key, addresses={}, certificate=None)
    return fingerprints(inputs).get(TemplatesInput())


async def _write(
    client: KubeClient, resource: Object, spec: Mapping[str, Any], *, dry_run: bool
) -> None:
    """Write the spec over the one that was read.

    Changes of only the status or metadata since then are no conflict.
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
                    "written; look at it and try again"
                ) from None
            resource = again
        else:
            return
    raise HistoryError(
        f'PryvPlatform "{name}": changed by other clients continuously, so nothing was written; '
        "try again"
    )


# --- the terminal ---


def _run(target: Target, task: Callable[[KubeClient, str], Awaitable[str]]) -> None:
    async def work() -> str:
        async with connected(target) as (client, namespace):
            with _explained(client.configuration.host):
                return await task(client, namespace)

    try:
        text = asyncio.run(work())
    except KubeconfigError as error:
        fail(str(error), 2)
    except HistoryError as error:
        fail(str(error), 1)
    typer.echo(text, nl=False)


@contextmanager
def _explained(host: str) -> Iterator[None]:
    """Turn errors of the API server into messages."""
    try:
        yield
    except ApiError as error:
        if not error.status:
            raise HistoryError(f"API server {host}: cannot be reached: {error.message}") from None
        if error.status == 401:
            raise HistoryError(
                f"API server {host}: does not accept these credentials: {error.message}"
            ) from None
        raise HistoryError(f"rejected by the API server: {error.message}") from None
