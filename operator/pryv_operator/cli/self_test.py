"""``pryv-operator self-test``: has a running operator reconcile a platform, and removes it again.

The platform is a complete one of the built-in release that is stopped: no pod runs. Its PVCs name a
StorageClass that does not exist, so that no volume is provisioned for them.
"""

from __future__ import annotations

import asyncio
import secrets
import signal
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Final

import typer

from pryv_operator.api import labels_annotations as keys
from pryv_operator.api.kubernetes import Object
from pryv_operator.api.reasons import Reason
from pryv_operator.cli.terminal import fail
from pryv_operator.kube.client import KubeClient
from pryv_operator.kube.connection import CredentialsError
from pryv_operator.kube.credentials import read_in_cluster, read_kubeconfig
from pryv_operator.kube.errors import ApiError, NotFoundError
from pryv_operator.kube.resources import (
    DEPLOYMENTS,
    PLATFORMS,
    PVCS,
    SERVICES,
    STATEFUL_SETS,
    Resource,
)

#: What the operator creates for the platform and this command may list: no Secrets.
_COUNTED: Final = (SERVICES, DEPLOYMENTS, STATEFUL_SETS, PVCS)
#: Of no StorageClass: the PVCs stay unbound.
_STORAGE: Final = {"storage": {"storageClassName": "pryv-self-test-no-volumes", "size": "1Mi"}}
_POLL_SECONDS: Final = 0.5


class SelfTestError(Exception):
    """The test has failed; the message says where and why."""


@dataclass(frozen=True)
class Progress:
    """How far a platform is: done, or what is missing."""

    done: bool
    text: str


def stopped_platform(namespace: str, name: str) -> Object:
    """A stopped platform that is deleted with all it has."""
    return {
        "apiVersion": keys.API_VERSION,
        "kind": keys.KIND,
        "metadata": {
            "name": name,
            "namespace": namespace,
            "labels": {"app.kubernetes.io/component": "self-test"},
        },
        "spec": {
            "domain": f"{name}.invalid",
            "stopped": True,
            "deletionPolicy": "Delete",
            "roles": {
                "reg-master": {"components": {"redis": _STORAGE}},
                "core": {"components": dict.fromkeys(("core", "mongodb", "influxdb"), _STORAGE)},
                "static": {},
            },
        },
    }


def progress(platform: Mapping[str, Any]) -> Progress:
    """What the status says of the platform's current generation."""
    metadata, status = platform["metadata"], platform.get("status") or {}
    generation = metadata["generation"]
    if status.get("observedGeneration") != generation:
        return Progress(
            done=False,
            text="no status; check that an operator runs and watches namespace "
            f'"{metadata["namespace"]}"',
        )
    conditions = {
        each["type"]: each
        for each in status.get("conditions", ())
        if each["observedGeneration"] == generation
    }
    rendered, ready = conditions.get("ConfigRendered"), conditions.get("Ready")
    if rendered is None or rendered["status"] != "True":
        return Progress(done=False, text=_text("ConfigRendered", rendered))
    if ready is None or ready["reason"] != Reason.STOPPED:
        return Progress(done=False, text=_text("Ready", ready))
    return Progress(done=True, text=_text("ConfigRendered", rendered))


def _text(kind: str, condition: Mapping[str, Any] | None) -> str:
    if condition is None:
        return f"condition {kind} is missing"
    return f"{kind} is {condition['status']} ({condition['reason']}): {condition['message']}"


def self_test(
    *,
    kubeconfig: Annotated[
        Path | None, typer.Option(help="Kubeconfig file, to run outside of the cluster.")
    ] = None,
    context: Annotated[
        str | None, typer.Option(help="Context of that file; required when it has several.")
    ] = None,
    in_cluster: Annotated[
        bool, typer.Option("--in-cluster", help="Use the pod's ServiceAccount.")
    ] = False,
    namespace: Annotated[
        str, typer.Option(help="Namespace of the platform; the operator must watch it.")
    ],
    timeout_seconds: Annotated[
        float, typer.Option(min=1, help="Fail when a step has taken so long.")
    ] = 60.0,
) -> None:
    """Have the operator reconcile a stopped platform, then delete it with all it has.

    No pod is started and no volume is provisioned. Exit code 1: the operator did not reconcile it,
    or something of it remains.
    """
    if in_cluster == (kubeconfig is not None):
        raise typer.BadParameter(
            "no cluster selected, or two; pass either --kubeconfig FILE or --in-cluster"
        )
    try:
        asyncio.run(_connect_and_test(kubeconfig, context, namespace, timeout_seconds))
    except SelfTestError as error:
        fail(str(error), 1)
    except ApiError as error:
        fail(f"namespace {namespace}: the API server refused a request: {error}", 1)
    typer.echo("self-test: succeeded")


async def _connect_and_test(
    path: Path | None, context: str | None, namespace: str, timeout_seconds: float
) -> None:
    try:
        connection = read_in_cluster() if path is None else await read_kubeconfig(path, context)
        opened = KubeClient(connection)
    except (CredentialsError, OSError) as error:
        raise typer.BadParameter(f"credentials of the cluster cannot be read: {error}") from None
    task = asyncio.current_task()
    assert task is not None  # noqa: S101 - of asyncio.run
    # A pod that is deleted removes its platform before it ends.
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
    async with opened as client:
        await _SelfTest(client, namespace, timeout_seconds).run()


class _SelfTest:
    """One test, of a platform with a name of its own."""

    def __init__(self, client: KubeClient, namespace: str, timeout_seconds: float) -> None:
        self._client = client
        self._namespace = namespace
        self._timeout_seconds = timeout_seconds
        self._name = f"self-test-{secrets.token_hex(3)}"
        self._where = f"{namespace}/{self._name}"

    async def run(self) -> None:
        """Create, observe, delete; what was created is deleted in any case.

        Raises:
            SelfTestError: a step has failed; all problems are named.
            ApiError: nothing was created.
        """
        await self._create()
        problems = []
        try:
            await self._observe()
        except asyncio.CancelledError:
            problems.append(f"{self._where}: interrupted")
        except (SelfTestError, ApiError) as error:
            problems.append(str(error))
        try:
            await self._delete()
        except (SelfTestError, ApiError) as error:
            problems.append(str(error))
        if problems:
            raise SelfTestError("\n".join(problems))

    async def _create(self) -> None:
        try:
            await self._client.create(stopped_platform(self._namespace, self._name))
        except NotFoundError as error:
            if "namespaces" in error.message:
                raise SelfTestError(
                    f'namespace "{self._namespace}" not found; create it, or choose another one'
                ) from None
            raise SelfTestError(
                f"{keys.PLURAL}.{keys.GROUP}: not served by this cluster; install the CRD"
            ) from None
        typer.echo(f"{self._where}: created, a PryvPlatform that is stopped")

    async def _observe(self) -> None:
        """Wait until the operator has reconciled the platform, and count what it created."""
        state = Progress(done=False, text="")

        async def reconciled() -> bool:
            nonlocal state
            found = await self._client.get(PLATFORMS, self._namespace, self._name)
            if found is None:
                raise SelfTestError(f"{self._where}: deleted by another client")
            state = progress(found)
            return state.done

        seconds = await _wait(reconciled, self._timeout_seconds)
        if seconds is None:
            limit = f"{self._timeout_seconds:g} s"
            raise SelfTestError(f"{self._where}: not reconciled within {limit}: {state.text}")
        counts = await self._counts()
        if not counts:
            raise SelfTestError(f"{self._where}: reconciled, but no objects were created for it")
        typer.echo(f"{self._where}: {state.text}")
        typer.echo(f"{self._where}: reconciled within {seconds:.1f} s: {_listed(counts)}")

    async def _delete(self) -> None:
        """Delete the platform, and wait until the cluster has deleted all it had."""

        async def gone() -> bool:
            found = await self._client.get(PLATFORMS, self._namespace, self._name)
            if found is not None:
                # No effect if the operator has written the status in between: then it is repeated.
                await self._client.delete(found)
                return False
            return not await self._counts()

        if await _wait(gone, self._timeout_seconds) is None:
            remaining = _listed(await self._counts()) or "the PryvPlatform"
            raise SelfTestError(
                f"{self._where}: {remaining} not deleted within {self._timeout_seconds:g} s; "
                "check the garbage collector of the controller manager"
            )
        typer.echo(f"{self._where}: deleted, with all that was created for it")

    async def _counts(self) -> dict[str, int]:
        """Kind → number of objects of the platform, without kinds that it has none of."""
        return {
            resource.kind: count
            for resource in _COUNTED
            if (count := len(await self._objects(resource)))
        }

    async def _objects(self, resource: Resource) -> list[Object]:
        return await self._client.list(
            resource, self._namespace, labels=f"{keys.PLATFORM}={self._name}"
        )


async def _wait(condition: Callable[[], Awaitable[bool]], limit: float) -> float | None:
    """Seconds until the condition held; None when it did not within the limit."""
    clock = asyncio.get_running_loop().time
    start = clock()
    while not await condition():
        if clock() - start > limit:
            return None
        await asyncio.sleep(_POLL_SECONDS)
    return clock() - start


def _listed(counts: Mapping[str, int]) -> str:
    """As in ``18 Service, 2 Deployment``."""
    return ", ".join(f"{count} {kind}" for kind, count in counts.items())
