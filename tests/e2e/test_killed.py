"""A cluster of our own ends with its tests, even if they are killed, and leaves nothing."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cluster.kind.cluster import KindCluster
from tests.cluster.kind.prepared import kind_cache
from tests.cluster.waiting import wait_until

_CLUSTER = """
import sys, time
from tests.cluster.kind.cluster import running_cluster
with running_cluster(lambda line: None) as cluster:
    print(cluster.kubeconfig.parent, flush=True)
    time.sleep(600)
"""
_GONE_SECONDS = 60


@pytest.mark.long
def test_killed_tests_leave_nothing(cluster: KindCluster) -> None:
    """No process, mount, network, control group or data, after SIGKILL of the test process."""
    if not (kind_cache() / "runs").is_dir() or str(kind_cache()) not in str(cluster.kubeconfig):
        pytest.skip("only for a cluster of our own engine")
    killed = subprocess.Popen(
        [sys.executable, "-c", _CLUSTER],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "CLUSTER": "own"},
        cwd=Path(__file__).parents[2],
    )
    assert killed.stdout is not None
    line = killed.stdout.readline().strip()
    assert line, "the cluster has not started"
    run = Path(line)
    network = (Path("/proc") / (run / "engine" / "pid").read_text() / "ns" / "net").readlink()
    assert list(_processes_in(network))
    assert list(_control_groups(run.name))
    os.kill(killed.pid, signal.SIGKILL)
    killed.wait()
    wait_until(
        lambda: not list(_processes_in(network)), "the processes' end", seconds=_GONE_SECONDS
    )
    wait_until(lambda: not (run / "engine").exists(), "the data to go", seconds=_GONE_SECONDS)
    assert list(_control_groups(run.name)) == []
    assert str(run) not in Path("/proc/self/mountinfo").read_text()


def _processes_in(network: Path) -> Iterator[int]:
    """Network namespaces go with their last process; so do mounts and rules in them."""
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if (process / "ns" / "net").readlink() == network:
                yield int(process.name)
        except OSError:
            continue  # it has ended meanwhile


def _control_groups(run: str) -> Iterator[Path]:
    for folder, names, _files in os.walk("/sys/fs/cgroup"):
        for name in names:
            if name.endswith(run):
                yield Path(folder) / name
