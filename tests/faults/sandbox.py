"""A sandbox runs one scenario: a namespace with an operator of its own behind a fault proxy."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import secrets
import signal
import ssl
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, TypeVar

import aiohttp

from tests.cluster.waiting import WaitTimeoutError
from tests.faults import compare
from tests.faults.compare import Run, Snapshot
from tests.faults.etcd_backup import ControlPlaneWithBackup
from tests.faults.faults import LOSE_EVENTS, Counted, Fault
from tests.faults.proxy import FaultProxy
from tests.faults.scenarios import Scenario

Object = dict[str, Any]
Found = TypeVar("Found")

#: Generous, for a busy machine. After an outage, operator, controllers and simulated kubelet are in
#: backoff, too.
TIMEOUT_SECONDS: Final = 180.0
#: A trigger whose event is lost is repeated after so long.
_RETRIGGER_SECONDS: Final = 5.0
_MANAGED: Final = "app.kubernetes.io/managed-by=pryv-operator"
_PLATFORM: Final = "/apis/pryv.io/v1alpha1/namespaces/{}/pryvplatforms/acme"
_MANAGED_PATHS: Final = {
    "Service": "/api/v1/namespaces/{}/services",
    "PersistentVolumeClaim": "/api/v1/namespaces/{}/persistentvolumeclaims",
    "ConfigMap": "/api/v1/namespaces/{}/configmaps",
    "Secret": "/api/v1/namespaces/{}/secrets",
    "NetworkPolicy": "/apis/networking.k8s.io/v1/namespaces/{}/networkpolicies",
    "PodDisruptionBudget": "/apis/policy/v1/namespaces/{}/poddisruptionbudgets",
    "Deployment": "/apis/apps/v1/namespaces/{}/deployments",
    "StatefulSet": "/apis/apps/v1/namespaces/{}/statefulsets",
    "ControllerRevision": "/apis/apps/v1/namespaces/{}/controllerrevisions",
}
#: Kinds that are retained when a platform is deleted: data, and the secrets that belong to it.
_RETAINED: Final = ("PersistentVolumeClaim", "Secret")


async def until(
    check: Callable[[], Awaitable[Found | None]], what: str, *, seconds: float = TIMEOUT_SECONDS
) -> Found:
    """Poll `check` until it returns a true value; connection errors count as false."""
    deadline = time.monotonic() + seconds
    while True:
        with contextlib.suppress(aiohttp.ClientError, OSError):
            if found := await check():
                return found
        if time.monotonic() >= deadline:
            raise WaitTimeoutError(f"waited {seconds:g} s for {what}")
        await asyncio.sleep(0.1)


@dataclass
class Rig:
    """What all sandboxes share: the control plane and the fork server of operators."""

    control_plane: ControlPlaneWithBackup
    kubeconfig: Path
    fork_server: Path
    session: aiohttp.ClientSession
    tls: ssl.SSLContext

    async def call(
        self, method: str, path: str, body: Any = None, content_type: str = "application/json"
    ) -> Object | None:
        """Send a request as an administrator; return the body, or None for status 404."""
        headers = {
            "Authorization": f"Bearer {self.control_plane.token}",
            "Content-Type": content_type,
        }
        data = None if body is None else json.dumps(body)
        async with self.session.request(
            method, self.control_plane.url + path, headers=headers, data=data, ssl=self.tls
        ) as answer:
            text = await answer.text()
            if answer.status == 404:
                return None
            if answer.status >= 500:
                raise ConnectionError(text[:500])
            assert answer.status < 400, f"{method} {path}: {text[:2000]}"
            found: Object = json.loads(text)
            return found

    @asynccontextmanager
    async def sandbox(self, *arguments: str) -> AsyncIterator[Sandbox]:
        """A new namespace with an operator, not yet started, that gets these arguments."""
        name = f"test-{secrets.token_hex(4)}"
        async with FaultProxy(self.control_plane.url, self.session, self.tls) as proxy:
            await self.call("POST", "/api/v1/namespaces", {"metadata": {"name": name}})
            await until(
                lambda: self.call("GET", f"/api/v1/namespaces/{name}/serviceaccounts/default"),
                "the service account",
            )
            kubeconfig = self.control_plane.folder / f"{name}.kubeconfig"
            document = json.loads(self.kubeconfig.read_text())
            document["clusters"][0]["cluster"] = {"server": proxy.url}
            kubeconfig.touch(mode=0o600)
            kubeconfig.write_text(json.dumps(document))
            sandbox = Sandbox(self, name, proxy, kubeconfig, arguments)
            try:
                yield sandbox
            finally:
                await sandbox.close()
                with contextlib.suppress(aiohttp.ClientError, OSError):
                    await self.call("DELETE", f"/api/v1/namespaces/{name}")


@dataclass
class Sandbox:
    """One namespace with one operator. Killed by a fault, the operator is restarted."""

    rig: Rig
    namespace: str
    proxy: FaultProxy
    kubeconfig: Path
    arguments: tuple[str, ...] = ()
    #: Number of starts of the operator.
    starts: int = 0
    pid: int | None = None
    #: Requests and events by counter until the first steady state, including one reconciliation
    #: that finds nothing to do.
    counts: Mapping[Counted, int] = field(default_factory=dict)
    _triggers: int = 0
    _restarter: asyncio.Task[None] | None = field(default=None)
    _killed: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def log(self) -> Path:
        """The log of all operators of this sandbox."""
        return self.rig.control_plane.folder / "logs" / f"{self.namespace}.log"

    async def start(self) -> None:
        """Start the operator, and restart it whenever `kill` ends it."""
        await self._start()
        if self._restarter is None:
            self._restarter = asyncio.create_task(self._restart_when_killed())

    async def _start(self) -> None:
        arguments = [
            "run",
            f"--kubeconfig={self.kubeconfig}",
            f"--namespace={self.namespace}",
            "--listen=127.0.0.1:0",
            "--batch-seconds=0.1",
            *self.arguments,
        ]
        reader, writer = await asyncio.open_unix_connection(self.rig.fork_server)
        writer.write(json.dumps({"log": str(self.log), "arguments": arguments}).encode() + b"\n")
        self.pid = int(await reader.readline())
        writer.close()
        self.starts += 1

    async def _restart_when_killed(self) -> None:
        while True:
            await self._killed.wait()
            self._killed.clear()
            await self._start()

    def kill(self) -> None:
        """Send SIGKILL; the operator is restarted."""
        self.stop()
        self._killed.set()

    def stop(self) -> None:
        """Send SIGKILL without a restart."""
        if self.pid is not None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, signal.SIGKILL)
        self.pid = None

    def check_alive(self) -> None:
        """Fail if the operator has exited by itself or has logged a traceback."""
        text = self.log.read_text() if self.log.exists() else ""
        assert "Traceback" not in text, text[-5000:]
        assert "unexpected" not in text, text[-5000:]
        if self.pid is not None:
            try:
                os.kill(self.pid, 0)
            except ProcessLookupError:
                raise AssertionError(f"the operator exited by itself:\n{text[-5000:]}") from None

    async def close(self) -> None:
        """Stop the operator for good."""
        if self._restarter:
            self._restarter.cancel()
            await asyncio.gather(self._restarter, return_exceptions=True)
        self.stop()

    async def apply(self, *objects: Object) -> None:
        """Apply objects as `kubectl apply --server-side` does."""
        for item in objects:
            group = "/apis/pryv.io/v1alpha1" if item["kind"] == "PryvPlatform" else "/api/v1"
            plural = f"{item['kind'].lower()}s"
            path = f"{group}/namespaces/{self.namespace}/{plural}/{item['metadata']['name']}"
            path += "?fieldManager=user&force=true"
            await self.rig.call("PATCH", path, item, "application/apply-patch+yaml")

    async def delete(self, propagation: str) -> None:
        """Delete the platform."""
        await self.rig.call("DELETE", self._path(_PLATFORM), {"propagationPolicy": propagation})

    def _path(self, path: str) -> str:
        return path.format(self.namespace)

    async def _platform(self) -> Object | None:
        return await self.rig.call("GET", self._path(_PLATFORM))

    async def _list(self, path: str, selector: str = _MANAGED) -> list[Object]:
        found = await self.rig.call("GET", f"{self._path(path)}?labelSelector={selector}")
        items: list[Object] = (found or {}).get("items") or []
        return items

    async def _pods(self) -> list[Object]:
        return await self._list("/api/v1/namespaces/{}/pods")

    async def snapshot(self, earlier: Snapshot = compare.EMPTY) -> Snapshot:
        """The current state; generated values keep the placeholders they had `earlier`."""
        items: list[Object] = []
        for kind, path in _MANAGED_PATHS.items():
            is_history = kind == "ControllerRevision"
            selector = f"{_MANAGED},pryv.io/purpose=history" if is_history else _MANAGED
            items += [{"kind": kind, **item} for item in await self._list(path, selector)]
        resource = await self._platform()
        if resource:
            items.append(resource)
        return compare.take_snapshot(items, await self._pods(), self.namespace, earlier.values)

    async def wait_steady(self, ends: str | None, revision: int = 1) -> None:
        """Wait until the platform has converged and a complete reconciliation writes nothing.

        Args:
            ends: the reason of the Ready condition; None: the platform and its objects are gone.
            revision: the number of its newest revision.
        """
        await self._until(
            lambda: self._is_steady(ends, revision),
            f"a steady state with {ends or 'no platform'}",
        )

    async def _until(self, check: Callable[[], Awaitable[bool]], what: str) -> None:
        """Wait; a timeout fails the test with conditions, last requests and log."""
        try:
            await until(check, what)
        except WaitTimeoutError as error:
            resource = await self._platform()
            conditions = [
                each
                for each in ((resource or {}).get("status") or {}).get("conditions", ())
                if each["type"] == "Ready"
            ]
            requests = "\n".join(map(str, self.proxy.requests[-30:]))
            raise AssertionError(
                f"{error}; it is {conditions}\n{requests}\n{self.log.read_text()[-3000:]}"
            ) from None

    async def _is_steady(self, ends: str | None, revision: int = 1) -> bool:
        await self.proxy.wait_delayed()
        if not await self._has_converged(ends, revision):
            return False
        before = len(self.proxy.requests)
        resource, pods = await self._platform(), await self._pods()
        first = await self._reconciliation_after(before)
        second = await self._reconciliation_after(first)
        self.counts = self.counts or dict(self.proxy.counts)
        if any(request.changes for request in self.proxy.requests[first - 1 : second]):
            return False
        return (await self._platform(), await self._pods()) == (resource, pods)

    async def _reconciliation_after(self, start: int) -> int:
        """Trigger a reconciliation; return the index after the request that starts it."""

        async def started() -> int | None:
            for index, request in enumerate(self.proxy.requests[start:], start):
                if request.starts_reconciliation:
                    return index + 1
            return None

        async def triggered() -> int | None:
            await self._trigger_reconciliation()
            with contextlib.suppress(WaitTimeoutError):
                return await until(started, "its start", seconds=_RETRIGGER_SECONDS)
            return None

        return await until(triggered, "a reconciliation")

    async def _has_converged(self, ends: str | None, revision: int = 1) -> bool:
        resource = await self._platform()
        if ends is None:
            return resource is None and not await self._dependents()
        if resource is None or any(
            pod["metadata"].get("deletionTimestamp") for pod in await self._pods()
        ):
            return False
        status = resource.get("status") or {}
        if (status.get("revision") or 0) < revision:
            return False
        ready = [each for each in status.get("conditions", ()) if each["type"] == "Ready"]
        return (
            bool(ready)
            and ready[0]["reason"] == ends
            and ready[0]["observedGeneration"] == resource["metadata"]["generation"]
        )

    async def wait_reason(self, reason: str) -> None:
        """Wait until the Ready condition has this reason."""

        async def gives() -> bool:
            conditions = ((await self._platform() or {}).get("status") or {}).get("conditions", ())
            return any(each["type"] == "Ready" and each["reason"] == reason for each in conditions)

        await self._until(gives, reason)

    async def _dependents(self) -> list[str]:
        """Names of objects that should be deleted with the platform but still exist."""
        found = [
            item["metadata"]["name"]
            for kind, path in _MANAGED_PATHS.items()
            if kind not in _RETAINED
            for item in await self._list(path)
        ]
        config = await self._list(_MANAGED_PATHS["Secret"], f"{_MANAGED},pryv.io/purpose=config")
        return found + [each["metadata"]["name"] for each in (*config, *await self._pods())]

    async def _trigger_reconciliation(self) -> None:
        """Trigger a reconciliation: set an annotation of another client on a managed Secret."""
        self._triggers += 1
        hash_keys = await self._list(
            _MANAGED_PATHS["Secret"], f"{_MANAGED},pryv.io/purpose=hash-key"
        )
        body: Mapping[str, Any] = {
            "metadata": {"annotations": {"example.com/trigger": str(self._triggers)}}
        }
        path = f"{self._path(_MANAGED_PATHS['Secret'])}/{hash_keys[0]['metadata']['name']}"
        await self.rig.call("PATCH", path, body, "application/merge-patch+json")


@dataclass(frozen=True)
class Outcome:
    """A run with the number of injected faults, and of requests and events by counter."""

    run: Run
    injected: int
    counts: Mapping[Counted, int]
    seconds: float


async def run_scenario(rig: Rig, scenario: Scenario, faults: tuple[Fault, ...] = ()) -> Outcome:
    """Run a scenario in a new sandbox with these faults."""
    began = time.monotonic()
    loses = any(fault.kind in LOSE_EVENTS for fault in faults)
    async with rig.sandbox(*(["--full-resync-seconds=2"] if loses else [])) as sandbox:
        before = compare.EMPTY
        if scenario.before:
            await sandbox.start()
            await sandbox.apply(*scenario.before)
            await sandbox.wait_steady("Ready")
            before = await sandbox.snapshot()
        if scenario.restart:
            sandbox.stop()
        sandbox.proxy.plan(faults, sandbox.kill)
        sandbox.counts = {}
        await apply_change(sandbox, scenario)
        await sandbox.wait_steady(scenario.ends, scenario.revision)
        injected = len(sandbox.proxy.injected)
        after = await sandbox.snapshot(before)
        sandbox.check_alive()
        return Outcome(
            compare.summarize(before, after, sandbox.proxy.requests),
            injected,
            sandbox.counts,
            time.monotonic() - began,
        )


async def apply_change(sandbox: Sandbox, scenario: Scenario) -> None:
    """Apply the change of a scenario, whose `before` is applied already."""
    if scenario.restart or not scenario.before:
        await sandbox.start()
    if scenario.change:
        await sandbox.apply(*scenario.change)
    if scenario.then:
        await sandbox.wait_reason(scenario.when)
        await sandbox.apply(*scenario.then)
    if scenario.deletes:
        await sandbox.delete(scenario.deletes)
