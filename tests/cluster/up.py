"""`python -m tests.cluster.up`: start the cluster, say how to reach it, and stop it cleanly at Ctrl-C."""

from __future__ import annotations

import signal
import sys
import threading

from tests.cluster.binaries import BuildError
from tests.cluster.control_plane import ControlPlane
from tests.cluster.processes import ServerDiedError
from tests.cluster.simulated_nodes import SimulatedNodes
from tests.cluster.waiting import WaitedTooLongError


def main() -> int:
    for ending in (
        signal.SIGINT,
        signal.SIGTERM,
    ):  # SIGINT too: it is ignored when a shell starts us in the background
        signal.signal(ending, signal.default_int_handler)
    try:
        with ControlPlane(echo=_echo) as cluster, SimulatedNodes(cluster, echo=_echo):
            _echo(f"export KUBECONFIG={cluster.kubeconfig}")
            _echo(
                f"export PATH={cluster.binaries.kubectl.parent}:$PATH   # kubectl and helm of the same version"
            )
            _echo("Ctrl-C stops it and removes everything.")
            threading.Event().wait()
    except KeyboardInterrupt:
        _echo("stopped")
    except (BuildError, ServerDiedError, WaitedTooLongError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


def _echo(line: str) -> None:
    print(line, flush=True)


if __name__ == "__main__":
    sys.exit(main())
