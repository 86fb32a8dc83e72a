"""``kubectl-pryv history``, ``diff`` and ``rollback``: the past of a platform, asked of its cluster as the person who asks."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
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
from pryv_operator.cli.output import fail, say
from pryv_operator.desired.inputs import Inputs
from pryv_operator.kube.client import METADATA, KubeClient
from pryv_operator.kube.errors import ApiError, ConflictError, NotFoundError, RejectedError
from pryv_operator.kube.resources import CONFIG_MAPS, CONTROLLER_REVISIONS, PLATFORMS, SECRETS
from pryv_operator.reconcile.template_sources import TemplateReader
from pryv_operator.rollout import past, revisions
from pryv_operator.rollout.past import Kept, PastError
from pryv_operator.rollout.revision_inputs import (
    RevisionInput,
    SecretInput,
    TemplatesInput,
    fingerprints,
    keyed_hash,
)

#: Field manager of what a person writes with this tool.
MANAGER: Final = "kubectl-pryv"

#: The operator may write the status between our reading and our writing.
_TRIES: Final = 5

_Name = Annotated[str, typer.Argument(metavar="PLATFORM", help="Name of the platform.")]
_Namespace = Annotated[
    str | None,
    typer.Option(
        "--namespace", "-n", help="Namespace of the platform; the context's when left out."
    ),
]
_Kubeconfig = Annotated[
    Path | None,
    typer.Option(
        help="Kubeconfig file; when left out, what kubectl would use: KUBECONFIG, or ~/.kube/config."
    ),
]
_Context = Annotated[
    str | None,
    typer.Option(help="Context of the kubeconfig; its current one when left out, as with kubectl."),
]


def history(
    platform: _Name,
    *,
    namespace: _Namespace = None,
    kubeconfig: _Kubeconfig = None,
    context: _Context = None,
) -> None:
    """List the revisions of a platform: when each was made, what became of it, and what it changed.

    Reads the cluster that kubectl would talk to, with your own credentials.
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
        typer.Option("--to", help="The one to compare it with; the newest when left out."),
    ] = None,
    namespace: _Namespace = None,
    kubeconfig: _Kubeconfig = None,
    context: _Context = None,
) -> None:
    """Show what differs between two revisions: the spec, and per component its files and its pod template.

    Of files that are kept in Secrets only the names are shown. Reads the cluster that kubectl would talk to, with your own credentials.
    """
    _run(
        Target(namespace, kubeconfig, context),
        lambda client, where: _diff(client, where, platform, revision, to),
    )


def rollback(
    platform: _Name,
    *,
    to: Annotated[
        int, typer.Option("--to", help="Number of the revision whose spec is to be written back.")
    ],
    dry_run: Annotated[
        bool,
        typer.Option(
            "--dry-run",
            help="Only say what would be written, and whether the API server would take it.",
        ),
    ] = False,
    force: Annotated[
        bool,
        typer.Option(
            "--force",
            help="Do not check whether Secrets and templates are what they were: the old spec is made into files with the values of today, "
            "which may be something that never ran.",
        ),
    ] = False,
    namespace: _Namespace = None,
    kubeconfig: _Kubeconfig = None,
    context: _Context = None,
) -> None:
    """Write the spec of a revision back to the resource, as a whole; the operator then rolls it out like any other change.

    What spec.rollout, spec.stopped and spec.deletionPolicy say today stays. It is refused when a Secret or the templates that went into the
    revision have changed since or are gone. Works on the cluster that kubectl would talk to, with your own credentials.
    """
    _run(
        Target(namespace, kubeconfig, context),
        lambda client, where: _rollback(client, where, platform, to, dry_run=dry_run, force=force),
    )


# --- what they do; each answers with what goes to standard output ---


async def _history(client: KubeClient, namespace: str, name: str) -> str:
    resource = await _platform(client, namespace, name)
    found = await _past(client, namespace, name)
    if not found:
        raise PastError("there is no history yet: nothing was rolled out so far")
    return past.table(found, paused=bool((resource["spec"].get("rollout") or {}).get("paused")))


async def _diff(
    client: KubeClient, namespace: str, name: str, number: int, other: int | None
) -> str:
    await _platform(client, namespace, name)
    found = await _past(client, namespace, name)
    before = past.find(found, number)
    after = found[-1] if other is None else past.find(found, other)
    text = past.difference(
        before, after, await _contents(client, namespace, sorted(past.config_maps(before, after)))
    )
    if not text:
        say(f"{before.title} and {after.title} do not differ")
    return text


async def _rollback(
    client: KubeClient, namespace: str, name: str, number: int, *, dry_run: bool, force: bool
) -> str:
    resource = await _platform(client, namespace, name)
    if resource["metadata"].get("deletionTimestamp"):
        raise PastError(f"the platform {name} is being deleted")
    found = await _past(client, namespace, name)
    of = past.find(found, number)
    spec = past.restored_spec(of.spec, resource["spec"])
    if force:
        past.not_identical(of, spec, resource["spec"], ())
        say(
            "warning: not checked whether Secrets and templates are what they were: what comes of it may be something that never ran"
        )
    else:
        problems, hash_key = await _altered(client, namespace, resource, of)
        past.not_identical(of, spec, resource["spec"], problems)
        why = past.refusal(of, problems, hash_key, name)
        if why:
            raise PastError(why)
    await _write(client, resource, spec, dry_run=dry_run)
    for caution in past.cautions(of, found[-1], spec):
        say(f"warning: {caution}")
    appliers = past.appliers(resource)
    by = f" (it is applied by {', '.join(appliers)})" if appliers else ""
    say(
        f"a GitOps tool that manages the resource{by} will put its own state back: change it there, too"
    )
    say(
        f"nothing was written: {of.title} would be"
        if dry_run
        else f"{of.title} is written back; kubectl-pryv history {name} follows it"
    )
    return past.spec_difference(resource["spec"], spec, "now", of.title)


# --- the cluster ---


async def _platform(client: KubeClient, namespace: str, name: str) -> Object:
    resource = await client.get(PLATFORMS, namespace, name)
    if resource is not None:
        return resource
    try:
        others = [item["metadata"]["name"] for item in await client.list(PLATFORMS, namespace)]
    except NotFoundError:
        raise PastError(
            "this cluster does not know PryvPlatform: the operator's CRD is not installed"
        ) from None
    except RejectedError:
        others = []
    also = f"; there is: {', '.join(sorted(others))}" if others else ""
    raise PastError(f"there is no platform {name} in namespace {namespace}{also}")


async def _past(client: KubeClient, namespace: str, name: str) -> tuple[Kept, ...]:
    labels = ",".join(
        f"{key}={value}"
        for key, value in {**names.platform_labels(name), keys.PURPOSE: revisions.PURPOSE}.items()
    )
    return past.kept(await client.list(CONTROLLER_REVISIONS, namespace, labels=labels))


async def _contents(
    client: KubeClient, namespace: str, wanted: Sequence[str]
) -> dict[str, Mapping[str, str]]:
    """ConfigMap → its data, of those that are there; files of the others are only named."""
    found: dict[str, Mapping[str, str]] = {}
    for name in wanted:
        try:
            item = await client.get(CONFIG_MAPS, namespace, name)
        except RejectedError as error:
            say(f"warning: files in ConfigMaps are not shown: {error.message}")
            return found
        if item:
            found[name] = item.get("data") or {}
    return found


async def _altered(
    client: KubeClient, namespace: str, resource: Object, of: Kept
) -> tuple[list[str], Object | None]:
    """What went into a revision and is not what it was; and the Secret with the key that tells.

    Raises:
        PastError: it cannot be told.
    """
    metadata = resource["metadata"]
    try:
        spec = PryvPlatformSpec.model_validate(of.spec)
    except ValidationError as error:
        fields = ", ".join(
            ".".join(map(str, each["loc"]))
            for each in error.errors(include_input=False, include_url=False)[:5]
        )
        raise PastError(
            f"the spec of {of.title} is of another version, and cannot be checked: {fields}"
        ) from None
    platform = Platform(metadata["name"], namespace, metadata["uid"], spec)
    try:
        gone = [
            f"Secret {name} (a certificate) is gone"
            for name in past.certificates(spec)
            if await client.get(SECRETS, namespace, name, accept=METADATA) is None
        ]
        hash_key = (
            await client.get(SECRETS, namespace, names.hash_key_secret(platform.name))
            if of.revision.inputs
            else None
        )
        now = await _fingerprints(client, platform, of, past.bytes_of(hash_key, "value"))
    except RejectedError as error:
        raise PastError(
            f"it cannot be told whether what {of.title} was made with has changed since: {error.message}. Ask somebody who may read it, "
            "or use --force to have that spec with the values of today"
        ) from None
    return [*gone, *past.altered(of, now, spec)], hash_key


async def _fingerprints(
    client: KubeClient, platform: Platform, of: Kept, hash_key: bytes | None
) -> dict[RevisionInput, str | None]:
    """What went into a revision, as it is now: input → keyed hash; None where it is gone."""
    if not of.revision.inputs:
        return {}
    if not hash_key:
        secret = names.hash_key_secret(platform.name)
        raise PastError(
            f"it cannot be told whether what {of.title} was made with has changed since: Secret {secret} is gone; see --force"
        )
    now: dict[RevisionInput, str | None] = {}
    read: dict[str, Object | None] = {}
    for each in of.revision.inputs:
        if isinstance(each, SecretInput):
            if each.secret not in read:
                read[each.secret] = await client.get(SECRETS, platform.namespace, each.secret)
            content = past.bytes_of(read[each.secret], each.key)
            now[each] = None if content is None else keyed_hash(hash_key, content)
        elif isinstance(each, TemplatesInput):
            now[each] = await _templates(client, platform, hash_key)
    return now


async def _templates(client: KubeClient, platform: Platform, hash_key: bytes) -> str | None:
    """The keyed hash of a platform's own templates as they are now; None when they are not there, or cannot be used."""
    bundle = await TemplateReader(client).read(platform)
    if isinstance(bundle, Problem):
        return None
    inputs = Inputs(platform, bundle, secrets={}, hash_key=hash_key, addresses={}, certificate=None)
    return fingerprints(inputs).get(TemplatesInput())


async def _write(
    client: KubeClient, resource: Object, spec: Mapping[str, Any], *, dry_run: bool
) -> None:
    """Write the spec over the one that was read. Whoever else writes the status or a label meanwhile is not in the way."""
    for _ in range(_TRIES):
        try:
            await client.replace_spec(resource, spec, MANAGER, dry_run=dry_run)
        except ConflictError:
            again = await client.get(
                PLATFORMS, resource["metadata"]["namespace"], resource["metadata"]["name"]
            )
            if again is None or any(
                again["metadata"][key] != resource["metadata"][key] for key in ("uid", "generation")
            ):
                raise PastError(
                    "somebody else has changed the platform meanwhile, so nothing was written: look at it again"
                ) from None
            resource = again
        else:
            return
    raise PastError(
        "the platform is being written to all the time, so nothing was written: try again"
    )


# --- the person ---


def _run(target: Target, task: Callable[[KubeClient, str], Awaitable[str]]) -> None:
    async def work() -> str:
        async with connected(target) as (client, namespace):
            with _explained(client.configuration.host):
                return await task(client, namespace)

    try:
        text = asyncio.run(work())
    except KubeconfigError as error:
        fail(str(error), 2)
    except PastError as error:
        fail(str(error), 1)
    typer.echo(text, nl=False)


@contextmanager
def _explained(host: str) -> Iterator[None]:
    """What the API server did not do, in words for the person."""
    try:
        yield
    except ApiError as error:
        if not error.status:
            raise PastError(
                f"the API server at {host} cannot be reached: {error.message}"
            ) from None
        if error.status == 401:
            raise PastError(
                f"the API server at {host} does not accept these credentials: {error.message}"
            ) from None
        raise PastError(f"the API server refuses: {error.message}") from None
