"""`python -m tests.cluster.kind.up`: a cluster that runs on, and how to look around in it."""

from __future__ import annotations

import sys

from tests.cluster.binaries import BuildError
from tests.cluster.cache import print_with_time
from tests.cluster.control_plane import KubectlError
from tests.cluster.kind.cluster import running_cluster
from tests.cluster.kind.debian import UnavailableError
from tests.cluster.processes import ServerExitedError
from tests.cluster.waiting import WaitTimeoutError


def main() -> int:
    """Start a cluster and leave it."""
    try:
        with running_cluster(print_with_time, keep=True):
            pass
    except (
        BuildError,
        KubectlError,
        ServerExitedError,
        UnavailableError,
        WaitTimeoutError,
    ) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
