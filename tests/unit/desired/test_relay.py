"""Who reaches redis through a sidecar, and how."""

from __future__ import annotations

import pytest

from pryv_operator.api.kubernetes import Object
from pryv_operator.desired.state import Desired
from tests.unit.builders import inputs, platform, state, workloads
from tests.unit.desired.test_compose_forms import of, spec

ROLES = {"core": {"instances": [{"name": "co1"}]}, "reg-slave": {}}
RELAY = "redis-relay"


def pod(found: Desired, name: str) -> Object:
    template: Object = workloads(found)[name]["spec"]["template"]["spec"]
    return template


def relay(pod_spec: Object) -> Object | None:
    named = {each["name"]: each for each in pod_spec.get("initContainers", ())}
    return named.get(RELAY)


def address_of(pod_spec: Object, host: str) -> str | None:
    aliases = pod_spec.get("hostAliases", ())
    return next((each["ip"] for each in aliases if host in each["hostnames"]), None)


@pytest.mark.parametrize("name", ["acme-reg-register", "acme-reg-dns", "acme-reg-slave-dns"])
def test_clients_of_redis_reach_it_through_a_sidecar(name: str) -> None:
    found = pod(state(roles=ROLES), name)
    sidecar = relay(found)
    assert sidecar is not None
    assert sidecar["restartPolicy"] == "Always"
    assert sidecar["image"] == found["containers"][0]["image"]
    instance = name.rpartition("-")[0]
    expected = inputs(platform(roles=ROLES)).cluster_ips[f"{instance}-redis"]
    assert sidecar["command"][-2:] == [expected, "6379"]
    assert address_of(found, "redis") == "127.0.0.1"


def test_nobody_else_has_one() -> None:
    found = {name for name in workloads(state(roles=ROLES)) if relay(pod(state(roles=ROLES), name))}
    assert found == {"acme-reg-register", "acme-reg-dns", "acme-reg-slave-dns"}


BESIDE = "  redis: {{image: 'pryvio/redis:1', networks: [{networks}]}}\n"


def test_a_redis_on_another_network_is_not_reached() -> None:
    body = "image: pryvio/register:1\nnetworks: [front]"
    apart = of(body, "register", BESIDE.format(networks="back"))
    assert relay(spec(apart, "register")) is None
    assert address_of(spec(apart, "register"), "redis") is None
    together = of(body, "register", BESIDE.format(networks="front, back"))
    assert relay(spec(together, "register")) is not None


def test_every_port_that_files_name_is_passed_on() -> None:
    body = "image: pryvio/register:1\nnetworks: [front]\nvolumes: ['./c/conf:/c']"
    found = of(body, "register", BESIDE.format(networks="front"), c__conf__a="redis:6380")
    sidecar = relay(spec(found, "register"))
    assert sidecar is not None
    assert sidecar["command"][-2:] == ["6379", "6380"]


def test_a_port_of_its_own_is_not_taken_from_a_component() -> None:
    body = "image: pryvio/register:1\nnetworks: [front]\nvolumes: ['./c/conf:/c']"
    found = of(body, "register", BESIDE.format(networks="front"), c__conf__a="redis:9000")
    assert relay(spec(found, "register")) is None
    assert address_of(spec(found, "register"), "redis") not in (None, "127.0.0.1")


def test_an_alias_of_redis_leads_there_as_well() -> None:
    body = "image: pryvio/register:1\nnetworks: [front]\nlinks: ['redis:store']"
    found = spec(of(body, "register", BESIDE.format(networks="front")), "register")
    assert address_of(found, "store") == address_of(found, "redis") == "127.0.0.1"
