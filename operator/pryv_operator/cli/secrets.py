"""The secret values of a platform, for ``kubectl-pryv secrets``: listed, and rotated.

Values are never read: of Secrets only the metadata are.
"""

from __future__ import annotations

import asyncio
import datetime as dt
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import typer
from pydantic import ValidationError

from pryv_operator.api import names
from pryv_operator.api.findings import Problem
from pryv_operator.api.kubernetes import Object
from pryv_operator.api.platform import Platform
from pryv_operator.api.spec import PryvPlatformSpec
from pryv_operator.child_processes.limits import LimitExceededError
from pryv_operator.cli.changes import WaitOptions, read_changeable, wait_until_done, write
from pryv_operator.cli.cluster import Cluster, ClusterError
from pryv_operator.cli.output import parse_time
from pryv_operator.cli.status import read_newest_revision, revision_of
from pryv_operator.cli.terminal import report
from pryv_operator.cli.views.change import Change, Progress, condition_of, is_observed, progress
from pryv_operator.cli.views.secret_list import SecretEntry, SecretList, components_with
from pryv_operator.kube.client import METADATA
from pryv_operator.kube.errors import RejectedError
from pryv_operator.kube.resources import SECRETS
from pryv_operator.offline.preview import OfflineError, placeholder_inputs, render_objects
from pryv_operator.offline.variables import find_variable, restarted_by
from pryv_operator.reconcile.computation import UnlimitedComputation
from pryv_operator.reconcile.template_sources import TemplateReader
from pryv_operator.rollout.revision_inputs import GENERATED_KEY
from pryv_operator.templates.bundle import Bundle
from pryv_operator.values.catalogue import Catalogue
from pryv_operator.values.platform_values import generated_names

GENERATE: Final = "generate"
REFERENCE: Final = "secretKeyRef"


@dataclass(frozen=True)
class _Read:
    """A platform with its templates."""

    resource: Object = field(repr=False)
    platform: Platform
    bundle: Bundle

    @property
    def generated(self) -> tuple[str, ...]:
        """Names of the generated values."""
        return generated_names(self.platform, self.bundle)

    def rotation(self, variable: str) -> int:
        """How often a value was rotated."""
        source = self.platform.spec.secrets.get(variable)
        return (source.generate.rotation or 0) if source and source.generate else 0


async def list_secrets(cluster: Cluster, name: str) -> SecretList:
    """The secret variables of a platform."""
    found = await _read(cluster, await cluster.read_platform(name))
    entries = [
        SecretEntry(
            variable,
            GENERATE,
            names.generated_secret(name, variable, found.rotation(variable)),
            GENERATED_KEY,
            found.rotation(variable),
        )
        for variable in found.generated
    ]
    entries += [
        SecretEntry(variable, REFERENCE, source.secret_key_ref.name, source.secret_key_ref.key)
        for variable, source in found.platform.spec.secrets.items()
        if source.secret_key_ref
    ]
    used_by = _components(found, [each.variable for each in entries])
    dated = await asyncio.gather(
        *(_dated(cluster, each, used_by.get(each.variable)) for each in entries)
    )
    return SecretList(tuple(sorted(dated, key=lambda each: each.variable)), dt.datetime.now(dt.UTC))


async def rotate(
    cluster: Cluster,
    name: str,
    variable: str,
    waits: WaitOptions,
    *,
    confirmed: bool,
    dry_run: bool,
) -> Change:
    """Have the operator generate a new value of a variable, and roll it to all its users.

    Raises:
        ClusterError: its value is not generated; or the user does not confirm.
    """
    found = await _read(cluster, await read_changeable(cluster, name))
    _check_generated(found, name, variable)
    restarted = restarted_by(
        placeholder_inputs(found.platform, found.bundle), find_variable(found.bundle, variable)
    )
    listed = "not known" if restarted is None else ", ".join(restarted) or "nothing"
    report(f"{variable}: a new value is generated; what restarts: {listed}")
    report("warning: what was issued with the present value, such as tokens and links, is invalid")
    if not (confirmed or dry_run):
        _confirm(variable)
    rotation = found.rotation(variable) + 1
    resource = await write(
        cluster, found.resource, _rotated(found, variable, rotation), dry_run=dry_run
    )
    generation = resource["metadata"]["generation"]

    async def look(live: Object) -> Progress:
        newest = await read_newest_revision(cluster, name)
        complete = newest is not None and revision_of(newest).state.startswith("complete")
        ready = condition_of(live, "Ready").get("status") == "True"
        return progress(live, observed=is_observed(live, generation), reached=ready and complete)

    if waits.wait and not dry_run:
        await wait_until_done(cluster, name, waits.seconds, look)
    secret = names.generated_secret(name, variable, rotation)
    return Change(
        cluster.namespace,
        name,
        f"rotated {variable}",
        restarted or (),
        dry_run,
        {"variable": variable, "rotation": rotation, "secret": secret},
    )


def _rotated(found: _Read, variable: str, rotation: int) -> Mapping[str, Any]:
    """The change of the spec that rotates a variable.

    ``SECRET`` in ``spec.variables`` asks for the same value, and both at once are refused.
    """
    catalogue = Catalogue(found.bundle.variables)
    marked = {
        name: None
        for name in found.platform.spec.variables
        if catalogue.place(name) == catalogue.place(variable)
    }
    spec: dict[str, Any] = {"secrets": {variable: {"generate": {"rotation": rotation}}}}
    return {"spec": spec | ({"variables": marked} if marked else {})}


def _check_generated(found: _Read, name: str, variable: str) -> None:
    source = found.platform.spec.secrets.get(variable)
    if source and source.secret_key_ref:
        secret, key = source.secret_key_ref.name, source.secret_key_ref.key
        raise ClusterError(
            f'spec.secrets.{variable}: its value is key "{key}" of Secret "{secret}", which is '
            "yours; change it there, and the operator rolls it to all its users"
        )
    if variable not in found.generated:
        existing = ", ".join(sorted(found.generated)) or "none"
        raise ClusterError(
            f'"{variable}": not a generated value of PryvPlatform "{name}"; existing: {existing}'
        )


def _confirm(variable: str) -> None:
    if not sys.stdin.isatty():
        raise typer.BadParameter("pass --yes to confirm, as standard input is not a terminal")
    if not typer.confirm(f"Rotate {variable}?", err=True):
        raise typer.Exit(1)


async def _read(cluster: Cluster, resource: Object) -> _Read:
    """A platform with its templates.

    Raises:
        ClusterError: its spec is not valid for this version, or its templates cannot be used.
    """
    metadata = resource["metadata"]
    try:
        spec = PryvPlatformSpec.model_validate(resource["spec"])
    except ValidationError as error:
        listed = error.errors(include_input=False, include_url=False)
        fields = ", ".join(f"spec.{'.'.join(map(str, each['loc']))}" for each in listed)
        raise ClusterError(
            f"{fields}: not valid for this version; use kubectl-pryv of the operator's version"
        ) from None
    platform = Platform(metadata["name"], metadata["namespace"], metadata["uid"], spec)
    running = (resource.get("status") or {}).get("release")
    try:
        bundle = await TemplateReader(UnlimitedComputation()).read(
            cluster.client, platform, running
        )
    except LimitExceededError as error:
        raise ClusterError(f"the templates cannot be read: that takes {error}, the limit") from None
    if isinstance(bundle, Problem):
        raise ClusterError(bundle.message)
    return _Read(resource, platform, bundle)


def _components(found: _Read, variables: list[str]) -> Mapping[str, tuple[str, ...]]:
    """Variable → the components that use it; empty: it cannot be computed."""
    try:
        desired = render_objects(placeholder_inputs(found.platform, found.bundle))
    except OfflineError:
        return {}
    used = components_with(desired.objects, variables)
    return {variable: tuple(labels) for variable, labels in used.items()}


async def _dated(
    cluster: Cluster, entry: SecretEntry, used_by: tuple[str, ...] | None
) -> SecretEntry:
    """An entry with the age of its Secret, and its users."""
    created, problem = None, None
    try:
        item = await cluster.client.get(SECRETS, cluster.namespace, entry.secret, accept=METADATA)
        created = parse_time(item["metadata"]["creationTimestamp"]) if item else None
        problem = None if item else "not found"
    except RejectedError:
        problem = "forbidden"
    return SecretEntry(
        entry.variable,
        entry.source,
        entry.secret,
        entry.key,
        entry.rotation,
        created,
        used_by,
        problem,
    )
