"""Host names inside the pods."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from pryv_operator.api import names
from pryv_operator.api.instances import Instance
from pryv_operator.compose.model import Service
from pryv_operator.objects import host_aliases
from pryv_operator.objects.upstreams import public_upstreams
from tests.unit.builders import DOMAIN, component, instance, service

REG = instance(names.REG_MASTER, "reg")
CO1, CO2 = instance(name="co1"), instance(name="co2")
SW = instance(names.STATIC, "sw")
CORE = tuple(service(name) for name in ("reverse_proxy", "core", "mongodb", "influxdb"))
REGISTER = tuple(service(name) for name in ("reverse_proxy", "register", "dns", "redis", "mail"))
IPS = {
    "acme-reg": "10.0.0.1",
    "acme-co1": "10.0.0.2",
    "acme-co2": "10.0.0.3",
    "acme-sw": "10.0.0.4",
    "acme-co1-core": "10.0.1.1",
    "acme-co1-mongodb": "10.0.1.2",
    "acme-co1-reverse-proxy": "10.0.1.3",
    "acme-co2-core": "10.0.2.1",
    "acme-reg-redis": "10.0.3.1",
    "acme-sw-app-web-auth3": "10.0.4.1",
}


def of(
    name: str, at: Instance = CO1, services: tuple[Service, ...] = CORE, **different: Any
) -> dict[str, tuple[str, ...]]:
    mine = next(each for each in services if each.name == name)
    found = host_aliases.host_aliases(
        component(mine, at=at, beside=[each for each in services if each != mine]),
        different.get("instances", (REG, CO1, SW)),
        different.get("cluster_ips", IPS),
        different.get("unresolved", ()),
    )
    assert len({ip for ip, _ in found}) == len(found), (
        "two entries with one address make server-side apply fail"
    )
    return dict(found)


def test_core_resolves_its_stores_the_register_and_the_static_pages() -> None:
    found = of("core")
    assert found["10.0.1.2"] == ("mongodb",)
    assert found["10.0.0.1"] == tuple(
        f"{host}.{DOMAIN}" for host in ("access", "mail", "reg", "service")
    )
    assert found["10.0.0.2"] == (f"co1.{DOMAIN}",)
    assert f"sw.{DOMAIN}" in found["10.0.0.4"]


def test_stores_have_no_host_aliases() -> None:
    assert of("mongodb") == of("redis", REG, REGISTER) == {}


def test_the_proxy_resolves_removed_services_to_itself() -> None:
    assert of("reverse_proxy")["127.0.0.1"] == ("config-follower", "config-leader")


def test_peers_are_of_the_same_instance() -> None:
    assert of("reverse_proxy", CO2, instances=(REG, CO1, CO2, SW))["10.0.2.1"] == ("core",)


def test_a_service_on_another_network_is_not_a_peer() -> None:
    services = (
        service("reverse_proxy", networks=["frontend"]),
        service("core", networks=["backend"]),
    )
    assert "10.0.1.1" not in of("reverse_proxy", services=services)


def test_aliases_of_networks_and_links_are_names_too() -> None:
    mongodb = replace(service("mongodb"), aliases=(("backend", "store"), ("elsewhere", "hidden")))
    core = replace(service("core"), link_aliases=(("mongodb", "database"),))
    services = (service("reverse_proxy"), core, mongodb)
    assert of("core", services=services)["10.0.1.2"] == ("database", "mongodb", "store")
    assert of("reverse_proxy", services=services)["10.0.1.2"] == ("mongodb", "store")


def test_a_new_core_changes_no_aliases_of_others() -> None:
    for name in ("core", "reverse_proxy"):
        assert of(name) == of(name, instances=(REG, CO1, CO2, SW))
    for name in ("reverse_proxy", "mail", "redis"):
        assert of(name, REG, REGISTER) == of(name, REG, REGISTER, instances=(REG, CO1, CO2, SW))


def test_the_register_resolves_every_core() -> None:
    found = of("register", REG, REGISTER, instances=(REG, CO1, CO2, SW))
    assert found["10.0.0.2"] == (f"co1.{DOMAIN}",)
    assert found["10.0.0.3"] == (f"co2.{DOMAIN}",)


def test_names_of_one_address_share_an_entry() -> None:
    found = of("core", cluster_ips={**IPS, "acme-sw": "10.0.0.1"})
    assert found["10.0.0.1"] == tuple(sorted(found["10.0.0.1"]))
    assert {f"reg.{DOMAIN}", f"sw.{DOMAIN}"} <= set(found["10.0.0.1"])


@given(st.permutations(CORE), st.permutations((REG, CO1, CO2, SW)))
def test_the_order_of_services_and_instances_does_not_matter(
    services: list[Service], instances: list[Instance]
) -> None:
    assert of("core", services=tuple(services), instances=instances) == of(
        "core", instances=(REG, CO1, CO2, SW)
    )


def test_services_without_an_address_are_omitted() -> None:
    assert of("core", cluster_ips={}) == {}


def test_a_name_that_is_not_a_dns_name_needs_a_hosts_file_with_all_names() -> None:
    static = (service("reverse_proxy"), service("app_web_auth3"))
    found = tuple(of("reverse_proxy", SW, static).items())
    assert host_aliases.needs_hosts_file(found)
    text = host_aliases.hosts_file(found)
    assert "127.0.0.1\tlocalhost\n" in text
    assert "10.0.4.1\tapp_web_auth3\n" in text
    assert f"reg.{DOMAIN}" in text
    assert text.endswith("\n")


def test_dns_names_need_no_hosts_file() -> None:
    assert not host_aliases.needs_hosts_file(tuple(of("core").items()))
    assert not host_aliases.needs_hosts_file(())


def test_only_the_proxy_has_an_alias_for_an_unresolved_host() -> None:
    unresolved = {"pryv.github.io"}
    assert of("reverse_proxy", unresolved=unresolved)[host_aliases.UNREACHABLE] == (
        "pryv.github.io",
    )
    assert host_aliases.UNREACHABLE not in of("core", unresolved=unresolved)
    assert host_aliases.UNREACHABLE not in of("reverse_proxy")


def test_public_upstreams_are_the_hosts_that_nginx_resolves_at_start() -> None:
    texts = {
        "proxy_pass https://pryv.github.io/app-web/;": True,
        "  proxy_pass            https://pryv.github.io/app-web-mfa/;": True,
        "upstream pages {\n  server pryv.github.io:443;\n}": True,
        "# proxy_pass https://pryv.github.io/;": False,
        "set $pages https://pryv.github.io; proxy_pass $pages/app-web/;": False,
        "proxy_set_header Host 'pryv.github.io';": False,
        "proxy_pass https://pryv.github.io.example.test/;": False,
        "proxy_pass https://core/;": False,
    }
    assert {text: bool(public_upstreams([text])) for text in texts} == texts
