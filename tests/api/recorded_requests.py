"""A reconciler in this process whose requests are recorded."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from pryv_operator.api.kubernetes import Object
from pryv_operator.child_processes.pool import ChildProcesses
from pryv_operator.kube.client import KubeClient
from pryv_operator.kube.credentials import read_kubeconfig
from pryv_operator.kube.transport import Request
from pryv_operator.kube.work_queue import Key
from pryv_operator.reconcile.domains import Domains
from pryv_operator.reconcile.followed import Followed
from pryv_operator.reconcile.memory import Memory
from pryv_operator.reconcile.reconciler import Reconciler
from pryv_operator.reconcile.reference_index import References
from pryv_operator.reconcile.settings import Settings
from tests.cluster.control_plane import ControlPlane


@dataclass(frozen=True)
class Recorded:
    """A request. ``plural``: of its resource."""

    method: str
    plural: str
    name: str
    dry_run: bool

    @property
    def writes(self) -> bool:
        return self.method != "GET"


class RecordingTransport:
    """Records the requests to one namespace in the order in which they are sent."""

    def __init__(self, transport: Any, namespace: str) -> None:
        self._transport = transport
        self._prefix = f"/namespaces/{namespace}/"
        self.requests: list[Recorded] = []

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)

    async def send(self, request: Request) -> Object:
        """Record a request and send it."""
        plural, _, name = request.path.partition(self._prefix)[2].partition("/")
        if not name and isinstance(request.body, dict):
            name = request.body["metadata"]["name"]
        dry_run = request.query.get("dryRun") is not None
        self.requests.append(Recorded(request.method, plural, name, dry_run))
        answer: Object = await self._transport.send(request)
        return answer


class RecordedReconciler:
    """Reconciles the platform ``acme`` of a namespace."""

    def __init__(self, reconcile: Reconciler, transport: RecordingTransport, namespace: str):
        self._reconcile = reconcile
        self._transport = transport
        self._key = Key(namespace, "acme")
        #: Seconds until the next reconciliation, by the last one.
        self.requeue_after: float | None = None

    async def reconcile(self) -> list[Recorded]:
        """Reconcile once; return the requests."""
        self._transport.requests = []
        self.requeue_after = await self._reconcile(self._key)
        return self._transport.requests


@asynccontextmanager
async def recorded_reconciler(
    control_plane: ControlPlane, namespace: str
) -> AsyncIterator[RecordedReconciler]:
    """A reconciler with its own client. No operator should run meanwhile."""
    configuration = await read_kubeconfig(control_plane.kubeconfig)
    children = ChildProcesses()
    async with KubeClient(configuration) as client:
        transport = RecordingTransport(client._transport, namespace)
        client._transport = transport  # type: ignore[assignment]
        settings = Settings(cluster_dns="10.96.0.10")
        memory = Memory(Followed(client, [None], lambda _: None))  # nothing runs its watches
        reconciler = Reconciler(
            client, settings, References(), Domains(lambda _: None), children, memory
        )
        try:
            yield RecordedReconciler(reconciler, transport, namespace)
        finally:
            await children.close()
