"""Addresses: from the cluster, from the spec, and not yet known."""

from __future__ import annotations

import json

import pytest

from tests.api.platforms import PlatformUser
from tests.api.test_main_job import rolled
from tests.api.test_tls import mounted, template
from tests.cluster.waiting import wait_until

LOAD_BALANCED = {
    role: {"service": {"type": "LoadBalancer"}} for role in ("reg-master", "core", "static")
}


@pytest.mark.long
def test_load_balancer_address_is_awaited_and_followed(user: PlatformUser) -> None:
    user.apply_platform(roles=LOAD_BALANCED)
    condition = user.wait_reason("WaitingForLoadBalancer")
    assert condition["status"] == "False"
    assert stalled(user) == "False"
    assert not user.list("deployments,statefulsets")
    for index, name in enumerate(("acme-reg", "acme-reg-udp", "acme-co1", "acme-sw"), start=1):
        balance(user, name, ip=f"203.0.113.{index}")
    user.wait_ready()
    zone = register(user)["dns"]
    assert zone["staticDataInDomain"]["reg"]["ip"] == "203.0.113.1"
    assert zone["staticDataInDomain"]["dns1"]["ip"] == "203.0.113.2"
    assert zone["nameserver"] == [{"name": "dns1.pryv.acme.test", "ip": "203.0.113.2"}]
    assert zone["domain_A"] == "203.0.113.4"
    assert register(user)["net"]["hostings"] == {"hosting1": {"co1": {"ip": "203.0.113.3"}}}
    assert not [
        each
        for each in user.get("pryvplatform", "acme")["status"]["warnings"]
        if each["reason"] == "NotReachableFromOutside"
    ]
    before = user.pods()
    balance(user, "acme-co1", ip="203.0.113.33")
    user.wait_rolled(before, {"reg/register", "reg/dns"})
    user.wait_steady()
    assert rolled(before, user.pods()) == {"reg/register", "reg/dns"}
    # Its status is empty for a moment: the last address stands.
    before, versions = user.pods(), user.digests("deployments,statefulsets")
    user.patch("service", "acme-co1", {"status": {"loadBalancer": None}}, subresource="status")
    user.wait_steady()
    assert user.pods() == before
    assert user.digests("deployments,statefulsets") == versions


@pytest.mark.long
def test_load_balancer_with_host_name_needs_an_address(user: PlatformUser) -> None:
    user.apply_platform(roles={"static": {"service": {"type": "LoadBalancer"}}})
    user.wait_reason("WaitingForLoadBalancer")
    balance(user, "acme-sw", hostname="lb.cloud.test")
    condition = user.wait_reason("AddressRequired")
    assert "lb.cloud.test" in condition["message"]
    assert "spec.roles.static.address" in condition["message"]
    user.apply_platform(
        roles={"static": {"service": {"type": "LoadBalancer"}, "address": "203.0.113.9"}}
    )
    user.wait_ready()
    assert register(user)["dns"]["staticDataInDomain"]["sw"]["ip"] == "203.0.113.9"


@pytest.mark.long
def test_load_balancer_with_several_addresses_keeps_the_one_in_use(user: PlatformUser) -> None:
    user.apply_platform(roles={"static": {"service": {"type": "LoadBalancer"}}})
    balance(user, "acme-sw", "2001:db8::1")
    condition = user.wait_reason("AddressRequired")
    assert "2001:db8::1" in condition["message"]
    assert "spec.roles.static.address" in condition["message"]
    balance(user, "acme-sw", "2001:db8::1", "203.0.113.1", "203.0.113.2")
    user.wait_ready()
    assert register(user)["dns"]["staticDataInDomain"]["sw"]["ip"] == "203.0.113.1"
    before, versions = user.pods(), user.digests("deployments,statefulsets")
    balance(user, "acme-sw", "203.0.113.2", "203.0.113.1", "2001:db8::1")
    user.wait_steady()
    assert user.pods() == before
    assert user.digests("deployments,statefulsets") == versions
    # A change of the Service itself does not choose again either.
    user.apply_platform(
        roles={"static": {"service": {"type": "LoadBalancer", "annotations": {"a": "b"}}}}
    )
    user.wait_steady()
    assert user.get("service", "acme-sw")["metadata"]["annotations"]["a"] == "b"
    assert user.pods() == before
    assert status_addresses(user)["acme-sw"] == "203.0.113.1"
    balance(user, "acme-sw", "203.0.113.3", "203.0.113.2")
    user.wait_rolled(before, {"reg/register", "reg/dns"})
    assert register(user)["dns"]["staticDataInDomain"]["sw"]["ip"] == "203.0.113.3"


@pytest.mark.long
def test_changed_class_of_a_load_balancer_is_reported_and_blocks_nothing(
    user: PlatformUser,
) -> None:
    def apply(load_balancer_class: str | None, register_address: str) -> None:
        published = {"type": "LoadBalancer", "loadBalancerClass": load_balancer_class}
        user.apply_platform(
            roles={
                "static": {
                    "address": "203.0.113.9",
                    "service": {key: value for key, value in published.items() if value},
                },
                "reg-master": {"address": register_address},
            }
        )

    def live_class() -> str | None:
        return user.get("service", "acme-sw")["spec"].get("loadBalancerClass")

    apply("example.com/a", "203.0.113.10")
    user.wait_ready()
    with pytest.raises(Exception, match="loadBalancerClass"):
        user.patch("service", "acme-sw", {"spec": {"loadBalancerClass": "example.com/b"}})
    for number, changed in enumerate(("example.com/b", None), start=11):
        apply(changed, f"203.0.113.{number}")
        user.wait_ready()
        message = user.wait_warning("LoadBalancerClassUnchanged")
        assert message.startswith("spec.roles.static.service.loadBalancerClass: ")
        assert "delete the Service" in message
        assert register(user)["dns"]["staticDataInDomain"]["reg"]["ip"] == f"203.0.113.{number}"
        assert live_class() == "example.com/a"
    apply("example.com/b", "203.0.113.12")
    user.delete("service", "acme-sw")
    wait_until(
        lambda: user.find("service", "acme-sw") and live_class() == "example.com/b",
        "the Service with its new class",
        seconds=30,
    )
    user.wait_ready()
    wait_until(
        lambda: (
            not [
                each
                for each in user.get("pryvplatform", "acme")["status"].get("warnings", [])
                if each["reason"] == "LoadBalancerClassUnchanged"
            ]
        ),
        "the warning to go",
        seconds=30,
    )


@pytest.mark.long
def test_reg_slave_is_a_second_name_server_with_its_own_redis(user: PlatformUser) -> None:
    user.apply_platform()
    user.wait_ready()
    assert "reg2" not in register(user)["dns"]["staticDataInDomain"]
    before = user.pods()
    user.apply_platform(roles={"reg-slave": {}})
    user.wait_ready()
    assert rolled(before, user.pods()) == {"reg/register", "reg/dns"}
    assert user.pods().keys() - before.keys() == {
        "reg-slave/reverse-proxy",
        "reg-slave/dns",
        "reg-slave/redis",
    }
    zone = register(user)["dns"]
    addresses = {
        item["metadata"]["name"]: item["spec"]["clusterIP"] for item in user.list("services")
    }
    assert zone["staticDataInDomain"]["reg2"]["ip"] == addresses["acme-reg-slave"]
    assert [each["name"] for each in zone["nameserver"]] == [
        "dns1.pryv.acme.test",
        "dns2.pryv.acme.test",
    ]
    redis = mounted(user, template(user, "reg-slave/redis"), "/app/conf")["redis.conf"]
    assert f"replicaof {addresses['acme-reg-redis']} 6379" in redis
    policy = user.get("networkpolicy", "acme-reg-redis")["spec"]["ingress"]
    callers = [
        each["podSelector"]["matchLabels"]
        for rule in policy
        for each in rule["from"]
        if "matchLabels" in each["podSelector"]
    ]
    assert {
        "pryv.io/component": "redis",
        "pryv.io/instance": "reg-slave",
        "pryv.io/platform": "acme",
    } in callers
    assert "4/4" in user.kubectl("get", "pryvplatforms")
    user.apply_platform()
    user.wait_ready()
    wait_until(
        lambda: not [name for name in user.pods() if name.startswith("reg-slave")],
        "the slave's pods to go",
        seconds=60,
    )
    assert user.find("pvc", "acme-reg-slave-redis-data")


@pytest.mark.long
def test_redis_is_published_only_for_an_external_slave(user: PlatformUser) -> None:
    user.apply_platform()
    user.wait_ready()
    before = user.pods()
    outside = {
        "address": "198.51.100.7",
        "loadBalancerSourceRanges": ["198.51.100.7/32"],
        "annotations": {"lb.example.com/scheme": "private"},
    }
    user.apply_platform(roles={"reg-master": {"externalSlave": outside}})
    user.wait_rolled(before, {"reg/register", "reg/dns"})
    user.wait_steady()
    assert rolled(before, user.pods()) == {"reg/register", "reg/dns"}
    service = user.get("service", "acme-reg-redis-slave")
    assert service["metadata"]["annotations"]["lb.example.com/scheme"] == "private"
    assert service["spec"]["type"] == "LoadBalancer"
    assert service["spec"]["loadBalancerSourceRanges"] == ["198.51.100.7/32"]
    assert [(each["port"], each["protocol"]) for each in service["spec"]["ports"]] == [
        (6379, "TCP")
    ]
    slices = wait_until(
        lambda: user.list("endpointslices", "kubernetes.io/service-name=acme-reg-redis-slave"),
        "its endpoints",
        seconds=30,
    )
    assert {each["targetRef"]["uid"] for found in slices for each in found["endpoints"]} == {
        user.pods()["reg/redis"]
    }
    admitted = [
        each["ipBlock"]["cidr"]
        for rule in ingress(user)
        for each in rule["from"]
        if "ipBlock" in each
    ]
    assert admitted == ["198.51.100.7/32"]
    assert register(user)["dns"]["staticDataInDomain"]["reg2"]["ip"] == "198.51.100.7"
    # Its own address is known to whoever asks, and nothing waits for it or restarts when it comes.
    before = user.pods()
    balance(user, "acme-reg-redis-slave", ip="203.0.113.77")
    wait_until(
        lambda: status_addresses(user).get("acme-reg-redis-slave") == "203.0.113.77",
        "the address in the status",
        seconds=30,
    )
    user.wait_steady()
    assert user.pods() == before
    user.apply_platform()
    user.wait_ready()
    wait_until(
        lambda: user.find("service", "acme-reg-redis-slave") is None,
        "the Service to go",
        seconds=30,
    )
    assert not [each for rule in ingress(user) for each in rule["from"] if "ipBlock" in each]


def ingress(user: PlatformUser) -> list[dict[str, list[dict[str, dict[str, str]]]]]:
    """The ingress rules for the register's redis."""
    return user.get("networkpolicy", "acme-reg-redis")["spec"]["ingress"]


def status_addresses(user: PlatformUser) -> dict[str, str | None]:
    """Addresses of load balancers in the status: Service → address."""
    return {
        each["name"]: each.get("loadBalancerIP")
        for each in user.get("pryvplatform", "acme")["status"]["services"]
    }


def balance(user: PlatformUser, service: str, *ips: str, **entry: str) -> None:
    """Set the status of a Service as a load balancer's controller does: IPs, or one entry."""
    wait_until(lambda: user.find("service", service), service, seconds=30)
    ingress = [{"ip": ip} for ip in ips] or [entry]
    user.patch(
        "service",
        service,
        {"status": {"loadBalancer": {"ingress": ingress}}},
        subresource="status",
    )


def register(user: PlatformUser) -> dict[str, dict[str, dict[str, object]]]:
    """The register.json that the register's pods read."""
    return json.loads(mounted(user, template(user, "reg/register"), "/app/conf")["register.json"])


def stalled(user: PlatformUser) -> str:
    return str(user.condition("Stalled")["status"])
