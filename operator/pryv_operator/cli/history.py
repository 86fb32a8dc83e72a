"""``kubectl-pryv history``, ``diff`` and ``rollback``: the revision history of a platform."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import typer

from pryv_operator.api.kubernetes import Object
from pryv_operator.cli.connection import ConnectionOptions, connect
from pryv_operator.cli.exit_codes import exit_on_error
from pryv_operator.cli.history_table import history_table
from pryv_operator.cli.platform_history import (
    find_input_problems,
    list_recorded,
    read_config_maps,
    read_platform,
    write_spec,
)
from pryv_operator.cli.terminal import report
from pryv_operator.kube.client import KubeClient
from pryv_operator.kube.errors import ApiError
from pryv_operator.reconcile.platform_status import stored_status
from pryv_operator.rollout import revision_diff, rollback_checks
from pryv_operator.rollout.recorded import HistoryError, RecordedRevision, find_revision
from pryv_operator.rollout.revision_inputs import GENERATED_KEY
from pryv_operator.rollout.revision_mac import RevisionSigner
from pryv_operator.rollout.revision_records import RevisionRecords

_Name = Annotated[str, typer.Argument(metavar="PLATFORM", help="Name of the platform.")]
_Namespace = Annotated[
    str | None,
    typer.Option(
        "--namespace", "-n", help="Namespace of the platform. Default: that of the context."
    ),
]
_Kubeconfig = Annotated[
    Path | None,
    typer.Option(help="Kubeconfig file. Default: as kubectl, KUBECONFIG or ~/.kube/config."),
]
_Context = Annotated[
    str | None,
    typer.Option(help="Context of the kubeconfig. Default: the current one."),
]


def history(
    platform: _Name,
    *,
    namespace: _Namespace = None,
    kubeconfig: _Kubeconfig = None,
    context: _Context = None,
) -> None:
    """List the revisions of a platform, with their state and what they changed.

    Uses the cluster and the credentials that kubectl would use.
    """
    _run(
        ConnectionOptions(namespace, kubeconfig, context),
        lambda client, in_namespace: _history(client, in_namespace, platform),
    )


def diff(
    platform: _Name,
    *,
    revision: Annotated[int, typer.Option("--revision", help="Number of the revision to compare.")],
    to: Annotated[
        int | None,
        typer.Option(
            "--to", help="Number of the revision to compare it with. Default: the newest."
        ),
    ] = None,
    namespace: _Namespace = None,
    kubeconfig: _Kubeconfig = None,
    context: _Context = None,
) -> None:
    """Compare two revisions: the spec, and each component's files and pod template.

    Files in Secrets are named, but their content is not shown. Uses the cluster and the
    credentials that kubectl would use.
    """
    _run(
        ConnectionOptions(namespace, kubeconfig, context),
        lambda client, in_namespace: _diff(client, in_namespace, platform, revision, to),
    )


def rollback(
    platform: _Name,
    *,
    to: Annotated[int, typer.Option("--to", help="Number of the revision whose spec is restored.")],
    dry_run: Annotated[
        bool,
        typer.Option(
            "--dry-run",
            help="Write nothing. Show the change, and whether the API server accepts it.",
        ),
    ] = False,
    force: Annotated[
        bool,
        typer.Option(
            "--force",
            help="Do not compare Secrets and templates with those of the revision. The result may "
            "be a state that never ran.",
        ),
    ] = False,
    namespace: _Namespace = None,
    kubeconfig: _Kubeconfig = None,
    context: _Context = None,
) -> None:
    """Restore the spec of a revision. The operator rolls it out like any other change.

    Writes the whole spec, except spec.rollout, spec.stopped and spec.deletionPolicy, which keep
    their current values. Fails if a Secret or template that the revision was made from has changed
    or does not exist. Uses the cluster and the credentials that kubectl would use.
    """
    _run(
        ConnectionOptions(namespace, kubeconfig, context),
        lambda client, in_namespace: _rollback(
            client, in_namespace, platform, to, _RollbackOptions(dry_run, force)
        ),
    )


@dataclass(frozen=True)
class _RollbackOptions:
    """Options of ``rollback``, as its help describes them."""

    dry_run: bool
    force: bool


# --- the commands; each returns what goes to standard output ---


async def _history(client: KubeClient, namespace: str, name: str) -> str:
    resource = await read_platform(client, namespace, name)
    recorded = await list_recorded(client, namespace, name)
    if not recorded:
        raise HistoryError(f'PryvPlatform "{name}": the revision history is empty')
    paused = bool((resource["spec"].get("rollout") or {}).get("paused"))
    return history_table(recorded, paused=paused)


async def _diff(
    client: KubeClient, namespace: str, name: str, number: int, other: int | None
) -> str:
    await read_platform(client, namespace, name)
    recorded = await list_recorded(client, namespace, name)
    before = find_revision(recorded, number)
    after = recorded[-1] if other is None else find_revision(recorded, other)
    config_maps = sorted(revision_diff.config_maps(before, after))
    contents = await read_config_maps(client, namespace, config_maps)
    text = revision_diff.revision_difference(before, after, contents)
    if not text:
        report(f"{before.title} and {after.title} do not differ")
    return text


async def _rollback(
    client: KubeClient, namespace: str, name: str, number: int, options: _RollbackOptions
) -> str:
    resource = await read_platform(client, namespace, name)
    if resource["metadata"].get("deletionTimestamp"):
        raise HistoryError(f'PryvPlatform "{name}": is being deleted')
    recorded = await list_recorded(client, namespace, name)
    target = find_revision(recorded, number)
    spec = rollback_checks.restored_spec(target.spec, resource["spec"])
    await _check_rollback(client, resource, target, spec, force=options.force)
    await write_spec(client, resource, spec, dry_run=options.dry_run)
    for warning in rollback_checks.warnings(target, recorded[-1], spec):
        report(f"warning: {warning}")
    managers = rollback_checks.applying_managers(resource)
    by = f" (it is applied by {', '.join(managers)})" if managers else ""
    report(f"a GitOps tool that manages the resource{by} overwrites this; change its source, too")
    report(
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
        report(
            "warning: --force: Secrets and templates were not compared; "
            "the result may be a state that never ran"
        )
        return
    problems, hash_key = await find_input_problems(client, resource, target)
    rollback_checks.check_spec_differs(target, spec, resource["spec"], problems)
    key = rollback_checks.secret_bytes(hash_key, GENERATED_KEY)
    uid = resource["metadata"]["uid"]
    records = RevisionRecords.of(stored_status(resource))
    carries_mac = not key or RevisionSigner(key, uid).has_recorded(target.revision.item)
    if not carries_mac or not records.admits(target.revision):
        lacks = "the operator's MAC" if not carries_mac else "the uid that status.revisions lists"
        report(
            f"warning: {target.title}: does not carry {lacks}: it is of an earlier "
            "version, or another client wrote it; check the changes"
        )
    refusal = rollback_checks.refusal(target, problems, hash_key, resource["metadata"]["name"])
    if refusal:
        raise HistoryError(refusal)


# --- the API server and the terminal ---


def _run(options: ConnectionOptions, command: Callable[[KubeClient, str], Awaitable[str]]) -> None:
    """Run a command with a client and a namespace, and write its result to standard output."""

    async def run() -> str:
        async with connect(options) as (client, namespace):
            with _described_api_errors(client.configuration.host):
                return await command(client, namespace)

    with exit_on_error():
        result = asyncio.run(run())
    typer.echo(result, nl=False)


@contextmanager
def _described_api_errors(host: str) -> Iterator[None]:
    """Raise errors of the API server as ``HistoryError``, with a message for the user."""
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
