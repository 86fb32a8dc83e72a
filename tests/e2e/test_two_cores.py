"""Two cores and a reg-slave: who is where, and what the slave knows."""

from __future__ import annotations

import pytest

from tests.cluster.waiting import wait_until
from tests.e2e.outside import Outside
from tests.e2e.person import register
from tests.e2e.platforms import Platform


@pytest.mark.parametrize("core", ["co1", "co2"])
def test_a_person_is_served_by_their_core(outside: Outside, two_cores: Platform, core: str) -> None:
    person = register(outside, two_cores.domain, core)
    found = person.read()
    assert found["core"] == f"{core}.{two_cores.domain}"
    assert (found["attachment"], found["points"]) == ("attached", [[0, 70], [60, 71.5]])


def test_the_slave_knows_new_accounts(outside: Outside, two_cores: Platform) -> None:
    person = register(outside, two_cores.domain, "co2")
    slave = two_cores.address("reg-slave", udp=True)
    account = f"{person.username}.{two_cores.domain}"

    def known() -> bool:
        answer = outside.run("dig", "+short", f"@{slave}", account, "CNAME")
        return answer.split() == [f"co2.{two_cores.domain}."]

    wait_until(known, "the slave to know the account", seconds=30)
    redis = ("exec", "acme-reg-slave-redis-0", "--", "redis-cli", "info", "replication")
    assert "master_link_status:up" in two_cores.kubectl(*redis).stdout
