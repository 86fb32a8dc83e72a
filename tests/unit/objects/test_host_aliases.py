"""Host names inside the pods."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from pryv_operator.api import names
from pryv_operator.api.instances import Instance
from pryv_operator.compose.model import ComposeFile, Service
from pryv_operator.objects import host_aliases, profiles
from tests.unit.builders import DOMAIN, instance, service

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
    compose = ComposeFile(services)
    mine = next(each for each in services if each.name == name)
    found = host_aliases.aliases(
        platform="acme",
        domain=DOMAIN,
        instance=at,
        compose=compose,
        service=mine,
        profile=profiles.profile(name),
        instances=different.get("instances", (REG, CO1, SW)),
        cluster_ips=different.get("cluster_ips", IPS),
        nowhere=different.get("nowhere", ()),
    )
    assert len({ip for ip, _ in found}) == len(found), (
        "two entries with one address make server-side apply fail"
    )
    return dict(found)


def test_core_finds_its_own_stores_the_register_and_the_pages() -> None:
    found = of("core")
    assert found["10.0.1.2"] == ("mongodb",)
    assert found["10.0.0.1"] == tuple(
        f"{host}.{DOMAIN}" for host in ("access", "mail", "reg", "service")
    )
    assert found["10.0.0.2"] == (f"co1.{DOMAIN}",)
    assert f"sw.{DOMAIN}" in found["10.0.0.4"]


def test_a_store_calls_nobody() -> None:
    assert of("mongodb") == of("redis", REG, REGISTER) == {}


def test_the_proxy_knows_the_services_of_the_machine_that_was() -> None:
    assert of("reverse_proxy")["127.0.0.1"] == ("config-follower", "config-leader")


def test_peers_are_of_the_same_instance() -> None:
    assert of("reverse_proxy", CO2, instances=(REG, CO1, CO2, SW))["10.0.2.1"] == ("core",)


def test_a_service_on_another_network_is_no_peer() -> None:
    services = (
        service("reverse_proxy", networks=["frontend"]),
        service("core", networks=["backend"]),
    )
    assert "10.0.1.1" not in of("reverse_proxy", services=services)


def test_a_new_core_leaves_the_names_of_others_alone() -> None:
    for name in ("core", "reverse_proxy"):
        assert of(name) == of(name, instances=(REG, CO1, CO2, SW))
    for name in ("reverse_proxy", "mail", "redis"):
        assert of(name, REG, REGISTER) == of(name, REG, REGISTER, instances=(REG, CO1, CO2, SW))


def test_the_register_calls_every_core() -> None:
    found = of("register", REG, REGISTER, instances=(REG, CO1, CO2, SW))
    assert found["10.0.0.2"] == (f"co1.{DOMAIN}",)
    assert found["10.0.0.3"] == (f"co2.{DOMAIN}",)


def test_names_of_one_address_are_one_entry() -> None:
    found = of("core", cluster_ips={**IPS, "acme-sw": "10.0.0.1"})
    assert found["10.0.0.1"] == tuple(sorted(found["10.0.0.1"]))
    assert {f"reg.{DOMAIN}", f"sw.{DOMAIN}"} <= set(found["10.0.0.1"])


@given(st.permutations(CORE), st.permutations((REG, CO1, CO2, SW)))
def test_the_order_of_anything_is_nothing(
    services: list[Service], instances: list[Instance]
) -> None:
    assert of("core", services=tuple(services), instances=instances) == of(
        "core", instances=(REG, CO1, CO2, SW)
    )


def test_what_has_no_address_yet_is_left_out() -> None:
    assert of("core", cluster_ips={}) == {}


def test_an_illegal_name_needs_a_file_that_holds_them_all() -> None:
    static = (service("reverse_proxy"), service("app_web_auth3"))
    found = tuple(of("reverse_proxy", SW, static).items())
    assert host_aliases.needs_hosts_file(found)
    text = host_aliases.hosts_file(found)
    assert "127.0.0.1\tlocalhost\n" in text
    assert "10.0.4.1\tapp_web_auth3\n" in text
    assert f"reg.{DOMAIN}" in text
    assert text.endswith("\n")


def test_legal_names_need_no_file() -> None:
    assert not host_aliases.needs_hosts_file(tuple(of("core").items()))
    assert not host_aliases.needs_hosts_file(())


def test_a_host_that_cannot_be_resolved_is_known_to_the_proxy_only() -> None:
    nowhere = {"pryv.github.io"}
    assert of("reverse_proxy", nowhere=nowhere)[host_aliases.UNREACHABLE] == ("pryv.github.io",)
    assert host_aliases.UNREACHABLE not in of("core", nowhere=nowhere)
    assert host_aliases.UNREACHABLE not in of("reverse_proxy")


def test_upstreams_are_those_that_nginx_looks_up_when_it_starts() -> None:
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
    assert {text: bool(host_aliases.public_upstreams([text])) for text in texts} == texts
