"""What reconciles, loaded when the first reconciliation is due.

It is most of the program: templates, models of the spec, certificates, the desired state. A process
that watches, serves probes and stands for election needs none of it, and may wait for weeks.
"""

from __future__ import annotations

import asyncio
import gc
from typing import TYPE_CHECKING

from pryv_operator.child_processes.pool import ChildProcesses
from pryv_operator.kube.client import KubeClient
from pryv_operator.kube.work_queue import Key
from pryv_operator.reconcile.domains import Domains
from pryv_operator.reconcile.memory import Memory
from pryv_operator.reconcile.reference_index import References
from pryv_operator.reconcile.settings import Settings

if TYPE_CHECKING:
    from pryv_operator.reconcile.reconciler import Reconciler


class LazyReconciler:
    """A Reconciler that is loaded by its first call."""

    def __init__(
        self,
        client: KubeClient,
        settings: Settings,
        references: References,
        domains: Domains,
        children: ChildProcesses,
        memory: Memory,
    ) -> None:
        """As that of the Reconciler."""
        self._memory = memory
        self._references = references
        self._parts = (client, settings, references, domains, children, memory)
        self._loading = asyncio.Lock()
        self._reconciler: Reconciler | None = None

    async def __call__(self, key: Key) -> float | None:
        """Reconcile a platform, as the Reconciler does."""
        async with self._loading:
            if self._reconciler is None:
                reconciler = await asyncio.to_thread(_load)
                self._reconciler = reconciler(*self._parts)
        return await self._reconciler(key)

    def forget(self, key: Key) -> None:
        """Remember nothing of a platform that another process reconciles from now on."""
        if self._reconciler:
            self._reconciler.forget(key)
        else:  # it may be at rest since an earlier process
            self._memory.forget(key)
            self._references.forget(key)


def _load() -> type[Reconciler]:
    """Import it. In a thread: the lease is renewed, and probes are answered, meanwhile."""
    from pryv_operator.reconcile.reconciler import Reconciler  # noqa: PLC0415

    # As at the start of the process: what stays need not be looked through by each collection.
    gc.collect()
    gc.freeze()
    return Reconciler
