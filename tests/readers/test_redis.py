"""redis reads the files of a master and its slave: it replicates, and register can write."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from pryv_operator.api.reasons import Reason
from tests.cluster.run_folder import RunFolder
from tests.cluster.waiting import wait_until
from tests.readers.platforms import ALL, ReadPlatform, read_platform
from tests.readers.redis import RunningRedis, master_of, running_redis

REDIS = "redis"
CLUSTERS = [name for name in ALL if "single" not in name]
SINGLE_NODES = [name for name in ALL if "single" in name]


@contextmanager
def replication(
    platform: ReadPlatform, folder: RunFolder
) -> Iterator[tuple[RunningRedis, RunningRedis]]:
    """The master and the slave of a platform, once the slave is in step."""
    with (
        running_redis(platform.pod("reg", REDIS), folder) as master,
        running_redis(platform.pod("reg-slave", REDIS), folder, master) as slave,
    ):
        wait_until(
            lambda: slave.info("master_link_status") == "up",
            "the slave to be in step",
            seconds=30,
            every=0.05,
        )
        yield master, slave


@pytest.mark.parametrize("name", CLUSTERS)
def test_the_slave_replicates(name: str, run_folder: RunFolder) -> None:
    with replication(read_platform(name), run_folder) as (master, slave):
        assert master.command("SET", "alice:server", "co1") == "+OK"
        wait_until(
            lambda: slave.command("GET", "alice:server") == "co1",
            "the value to arrive",
            seconds=10,
            every=0.02,
        )
        assert master.info("connected_slaves") == "1"


@pytest.mark.parametrize("name", CLUSTERS)
def test_register_can_write_to_the_slave_or_there_is_a_warning(
    name: str, run_folder: RunFolder
) -> None:
    """Both programs of service-register write when they start (`src/storage/database.js`).

    Pryv's own file has `replica-read-only yes`.
    """
    platform = read_platform(name)
    warned = [
        warning.message
        for warning in platform.desired.warnings
        if warning.reason is Reason.READ_ONLY_REPLICA
    ]
    with replication(platform, run_folder) as (_, slave):
        reply = slave.command("HMSET", "wactiv:users", "id", "0")
    assert (reply == "+OK") == platform.is_builtin
    assert [message.partition(":")[0] for message in warned] == (
        [] if platform.is_builtin else ["reg-slave/redis/conf/redis.conf"]
    )


def test_the_slave_follows_the_master_of_the_platform() -> None:
    platform = read_platform("builtin-cluster")
    master = master_of(platform.pod("reg-slave", REDIS))
    service = f"{platform.inputs.platform.name}-reg-{REDIS}"
    assert master == (platform.inputs.cluster_ips[service], 6379)
    assert master_of(platform.pod("reg", REDIS)) is None


@pytest.mark.parametrize("name", SINGLE_NODES)
def test_a_single_node_has_a_master(name: str, run_folder: RunFolder) -> None:
    with running_redis(read_platform(name).pod("single", REDIS), run_folder) as redis:
        assert redis.command("HMSET", "wactiv:users", "id", "0") == "+OK"
        assert redis.info("role") == "master"
