"""Where a scenario is played: a namespace, an operator of its own, and the proxy it speaks through."""

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

from tests.cluster.waiting import WaitedTooLongError
from tests.faults import compare
from tests.faults.compare import Picture, Run
from tests.faults.faults import LOSES_EVENTS, Counted, Fault
from tests.faults.proxy import FaultProxy
from tests.faults.restorable import RestorableControlPlane
from tests.faults.scenarios import Scenario

Object = dict[str, Any]
Found = TypeVar("Found")

#: For a busy machine: nothing takes so long by itself.
PATIENCE_SECONDS: Final = 60.0
_MINE: Final = "app.kubernetes.io/managed-by=pryv-operator"
_PLATFORM: Final = "/apis/pryv.io/v1alpha1/namespaces/{}/pryvplatforms/acme"
_WRITTEN: Final = {
    "Service": "/api/v1/namespaces/{}/services",
    "PersistentVolumeClaim": "/api/v1/namespaces/{}/persistentvolumeclaims",
    "ConfigMap": "/api/v1/namespaces/{}/configmaps",
    "Secret": "/api/v1/namespaces/{}/secrets",
    "NetworkPolicy": "/apis/networking.k8s.io/v1/namespaces/{}/networkpolicies",
    "Deployment": "/apis/apps/v1/namespaces/{}/deployments",
    "StatefulSet": "/apis/apps/v1/namespaces/{}/statefulsets",
    "ControllerRevision": "/apis/apps/v1/namespaces/{}/controllerrevisions",
}
#: What stays when a platform is deleted: data, and the keys to them.
_STAYS: Final = ("PersistentVolumeClaim", "Secret")


async def until(
    check: Callable[[], Awaitable[Found | None]], what: str, *, seconds: float = PATIENCE_SECONDS
) -> Found:
    """Ask until the answer is true-ish; an API server that does not answer is no answer."""
    deadline = time.monotonic() + seconds
    while True:
        with contextlib.suppress(aiohttp.ClientError, OSError):
            if found := await check():
                return found
        if time.monotonic() >= deadline:
            raise WaitedTooLongError(f"waited {seconds:g} s for {what}")
        await asyncio.sleep(0.1)


@dataclass
class Rig:
    """What all stages share: the API server, and where operators come from."""

    control_plane: RestorableControlPlane
    kubeconfig: Path
    nursery: Path
    session: aiohttp.ClientSession
    tls: ssl.SSLContext

    async def call(
        self, method: str, path: str, body: Any = None, content_type: str = "application/json"
    ) -> Object | None:
        """As a user: the answer, or None when there is no such object."""
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
    async def stage(self, *arguments: str) -> AsyncIterator[Stage]:
        """A new namespace with an operator that is not started yet."""
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
            stage = Stage(self, name, proxy, kubeconfig, arguments)
            try:
                yield stage
            finally:
                await stage.close()
                with contextlib.suppress(aiohttp.ClientError, OSError):
                    await self.call("DELETE", f"/api/v1/namespaces/{name}")


@dataclass
class Stage:
    """One namespace, one operator."""

    rig: Rig
    namespace: str
    proxy: FaultProxy
    kubeconfig: Path
    arguments: tuple[str, ...] = ()
    #: How often the operator was started.
    lives: int = 0
    pid: int | None = None
    #: Points until it was at rest for the first time, one pass that finds nothing to do included.
    counts: Mapping[Counted, int] = field(default_factory=dict)
    _poked: int = 0
    _keeper: asyncio.Task[None] | None = field(default=None)
    _killed: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def log(self) -> Path:
        """What the operators of this stage have written."""
        return self.rig.control_plane.folder / "logs" / f"{self.namespace}.log"

    async def start(self) -> None:
        """Start the operator, and again whenever it is killed."""
        await self._start()
        if self._keeper is None:
            self._keeper = asyncio.create_task(self._keep())

    async def _start(self) -> None:
        arguments = [
            "run",
            f"--kubeconfig={self.kubeconfig}",
            f"--namespace={self.namespace}",
            "--listen=127.0.0.1:0",
            "--gather-seconds=0.1",
            *self.arguments,
        ]
        reader, writer = await asyncio.open_unix_connection(self.rig.nursery)
        writer.write(json.dumps({"log": str(self.log), "arguments": arguments}).encode() + b"\n")
        self.pid = int(await reader.readline())
        writer.close()
        self.lives += 1

    async def _keep(self) -> None:
        while True:
            await self._killed.wait()
            self._killed.clear()
            await self._start()

    def kill(self) -> None:
        """SIGKILL; it is started again."""
        self.end()
        self._killed.set()

    def end(self) -> None:
        """SIGKILL, and no more."""
        if self.pid is not None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, signal.SIGKILL)
        self.pid = None

    def check_alive(self) -> None:
        """Nothing but the test may end an operator, and none may meet a mistake of its own."""
        text = self.log.read_text() if self.log.exists() else ""
        assert "Traceback" not in text, text[-5000:]
        assert "unexpected" not in text, text[-5000:]
        if self.pid is not None:
            try:
                os.kill(self.pid, 0)
            except ProcessLookupError:
                raise AssertionError(f"the operator ended by itself:\n{text[-5000:]}") from None

    async def close(self) -> None:
        """End the operator."""
        if self._keeper:
            self._keeper.cancel()
            await asyncio.gather(self._keeper, return_exceptions=True)
        self.end()

    async def apply(self, *objects: Object) -> None:
        """As `kubectl apply --server-side` does it."""
        for item in objects:
            group = "/apis/pryv.io/v1alpha1" if item["kind"] == "PryvPlatform" else "/api/v1"
            plural = f"{item['kind'].lower()}s"
            path = f"{group}/namespaces/{self.namespace}/{plural}/{item['metadata']['name']}?fieldManager=somebody&force=true"
            await self.rig.call("PATCH", path, item, "application/apply-patch+yaml")

    async def delete(self, propagation: str) -> None:
        """Delete the platform."""
        await self.rig.call("DELETE", self._path(_PLATFORM), {"propagationPolicy": propagation})

    def _path(self, path: str) -> str:
        return path.format(self.namespace)

    async def _platform(self) -> Object | None:
        return await self.rig.call("GET", self._path(_PLATFORM))

    async def _list(self, path: str, selector: str = _MINE) -> list[Object]:
        found = await self.rig.call("GET", f"{self._path(path)}?labelSelector={selector}")
        items: list[Object] = (found or {}).get("items") or []
        return items

    async def _pods(self) -> list[Object]:
        return await self._list("/api/v1/namespaces/{}/pods")

    async def picture(self, earlier: Picture = compare.NOTHING) -> Picture:
        """What is there now; generated values that were there earlier are known by their names."""
        items: list[Object] = []
        for kind, path in _WRITTEN.items():
            selector = f"{_MINE},pryv.io/purpose=history" if kind == "ControllerRevision" else _MINE
            items += [{"kind": kind, **item} for item in await self._list(path, selector)]
        resource = await self._platform()
        if resource:
            items.append(resource)
        return compare.picture(items, await self._pods(), self.namespace, earlier.values)

    async def at_rest(
        self, ends: str | None, revision: int = 1, seconds: float = PATIENCE_SECONDS
    ) -> None:
        """Wait until the platform is as it should end, and a whole pass since then has written nothing."""
        await self._until(
            lambda: self._rests(ends, revision), f"{ends or 'its end'}, and rest", seconds
        )

    async def _until(
        self, check: Callable[[], Awaitable[bool]], what: str, seconds: float = PATIENCE_SECONDS
    ) -> None:
        """Wait; if it takes too long, that is a failure, told with what there is to know."""
        try:
            await until(check, what, seconds=seconds)
        except WaitedTooLongError as error:
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

    async def _rests(self, ends: str | None, revision: int = 1) -> bool:
        await self.proxy.late_ones()
        if not await self._has_ended(ends, revision):
            return False
        before = len(self.proxy.requests)
        resource, pods = await self._platform(), await self._pods()
        await self._poke()
        begun = await until(lambda: self._passes_since(before, 1), "a pass")
        await self._poke()
        ended = await until(lambda: self._passes_since(begun, 1), "another pass")
        self.counts = self.counts or dict(self.proxy.counts)
        if any(request.changes for request in self.proxy.requests[begun - 1 : ended]):
            return False
        return (await self._platform(), await self._pods()) == (resource, pods)

    async def _passes_since(self, start: int, count: int) -> int | None:
        """Where so many passes have begun."""
        found = [
            index
            for index, request in enumerate(self.proxy.requests)
            if index >= start and request.begins_pass
        ]
        return found[count - 1] + 1 if len(found) >= count else None

    async def _has_ended(self, ends: str | None, revision: int = 1) -> bool:
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

    async def gives_reason(self, reason: str) -> None:
        """Wait until the Ready condition gives this reason."""

        async def gives() -> bool:
            conditions = ((await self._platform() or {}).get("status") or {}).get("conditions", ())
            return any(each["type"] == "Ready" and each["reason"] == reason for each in conditions)

        await self._until(gives, reason)

    async def _dependents(self) -> list[str]:
        """What should go with the platform, and is still there."""
        found = [
            item["metadata"]["name"]
            for kind, path in _WRITTEN.items()
            if kind not in _STAYS
            for item in await self._list(path)
        ]
        config = await self._list(_WRITTEN["Secret"], f"{_MINE},pryv.io/purpose=config")
        return found + [each["metadata"]["name"] for each in (*config, *await self._pods())]

    async def _poke(self) -> None:
        """Have the operator look: something that is none of its business changes on an object of its own."""
        self._poked += 1
        there = await self._list(_WRITTEN["Secret"], f"{_MINE},pryv.io/purpose=hash-key")
        body: Mapping[str, Any] = {
            "metadata": {"annotations": {"example.com/poked": str(self._poked)}}
        }
        path = f"{self._path(_WRITTEN['Secret'])}/{there[0]['metadata']['name']}"
        await self.rig.call("PATCH", path, body, "application/merge-patch+json")


@dataclass(frozen=True)
class Played:
    """A run, and what came of its faults. ``counts``: how many points of each kind it had."""

    run: Run
    happened: int
    counts: Mapping[Counted, int]
    seconds: float


async def play(rig: Rig, scenario: Scenario, faults: tuple[Fault, ...] = ()) -> Played:
    """A scenario, with faults."""
    began = time.monotonic()
    loses = any(fault.kind in LOSES_EVENTS for fault in faults)
    async with rig.stage(*(["--resync-seconds=2"] if loses else [])) as stage:
        before = compare.NOTHING
        if scenario.before:
            await stage.start()
            await stage.apply(*scenario.before)
            await stage.at_rest("Ready")
            before = await stage.picture()
        if scenario.restart:
            stage.end()
        stage.proxy.begin(faults, stage.kill)
        stage.counts = {}
        await begin(stage, scenario)
        await stage.at_rest(scenario.ends, scenario.revision)
        happened = len(stage.proxy.happened)
        after = await stage.picture(before)
        stage.check_alive()
        return Played(
            compare.run(before, after, stage.proxy.requests),
            happened,
            stage.counts,
            time.monotonic() - began,
        )


async def begin(stage: Stage, scenario: Scenario) -> None:
    """What a scenario is about."""
    if scenario.restart or not scenario.before:
        await stage.start()
    if scenario.change:
        await stage.apply(*scenario.change)
    if scenario.then:
        await stage.gives_reason(scenario.when)
        await stage.apply(*scenario.then)
    if scenario.deletes:
        await stage.delete(scenario.deletes)
