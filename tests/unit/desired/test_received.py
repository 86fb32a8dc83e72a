"""Desired states of archives from Pryv: the compose files of all releases."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

from pryv_operator.api.findings import Advisory
from pryv_operator.api.kubernetes import Object
from pryv_operator.desired.state import Desired, compute_desired
from pryv_operator.objects.host_aliases import UNREACHABLE
from pryv_operator.templates.bundle import Bundle
from pryv_operator.templates.leader_archive import read_leader_archive
from tests.unit.builders import inputs, platform, texts, workloads
from tests.unit.templates.archives import reg_master, tgz

#: Where compose files find the role's folder: since 1.6, in some releases, and in 2019.
ROOTS = ("${PRYV_CONF_ROOT}/pryv/", "$PRYV_CONF_ROOT/pryv/", "./")
REGISTRIES = ("docker.io/pryvio", "eu.gcr.io/pryvio", "pryvsa-docker-release.bintray.io/pryv")
SERVICES = {
    "core": (
        "reverse_proxy",
        "core",
        "mfa",
        "preview",
        "hfs",
        "webhooks",
        "mongodb",
        "influxdb",
        "core_router",
        "core_audit",
    ),
    "reg-master": ("reverse_proxy", "register", "dns", "redis", "mail", "admin_panel"),
    "reg-slave": ("reverse_proxy", "register", "dns", "redis"),
    "static": ("reverse_proxy", "app_web_auth3"),
}
SERVICES["singlenode"] = tuple(
    dict.fromkeys(name for role in ("core", "reg-master", "static") for name in SERVICES[role])
)
ADDRESS = {
    "singlenode": "SINGLE_MACHINE_IP_ADDRESS",
    "reg-slave": "REG_SLAVE_IP_ADDRESS",
} | dict.fromkeys(("core", "reg-master", "static"), "REG_MASTER_IP_ADDRESS")
STATE = {
    "core": ["core/data"],
    "mongodb": ["mongodb/data", "core/mongodb/backup"],
    "influxdb": ["influxdb/data"],
    "redis": ["redis/data"],
}


def service(name: str, root: str, registry: str, dns_address: str) -> str:
    """A service as in the compose file of some release."""
    folder = {"reverse_proxy": "nginx", "core_audit": "audit"}.get(name, name)
    mounts = [f"{folder}/conf/:/app/conf/:ro", f"{folder}/log/:/app/log/"]
    mounts += [f"{state}/:/app/{state.rpartition('/')[2]}/" for state in STATE.get(name, ())]
    lines = [
        f"  {name}:",
        f"    image: {registry}/{name.replace('_', '-')}:1.0",
        f"    container_name: pryvio_{name}",
        "    restart: always",
    ]
    lines += ["    networks:", "    - frontend", "    - backend", "    volumes:"]
    lines += [f"    - {root}{mount}" for mount in mounts]
    if name == "core_audit":
        lines += ["    - /var/log/pryv/audit/pryvio_core/:/app/data/:ro", "    - /dev/log:/dev/log"]
    if name == "reverse_proxy":
        lines += [
            "    ports:",
            '    - "443:443"',
            "    - 80:80",
            "    links:",
            f"    - {'register' if root == './' else 'core:core'}",
        ]
    if name == "dns":
        lines += ["    ports:", f'    - "{dns_address}:53:5353/udp"']
    if name == "core":
        lines += [
            "    environment:",
            "    - NUM_PROCS=4",
            "    - STARTING_PORT=3000",
            "    - HOSTNAME=$HOSTNAME",
        ]
    if name == "hfs":
        lines += ["    environment:", "      NUM_PROCS: 2", "      HOSTNAME: $HOSTNAME"]
    if name == "core_router":
        lines += ["    environment: {ROUTER_LOG: info}", "    command: run-router --port 1337"]
    return "\n".join(lines) + "\n"


def received(
    roles: tuple[str, ...], root: str = "./", registry: str = REGISTRIES[0], **more: bytes
) -> Bundle:
    """The bundle of an archive with these roles.

    ``more`` are files of core by path, with ``__`` in place of a slash.
    """
    files: dict[str, bytes] = {}
    for role in roles:
        compose = 'version: "3.5"\nservices:\n' + "".join(
            service(name, root, registry, ADDRESS[role]) for name in SERVICES[role]
        )
        compose += "networks:\n  frontend:\n    driver: bridge\n  backend:\n    driver: bridge\n"
        files[f"data/{role}/pryv.yml"] = compose.encode()
        files[f"data/{role}/nginx/conf/site.conf"] = (
            b"server_name *.DOMAIN;\nproxy_pass https://pryv.github.io/app-web/;\n"
        )
        files[f"data/{role}/redis/conf/redis.conf"] = b"replicaof REG_MASTER_VPN_IP_ADDRESS 6379\n"
    files |= {f"data/core/{path.replace('__', '/')}": content for path, content in more.items()}
    variables = "".join(
        f"      {name}: {{value: REPLACE_ME}}\n"
        for name in ("DOMAIN", "REG_MASTER_VPN_IP_ADDRESS", *sorted(set(ADDRESS.values())))
    )
    files["conf/platform.yml"] = (
        f"vars:\n  G:\n    settings:\n{variables}      TEMPLATE_VERSION: {{value: 1.7.0}}\n"
    ).encode()
    files["conf/config-leader.json"] = (
        b'{"internals": {"CORE_SYSTEM_KEY": "SECRET"}, "followers": {}}'
    )
    return read_leader_archive(tgz(reg_master(files))).bundle


CLUSTER = ("core", "reg-master", "reg-slave", "static")


def of(bundle: Bundle, unresolved: frozenset[str] = frozenset(), **spec: Any) -> Desired:
    return compute_desired(replace(inputs(platform(**spec), bundle=bundle), unresolved=unresolved))


@pytest.mark.parametrize("root", ROOTS)
@pytest.mark.parametrize("registry", REGISTRIES)
@pytest.mark.parametrize("roles", [CLUSTER, ("singlenode",)], ids=["cluster", "single node"])
def test_compose_files_of_all_releases_become_workloads(
    roles: tuple[str, ...], root: str, registry: str
) -> None:
    wanted: Mapping[str, Any] = {"singlenode": {}} if len(roles) == 1 else {"reg-slave": {}}
    found = of(
        received(roles, root, registry), roles=wanted, imageRegistry="registry.acme.test/pryv"
    )
    assert found.problems == found.waiting == ()
    assert found.release == "1.7.0"
    assert {plan.role: len(plan.workloads) for plan in found.instances} == {
        role: len(SERVICES[role]) for role in roles
    }
    assert {each.reason for each in found.warnings} <= {
        "HostPathNotMounted",  # of core_audit: what an audit log of the host held
        "PortPublishedWider",  # of dns, which is bound to the address of the machine
        "NotReachableFromOutside",
        "ReadOnlyReplica",
    }
    for item in workloads(found).values():
        for container in item["spec"]["template"]["spec"]["containers"]:
            assert container["image"].startswith("registry.acme.test/pryv/")
    names = {item["metadata"]["name"]: item for item in found.services}
    prefix = "acme-single" if len(roles) == 1 else "acme-reg"
    assert [port["targetPort"] for port in names[f"{prefix}-udp"]["spec"]["ports"]] == [
        "out-53-udp"
    ]


def test_the_version_of_the_templates_is_the_release() -> None:
    assert of(received(CLUSTER)).release == "1.7.0"


def test_a_j2_file_of_an_archive_is_a_plain_file() -> None:
    """The leader does not use Jinja."""
    found = of(
        received(
            CLUSTER, nginx__conf__a_b=b"", **{"nginx__conf__page.j2": b"{{ DOMAIN }} {% if %}"}
        )
    )
    assert found.problems == ()
    (text,) = (
        item["data"]["nginx__conf__page.j2"]
        for item in found.objects
        if "nginx__conf__page.j2" in item.get("data", {})
    )
    assert text == "{{ pryv.acme.health }} {% if %}"


# Names


def with_compose(compose: str, role: str = "core") -> Bundle:
    bundle = received(CLUSTER)
    return replace(bundle, roles={**bundle.roles, role: {"pryv.yml": compose.encode()}})


@pytest.mark.parametrize(
    ("compose", "words"),
    {
        "two with one name": (
            "services:\n  a_b: {image: a}\n  a-b: {image: a}\n",
            '"co1/a_b" and "co1/a-b" both become workload "acme-co1-a-b"',
        ),
        "by a dot": ("services:\n  a.b: {image: a}\n  a_b: {image: a}\n", "rename one of them"),
        "upper case": (
            "services:\n  Core: {image: a}\n",
            "services: 'Core' is not a valid service name",
        ),
        "an invalid end": (
            "services:\n  core_: {image: a}\n",
            'service "core_": not a valid name, it must end with a letter or a digit',
        ),
        "too long": (f"services:\n  {'a' * 50}: {{image: a}}\n", "longer than 52 characters"),
    }.values(),
)
def test_services_without_valid_object_names_are_rejected(compose: str, words: str) -> None:
    found = compute_desired(inputs(bundle=with_compose(compose), addresses={}))
    (problem,) = found.problems
    assert problem.reason == "InvalidComposeFile"
    assert words in problem.message
    assert not found.objects + found.services


def test_a_service_with_a_name_of_the_platforms_own_is_rejected() -> None:
    compose = (
        "services:\n  udp: {image: a, ports: ['80:80']}\n"
        "  dns: {image: a, ports: ['53:5353/udp']}\n"
    )
    (problem,) = compute_desired(inputs(bundle=with_compose(compose), addresses={})).problems
    assert 'Service "acme-co1-udp"' in problem.message


# pryv.github.io


def test_an_unresolved_upstream_gets_an_alias_and_a_warning() -> None:
    bundle = received(CLUSTER)
    assert UNREACHABLE not in set(texts(list(of(bundle).objects)))
    found = of(bundle, frozenset({"pryv.github.io"}))
    for name in ("acme-co1-reverse-proxy", "acme-reg-reverse-proxy"):
        assert UNREACHABLE in json.dumps(files_and_aliases(found, name)), name
    assert "hostAliases" not in json.dumps(files_and_aliases(found, "acme-co1-mongodb"))
    told = [each.message for each in found.warnings if each.reason == "UpstreamUnresolved"]
    assert {message.split(":")[0] for message in told} == {
        f"{role}/reverse_proxy" for role in ("core", "reg-master", "static")
    }
    assert all("pryv.github.io" in message for message in told)


def files_and_aliases(found: Desired, name: str) -> list[Object]:
    spec = workloads(found)[name]["spec"]["template"]["spec"]
    named = json.dumps(spec["volumes"])
    return [{"hostAliases": spec["hostAliases"]} if "hostAliases" in spec else {}] + [
        item
        for item in found.objects
        if item["kind"] == "ConfigMap" and item["metadata"]["name"] in named
    ]


def test_the_built_in_release_needs_no_alias() -> None:
    found = compute_desired(replace(inputs(), unresolved=frozenset({"pryv.github.io"})))
    assert UNREACHABLE not in json.dumps([*found.objects])
    assert "UpstreamUnresolved" not in {each.reason for each in found.warnings}


# An archive in a Secret


def test_everything_of_an_archive_in_a_secret_is_a_secret() -> None:
    canary = "canary-91c4"
    more = {"web__conf__web.conf": f"password {canary}\n".encode()}
    compose = (
        f"services:\n  web:\n    image: web:1\n    environment: [KEY={canary}, PLAIN=x]\n"
        "    volumes: ['./web/conf/:/app/conf/:ro']\n"
    )
    bundle = received(CLUSTER, **more)
    bundle = replace(
        bundle,
        roles={**bundle.roles, "core": {**bundle.roles["core"], "pryv.yml": compose.encode()}},
    )
    assert canary in json.dumps(visible(of(bundle)))
    found = of(replace(bundle, secret=True))
    assert found.problems == ()
    assert canary not in json.dumps(visible(found))
    hidden = [
        base64.b64decode(text).decode()
        for item in found.objects
        if item["kind"] == "Secret"
        for text in item["data"].values()
    ]
    assert sum(canary in text for text in hidden) == 2
    (container,) = workloads(found)["acme-co1-web"]["spec"]["template"]["spec"]["containers"]
    assert [each["name"] for each in container["env"]] == ["KEY", "PLAIN"]
    assert container["image"] == "web:1"


def visible(found: Desired) -> list[Object]:
    return [item for item in (*found.services, *found.objects) if item["kind"] != "Secret"]


def test_a_secret_object_in_another_file_does_not_affect_the_compose_file() -> None:
    """Only the compose file is rendered a second time with masked secrets."""
    bundle = received(CLUSTER, **{"web__conf__web.json": b'{"key": CORE_SYSTEM_KEY}'})
    of_secret = replace(
        inputs(bundle=replace(bundle, secret=True)), secrets={"CORE_SYSTEM_KEY": "1234567890"}
    )
    assert compute_desired(of_secret).problems == ()


# A reg-slave


def redis_conf(found: Desired) -> str:
    (text,) = (
        item["data"]["redis__conf__redis.conf"]
        for item in found.objects
        if "redis__conf__redis.conf" in item.get("data", {})
    )
    return str(text)


def test_a_slave_of_an_external_master() -> None:
    """During a migration the new slave may replicate the old master."""
    bundle = received(CLUSTER)
    bundle = replace(
        bundle, roles={role: files for role, files in bundle.roles.items() if role != "singlenode"}
    )
    found = of(bundle, roles={"reg-slave": {}}, variables={"REG_MASTER_VPN_IP_ADDRESS": "10.8.0.1"})
    texts_of = {
        item["data"]["redis__conf__redis.conf"]
        for item in found.objects
        if "redis__conf__redis.conf" in item.get("data", {})
    }
    assert texts_of == {"replicaof 10.8.0.1 6379\n"}


def test_a_store_is_never_published() -> None:
    """Pryv's guide opens redis for a slave on one address; a load balancer would open it to all."""
    bundle = received(CLUSTER)
    compose = bundle.roles["reg-master"]["pryv.yml"].decode()
    opened = compose.replace(
        "  redis:\n", '  redis:\n    ports:\n    - "REG_MASTER_VPN_IP_ADDRESS:6379:6379"\n'
    )
    assert opened != compose
    bundle = replace(
        bundle,
        roles={
            **bundle.roles,
            "reg-master": {**bundle.roles["reg-master"], "pryv.yml": opened.encode()},
        },
    )
    found = of(
        bundle,
        roles={"reg-master": {"service": {"type": "LoadBalancer"}, "address": "203.0.113.1"}},
    )
    assert found.problems == ()
    (outside,) = (item for item in found.services if item["metadata"]["name"] == "acme-reg")
    assert 6379 not in {port["port"] for port in outside["spec"]["ports"]}
    (policy,) = (
        item
        for item in found.objects
        if item["kind"] == "NetworkPolicy" and item["metadata"]["name"] == "acme-reg-redis"
    )
    assert all(rule.get("from") for rule in policy["spec"]["ingress"])
    (warning,) = (each for each in found.warnings if each.reason == "StoreNotPublished")
    assert 'reg-master/pryv.yml: service "redis": port 6379' in warning.message


def test_an_external_slave() -> None:
    outside = {"address": "198.51.100.7", "loadBalancerSourceRanges": ["198.51.100.7/32"]}
    before = compute_desired(inputs())
    found = compute_desired(inputs(platform(roles={"reg-master": {"externalSlave": outside}})))
    assert found.problems == found.waiting == ()
    new = {item["metadata"]["name"] for item in found.services} - {
        item["metadata"]["name"] for item in before.services
    }
    assert new == {"acme-reg-redis-slave"}
    (zone,) = (
        json.loads(base64.b64decode(item["data"]["dns__conf__dns.json"]))
        for item in found.objects
        if "dns__conf__dns.json" in item.get("data", {})
    )
    assert zone["dns"]["staticDataInDomain"]["reg2"]["ip"] == "198.51.100.7"
    assert zone["dns"]["nameserver"][1] == {"name": "dns2.pryv.acme.health", "ip": "198.51.100.7"}
    stores = {
        item["metadata"]["name"]: item for item in found.objects if item["kind"] == "NetworkPolicy"
    }
    assert "198.51.100.7/32" in json.dumps(stores["acme-reg-redis"])


def test_an_external_slave_without_redis_is_reported() -> None:
    bundle = with_compose("services:\n  register: {image: a}\n", "reg-master")
    found = compute_desired(
        inputs(
            platform(
                roles={
                    "reg-master": {
                        "externalSlave": {"loadBalancerSourceRanges": ["198.51.100.7/32"]}
                    }
                }
            ),
            bundle=bundle,
        )
    )
    assert (
        Advisory(
            "UnusedOverride",
            'spec.roles.reg-master.externalSlave: the role has no service "redis", '
            "so it has no effect; remove it",
        )
        in found.warnings
    )


# Fields without effect


def test_fields_that_the_templates_do_not_use_are_reported() -> None:
    bundle = with_compose("services:\n  web: {image: a}\n", "static")
    archive = {"archive": {"configMapKeyRef": {"name": "received", "key": "archive.tgz"}}}
    static = {
        "tls": {"secretName": "sw"},
        "service": {"annotations": {"a": "b"}},
        "components": {"nginx": {}},
    }
    found = of(bundle, templates=archive, release="1.9.2", roles={"static": static})
    told = {
        each.message.split(":")[0] for each in found.warnings if each.reason == "UnusedOverride"
    }
    assert told == {
        "spec.release",
        "spec.roles.static.tls",
        "spec.roles.static.service",
        "spec.roles.static.components.nginx",
    }


def test_template_files_of_unused_roles_are_reported() -> None:
    items = {"configMapRef": {"name": "mine"}, "items": [{"key": "a", "path": "pryv.yml"}]}
    found = of(
        received(CLUSTER),
        templates={"files": [{"role": "core", **items}, {"role": "reg-slave", **items}]},
    )
    (message,) = (each.message for each in found.warnings if each.reason == "UnusedOverride")
    assert message.startswith('spec.templates.files: the platform does not run role "reg-slave"')
