"""A platform that is deleted during its reconciliation: nothing is created for it again."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest

from pryv_operator.api.kubernetes import Object
from pryv_operator.child_processes.pool import ChildProcesses
from pryv_operator.kube.client import METADATA, KubeClient
from pryv_operator.kube.credentials import read_kubeconfig
from pryv_operator.kube.errors import ConflictError
from pryv_operator.kube.transport import Request
from pryv_operator.kube.work_queue import Key
from pryv_operator.reconcile.domains import Domains
from pryv_operator.reconcile.followed import Followed
from pryv_operator.reconcile.memory import Memory
from pryv_operator.reconcile.reconciler import Reconciler
from pryv_operator.reconcile.reference_index import References
from pryv_operator.reconcile.settings import Settings
from tests.api.platforms import PlatformUser
from tests.cluster.control_plane import ControlPlane

pytestmark = pytest.mark.cluster

#: Collections of what the platform owns: paths of lists end like this.
OWNED = (
    "services",
    "configmaps",
    "secrets",
    "networkpolicies",
    "poddisruptionbudgets",
    "deployments",
    "statefulsets",
    "controllerrevisions",
)


class EarlierAnswers:
    """A transport that answers lists as the API server did before the platform was deleted.

    Except for the kinds ``collected``, whose objects the garbage collector has deleted already.
    ``writes``: those that took effect.
    """

    def __init__(self, transport: Any) -> None:
        self._transport = transport
        self._answers: dict[str, Object] = {}
        self.collected: frozenset[str] | None = None
        self.writes: list[str] = []

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)

    async def send(self, request: Request) -> Object:
        """Record an answer; later, give it again."""
        key = f"{request} {request.query.get('labelSelector')} {request.accept}"
        if self.collected is not None and key in self._answers:
            return self._without_collected(key)
        answer: Object = await self._transport.send(request)
        if request.method != "GET":
            self.writes.append(str(request))
        elif request.accept != METADATA and self.collected is None:
            self._answers[key] = answer
        return answer

    def _without_collected(self, key: str) -> Object:
        answer = self._answers[key]
        if key.split()[1].rsplit("/", 1)[-1] not in (self.collected or ()):
            return answer
        kept = [item for item in answer["items"] if not _is_owned(item)]
        assert len(kept) < len(answer["items"]), key
        return {**answer, "items": kept}


def _is_owned(item: Object) -> bool:
    return bool(item["metadata"].get("ownerReferences"))


@pytest.fixture
async def client(control_plane: ControlPlane) -> AsyncIterator[KubeClient]:
    async with KubeClient(await read_kubeconfig(control_plane.kubeconfig)) as connected:
        yield connected


async def test_what_the_garbage_collector_has_deleted_is_not_created_again(
    user: PlatformUser, client: KubeClient
) -> None:
    # Of its own: this reconciler knows no other platforms, which the running operator warns about.
    two = {"reg-master": {"components": {"register": {"replicas": 2}}}}
    user.apply_platform(domain="meanwhile.acme.test", roles={"core": {}, "static": {}} | two)
    user.wait_steady()
    transport: Any = EarlierAnswers(client._transport)
    client._transport = transport
    settings = Settings(cluster_dns="10.96.0.10")
    memory = Memory(Followed(client, [None], lambda _: None))  # nothing runs its watches
    reconcile = Reconciler(
        client, settings, References(), Domains(lambda _: None), ChildProcesses(), memory
    )
    key = Key(user.namespace, "acme")
    await reconcile(key)
    assert transport.writes == []  # it is at rest
    user.delete("pryvplatform", "acme")
    user.wait_gone("controllerrevisions")  # the newest is asked for by its name, too
    for collected in (*({kind} for kind in OWNED), set(OWNED)):
        transport.collected = frozenset(collected)
        with pytest.raises(ConflictError, match='PryvPlatform "acme" was deleted'):
            await reconcile(key)
        assert transport.writes == [], collected
