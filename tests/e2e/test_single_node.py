"""A platform on a single node serves people as one with cores does."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from tests.e2e.conftest import wildcard
from tests.e2e.outside import Outside
from tests.e2e.person import register
from tests.e2e.platforms import Platform
from tests.e2e.reach import reached, reached_unpublished
from tests.unit.pki.chains import Link


@pytest.fixture(scope="module")
def single_node(
    two_cores: Platform, outside: Outside, authority: Link, cluster_echo: Callable[[str], None]
) -> Iterator[Platform]:
    """A platform of the role singlenode that is Ready; the client has met it."""
    platform = Platform(two_cores.cluster, "single-node", "single-node.test")
    cluster_echo("kubectl apply: a platform on a single node")
    tls = {"secretName": "wildcard", "caBundle": authority.pem}
    spec = {"tls": tls, "roles": {"singlenode": {}}}
    platform.create(spec, wildcard(authority, platform.domain))
    platform.wait_ready()
    outside.meet(platform, authority.pem, "single")
    yield platform
    outside.meet(two_cores, authority.pem)
    platform.delete()


@pytest.mark.long
def test_a_core_reaches_no_store_of_another_platform(
    two_cores: Platform, single_node: Platform
) -> None:
    inside = ("exec", "--stdin", "acme-single-core-0", "--container=core", "--", "node", "-")

    def core(argument: str, script: str) -> str:
        return single_node.kubectl(*inside, argument, stdin=script).stdout

    assert any(each.endswith(":27017") for each in reached(core, single_node))
    assert not reached_unpublished(core, two_cores)


@pytest.mark.long
def test_data_of_every_kind_come_back(outside: Outside, single_node: Platform) -> None:
    found = register(outside, single_node.domain).read()
    assert (found["events"], found["attachment"]) == (2, "attached")
    assert found["points"] == [[0, 70], [60, 71.5]]
