"""The event loop renews the lease, so it never looks at all objects of a platform."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import FrameType
from typing import Any

import pytest

import pryv_operator
from pryv_operator.api import labels_annotations as keys
from pryv_operator.child_processes.pool import ChildProcesses
from pryv_operator.kube.client import KubeClient
from pryv_operator.kube.credentials import read_kubeconfig
from pryv_operator.kube.errors import ConflictError
from pryv_operator.kube.work_queue import Key
from pryv_operator.reconcile.domains import Domains
from pryv_operator.reconcile.followed import Followed
from pryv_operator.reconcile.memory import Memory
from pryv_operator.reconcile.reconciler import Reconciler
from pryv_operator.reconcile.reference_index import References
from pryv_operator.reconcile.settings import Settings
from tests.api.operator_process import OperatorProcess
from tests.api.platforms import PlatformUser

_FOLDER = Path(pryv_operator.__file__).parent
#: Rooms and modules that compute from all files or objects of a platform.
_COMPUTE = (
    "compose/",
    "desired/components.py",
    "live/diff.py",
    "objects/",
    "rendering/",
    "rollout/deferral.py",
    "rollout/revision_record.py",
    "rollout/workloads.py",
)


@contextmanager
def computed_in_this_thread() -> Iterator[set[str]]:
    """Functions of these modules that the thread of the event loop calls."""
    found: set[str] = set()

    def profile(frame: FrameType, event: str, _: Any) -> None:
        path = frame.f_code.co_filename
        if event != "call" or not path.startswith(str(_FOLDER)):
            return
        module = str(Path(path).relative_to(_FOLDER))
        if module.startswith(_COMPUTE):
            found.add(f"{module}: {frame.f_code.co_name}")

    before = sys.getprofile()
    sys.setprofile(profile)
    try:
        yield found
    finally:
        sys.setprofile(before)


async def _reconcile(reconciler: Reconciler, key: Key) -> None:
    """As the queue does: what others have written meanwhile is a conflict, and is read again."""
    for _ in range(10):
        with suppress(ConflictError):
            await reconciler(key)
            return
    pytest.fail("a conflict in ten reconciliations, one after another")


@pytest.mark.parametrize("paused", [False, True], ids=["rolled out", "paused"])
async def test_the_event_loop_does_not_compute(
    user: PlatformUser, operator: OperatorProcess, paused: bool
) -> None:
    operator.stop()
    try:
        async with KubeClient(await read_kubeconfig(user.control_plane.kubeconfig)) as client:
            children = ChildProcesses()
            settings = Settings(cluster_dns="10.96.0.10")
            domains = Domains(lambda _: None)
            memory = Memory(Followed(client, [None], lambda _: None))
            reconciler = Reconciler(client, settings, References(), domains, children, memory)
            user.apply_platform()
            with computed_in_this_thread() as found:
                await _reconcile(reconciler, Key(user.namespace, "acme"))
                assert user.list("deployments")
                # Drift and a change; then the same once more, and a retry.
                user.patch("service", "acme-reg-register", {"spec": {"selector": {"x": "y"}}})
                changed = {"PLATFORM_NAME": "Changed"}
                rollout = {"rollout": {"paused": True}} if paused else {}
                user.apply_platform(variables=changed, **rollout)
                await _reconcile(reconciler, Key(user.namespace, "acme"))
                await _reconcile(reconciler, Key(user.namespace, "acme"))
                metadata = {"annotations": {keys.RECONCILE: "again"}}
                user.patch("pryvplatform", "acme", {"metadata": metadata})
                await _reconcile(reconciler, Key(user.namespace, "acme"))
            await children.close()
        assert len(user.list("controllerrevisions")) >= (1 if paused else 2)
        assert sorted(found) == []
    finally:
        operator.start()
