"""`python -m tests.cluster.up`: start the cluster, print its kubeconfig, stop it at Ctrl-C."""

from __future__ import annotations

import signal
import sys
import threading

from tests.cluster.binaries import BuildError
from tests.cluster.control_plane import ControlPlane
from tests.cluster.processes import ServerExitedError
from tests.cluster.simulated_nodes import SimulatedNodes
from tests.cluster.waiting import WaitTimeoutError


def main() -> int:
    # SIGINT too: it is ignored by default in a process that a shell starts in the background.
    for ending in (signal.SIGINT, signal.SIGTERM):
        signal.signal(ending, signal.default_int_handler)
    try:
        with ControlPlane(echo=_echo) as cluster, SimulatedNodes(cluster, echo=_echo):
            _echo(f"export KUBECONFIG={cluster.kubeconfig}")
            _echo(f"export PATH={cluster.binaries.kubectl.parent}:$PATH  # kubectl and helm")
            _echo("Ctrl-C stops the cluster and removes its data.")
            threading.Event().wait()
    except KeyboardInterrupt:
        _echo("stopped")
    except (BuildError, ServerExitedError, WaitTimeoutError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


def _echo(line: str) -> None:
    print(line, flush=True)


if __name__ == "__main__":
    sys.exit(main())
