"""The desired state of a platform: its defaults, and what changes of the spec affect."""

from __future__ import annotations

import base64
import json
import re
import sys
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from types import MappingProxyType
from typing import Any

import pytest

from pryv_operator.api.findings import Problem
from pryv_operator.api.kubernetes import Object
from pryv_operator.api.platform import Platform
from pryv_operator.desired.inputs import Inputs
from pryv_operator.desired.privileges import Privilege
from pryv_operator.desired.state import Desired, compute_desired
from pryv_operator.pki.certificate import Certificate
from pryv_operator.templates.builtin import load_release
from pryv_operator.templates.bundle import Bundle, Variable
from pryv_operator.values.platform_values import generated_names
from tests.unit.builders import (
    DOMAIN,
    UID,
    all_objects,
    changed_workloads,
    inputs,
    platform,
    state,
    texts,
    workloads,
)

CANARY = "canary-7f3a"
BASE = state()
#: What the current release runs on the machines of a platform without a slave, and how.
COMPONENTS = {
    "reg": {
        "reverse-proxy": "Deployment",
        "register": "Deployment",
        "mail": "Deployment",
        "dns": "Deployment",
        "redis": "StatefulSet",
    },
    "co1": {
        "reverse-proxy": "Deployment",
        "core": "StatefulSet",
        "mfa": "Deployment",
        "preview": "Deployment",
        "hfs": "Deployment",
        "webhooks": "Deployment",
        "mongodb": "StatefulSet",
        "influxdb": "StatefulSet",
    },
    "sw": {"reverse-proxy": "Deployment", "app-web-auth3": "Deployment"},
}
TWO_CORES = {"core": {"instances": [{"name": "co1"}, {"name": "co2"}]}}
PROXIES = {"acme-reg-reverse-proxy", "acme-co1-reverse-proxy", "acme-sw-reverse-proxy"}
#: Components that run on Node.js.
NODE = {
    f"acme-{each}"
    for each in (
        "reg-register",
        "reg-dns",
        "reg-mail",
        "co1-core",
        "co1-mfa",
        "co1-preview",
        "co1-hfs",
        "co1-webhooks",
    )
}


def pod(found: Desired, name: str) -> Any:
    return workloads(found)[name]["spec"]["template"]["spec"]


def files(found: Desired, name: str) -> dict[str, str]:
    """Every file in the container of a workload, by its path there."""
    objects = {(item["kind"], item["metadata"]["name"]): item for item in found.objects}
    volumes = {each["name"]: each for each in pod(found, name)["volumes"]}
    mounted: dict[str, str] = {}
    for mount in pod(found, name)["containers"][0]["volumeMounts"]:
        for source in volumes[mount["name"]].get("projected", {}).get("sources", ()):
            kind, short = (
                ("ConfigMap", "configMap") if "configMap" in source else ("Secret", "secret")
            )
            data = objects[kind, source[short]["name"]]["data"]
            for item in source[short]["items"]:
                text = (
                    data[item["key"]]
                    if kind == "ConfigMap"
                    else base64.b64decode(data[item["key"]]).decode()
                )
                mounted[
                    mount["mountPath"]
                    if "subPath" in mount
                    else f"{mount['mountPath']}/{item['path']}"
                ] = text
    return mounted


def reports(found: Desired) -> str:
    """Everything that is reported, as one text."""
    return repr(
        (found.problems, found.waiting, found.warnings, dict(found.blocked), found.instances)
    )


def outside_secrets(found: Desired) -> list[Object]:
    return [item for item in all_objects(found) if item["kind"] != "Secret"]


# Defaults


def test_a_domain_is_enough_for_a_platform() -> None:
    assert BASE.problems == BASE.waiting == ()
    assert BASE.complete
    assert BASE.release == "1.9.2"
    assert {name: item["kind"] for name, item in workloads(BASE).items()} == {
        f"acme-{instance}-{component}": kind
        for instance, components in COMPONENTS.items()
        for component, kind in components.items()
    }
    assert [(each.name, each.role, len(each.workloads)) for each in BASE.instances] == [
        ("reg", "reg-master", 5),
        ("co1", "core", 8),
        ("sw", "static", 2),
    ]
    assert [each.reason for each in BASE.warnings] == ["NotReachableFromOutside"]


def test_components_with_state_have_pvcs() -> None:
    assert {
        item["metadata"]["name"] for item in BASE.objects if item["kind"] == "PersistentVolumeClaim"
    } == {
        "acme-co1-core-data",
        "acme-co1-mongodb-data",
        "acme-co1-mongodb-backup",
        "acme-co1-influxdb-data",
        "acme-co1-influxdb-backup",
        "acme-reg-redis-data",
    }


def test_every_instance_has_external_services() -> None:
    assert {item["metadata"]["name"] for item in BASE.services} >= {
        "acme-reg",
        "acme-reg-udp",
        "acme-co1",
        "acme-sw",
    }


def test_every_component_has_a_network_policy_unless_disabled() -> None:
    assert {
        item["metadata"]["name"] for item in BASE.objects if item["kind"] == "NetworkPolicy"
    } == workloads(BASE).keys()
    assert not [
        item for item in state(networkPolicy=False).objects if item["kind"] == "NetworkPolicy"
    ]


def budgets(found: Desired) -> set[str]:
    return {
        item["metadata"]["name"] for item in found.objects if item["kind"] == "PodDisruptionBudget"
    }


def test_components_with_several_pods_have_a_disruption_budget() -> None:
    """Except for those that mount the PVC of core."""
    two = {"replicas": 2}
    roles = {
        "reg-master": {"components": dict.fromkeys(("register", "dns", "mail"), two)},
        "core": {**TWO_CORES["core"], "components": {"reverse_proxy": two, "preview": two}},
        "static": {"components": {"app-web-auth3": {"replicas": 1}}},
    }
    assert budgets(BASE) == set()
    assert budgets(state(roles=roles)) == {
        "acme-reg-register",
        "acme-reg-dns",
        "acme-reg-mail",
        "acme-co1-reverse-proxy",
        "acme-co2-reverse-proxy",
    }
    assert budgets(state(roles=roles, stopped=True)) == set()


def test_files_are_where_the_components_read_them() -> None:
    assert "/app/conf/nginx.conf" in files(BASE, "acme-co1-reverse-proxy")
    assert (
        json.loads(files(BASE, "acme-reg-register")["/app/conf/register.json"])["dns"]["domain"]
        == DOMAIN
    )
    assert "/app/bin/templates/welcome-email/en/html.pug" in files(BASE, "acme-reg-mail")
    assert "/app/conf/core.yml" in files(BASE, "acme-co1-core")


def test_reverse_proxies_have_the_certificate_where_nginx_reads_it() -> None:
    for name in PROXIES:
        found = files(BASE, name)
        assert found[f"/app/conf/secret/{DOMAIN}-bundle.crt"] == "the chain\n"
        assert found[f"/app/conf/secret/{DOMAIN}-key.pem"] == "the key\n"
    assert not any(
        "the key" in text
        for name in workloads(BASE).keys() - PROXIES
        for text in files(BASE, name).values()
    )


def test_names_that_are_not_dns_names_are_in_a_hosts_file() -> None:
    assert "\tapp_web_auth3\n" in files(BASE, "acme-sw-reverse-proxy")["/etc/hosts"]
    assert "hostAliases" not in pod(BASE, "acme-sw-reverse-proxy")
    assert "hostAliases" in pod(BASE, "acme-co1-reverse-proxy")


def test_every_upstream_of_nginx_resolves() -> None:
    """Nginx does not start with an upstream that does not resolve."""
    for name in PROXIES:
        known = {
            host for each in pod(BASE, name).get("hostAliases", ()) for host in each["hostnames"]
        }
        known |= set(files(BASE, name).get("/etc/hosts", "").split())
        for path, text in files(BASE, name).items():
            if path.endswith(".conf"):
                servers = set(re.findall(r"^\s*server\s+([a-z][\w.-]*):\d+", text, re.MULTILINE))
                assert servers <= known, (name, path)


def test_the_default_release_is_the_newest_and_an_unknown_one_is_rejected() -> None:
    assert state(release="1.9.2") == BASE
    with pytest.raises(ValueError, match="release"):
        platform(release="1.0.0")


def test_every_object_belongs_to_the_platform() -> None:
    for item in all_objects(BASE):
        metadata = item["metadata"]
        assert metadata["namespace"] == "pryv"
        assert (
            metadata["labels"].items()
            >= {"app.kubernetes.io/managed-by": "pryv-operator", "pryv.io/platform": "acme"}.items()
        )
        owned = [owner["uid"] for owner in metadata.get("ownerReferences", ())]
        assert owned == ([] if item["kind"] == "PersistentVolumeClaim" else [UID])


def test_offline_rendering_sets_no_owner() -> None:
    found = compute_desired(inputs(platform(uid="")))
    assert not [item for item in all_objects(found) if "ownerReferences" in item["metadata"]]


# Effects of changes


def variables(**given: Any) -> Desired:
    return state(variables=given)


def test_the_platforms_name_changes_register_dns_and_what_reads_it_from_register() -> None:
    assert changed_workloads(BASE, variables(PLATFORM_NAME="Acme Health")) == {
        "acme-reg-register",
        "acme-reg-dns",
        *(f"acme-co1-{each}" for each in ("core", "hfs", "preview", "webhooks")),
    }


def test_what_nobody_reads_from_register_changes_register_and_dns_only() -> None:
    assert changed_workloads(BASE, variables(INVITATION_TOKENS=["enjoy1"])) == {
        "acme-reg-register",
        "acme-reg-dns",
    }


def test_the_size_of_uploads_changes_reverse_proxies_core_and_hfs() -> None:
    assert changed_workloads(BASE, variables(MAX_UPLOAD_SIZE_MB=55)) == PROXIES | {
        "acme-co1-core",
        "acme-co1-hfs",
    }


def test_the_order_of_anything_changes_nothing() -> None:
    one = {
        "variables": {
            "PLATFORM_NAME": "a",
            "MAX_UPLOAD_SIZE_MB": 5,
            "DNS_CUSTOM_ENTRIES": {"a": {"ip": "1"}, "b": {"ip": "2"}},
        },
        "roles": TWO_CORES,
    }
    cores = [dict(reversed(each.items())) for each in reversed(TWO_CORES["core"]["instances"])]
    other = {
        "roles": {"core": {"instances": cores}},
        "variables": {
            "DNS_CUSTOM_ENTRIES": {"a": {"ip": "1"}, "b": {"ip": "2"}},
            "MAX_UPLOAD_SIZE_MB": 5,
            "PLATFORM_NAME": "a",
        },
    }
    assert state(**one) == state(**other)


def test_an_explicit_default_changes_nothing() -> None:
    assert all_objects(
        state(roles={"core": {"instances": [{"name": "co1", "hosting": "hosting1"}]}, "static": {}})
    ) == all_objects(BASE)
    assert all_objects(variables(MAX_UPLOAD_SIZE_MB=20)) == all_objects(BASE)


def test_an_alias_of_a_variable_is_equal_to_its_name() -> None:
    assert variables(SUPPORT_LINK="https://a.b") == variables(SUPPORT_URL="https://a.b")


def test_a_new_core_changes_register_and_dns_only() -> None:
    after = state(roles=TWO_CORES)
    assert changed_workloads(BASE, after) == {"acme-reg-register", "acme-reg-dns"}
    new = workloads(after).keys() - workloads(BASE).keys()
    assert new == {f"acme-co2-{component}" for component in COMPONENTS["co1"]}
    assert workloads(BASE).keys() <= workloads(after).keys()


def test_a_removed_core_leaves_no_objects_of_its_own() -> None:
    before = state(roles=TWO_CORES)
    assert not [item for item in all_objects(BASE) if "co2" in item["metadata"]["name"]]
    assert changed_workloads(before, BASE) == {"acme-reg-register", "acme-reg-dns"}


def test_a_reg_slave_is_optional() -> None:
    after = state(roles={"reg-slave": {}})
    assert workloads(after).keys() - workloads(BASE).keys() == {
        f"acme-reg-slave-{each}" for each in ("dns", "redis", "reverse-proxy")
    }
    assert not changed_workloads(BASE, after) & {"acme-reg-redis", "acme-reg-mail"}
    assert not any(
        name.startswith(("acme-co1", "acme-sw")) for name in changed_workloads(BASE, after)
    )


def test_a_renewed_certificate_changes_the_reverse_proxies_only() -> None:
    assert (
        changed_workloads(
            BASE, compute_desired(inputs(certificate=Certificate("renewed\n", "the key\n")))
        )
        == PROXIES
    )


def test_a_new_secret_value_changes_its_users_only() -> None:
    assert changed_workloads(
        BASE, compute_desired(inputs(secrets={"REGISTER_ADMIN_KEY": "another"}))
    ) == {
        "acme-reg-register",
        "acme-reg-dns",
    }


def test_an_override_changes_its_component_only() -> None:
    after = state(
        roles={"core": {"components": {"hfs": {"resources": {"requests": {"cpu": "1"}}}}}}
    )
    assert changed_workloads(BASE, after) == {"acme-co1-hfs"}


def test_a_lost_hash_key_changes_nothing() -> None:
    owned = {
        item["metadata"]["name"]: item["data"] for item in BASE.objects if item["kind"] == "Secret"
    }
    found = compute_desired(inputs(hash_key=b"another", owned_secrets=owned))
    assert {name: each["spec"] for name, each in workloads(found).items()} == {
        name: each["spec"] for name, each in workloads(BASE).items()
    }
    assert [item["metadata"]["name"] for item in found.objects] == [
        item["metadata"]["name"] for item in BASE.objects
    ]


# Trust


def test_the_platforms_own_components_trust_its_authority() -> None:
    for authorities in ("the authority\n", "a bundle\n"):
        found = compute_desired(inputs(authorities=authorities))
        for name in NODE:
            environment = {
                each["name"]: each.get("value") for each in pod(found, name)["containers"][0]["env"]
            }
            assert files(found, name)[environment["NODE_EXTRA_CA_CERTS"] or ""] == authorities
        assert changed_workloads(BASE, found) == NODE


# Secrets


def test_secret_values_are_in_secrets_only() -> None:
    planted = {
        "REGISTER_ADMIN_KEY": {"secretKeyRef": {"name": "a", "key": "b"}},
        "EMAIL_SMTP_SETTINGS.auth.pass": {"secretKeyRef": {"name": "a", "key": "b"}},
        "MFA_ENDPOINTS.verify.headers.authorization": {"secretKeyRef": {"name": "a", "key": "b"}},
        "PLATFORM_NAME": {"secretKeyRef": {"name": "a", "key": "b"}},
    }
    of = platform(secrets=planted, roles={"reg-slave": {}})
    kept = dict.fromkeys(planted, CANARY) | {
        name: f"{CANARY}-{index}" for index, name in enumerate(generated(of))
    }
    found = compute_desired(inputs(of, secrets=kept, certificate=Certificate("chain", CANARY)))
    assert found.problems == ()
    assert CANARY not in reports(found)
    assert not [text for item in outside_secrets(found) for text in texts(item) if CANARY in text]
    hidden = [
        base64.b64decode(text).decode()
        for item in found.objects
        if item["kind"] == "Secret"
        for text in item["data"].values()
    ]
    assert sum(CANARY in text for text in hidden) > 5


def test_which_secret_values_are_generated() -> None:
    assert "REGISTER_ADMIN_KEY" in generated(platform())
    given = platform(secrets={"REGISTER_ADMIN_KEY": {"secretKeyRef": {"name": "a", "key": "b"}}})
    assert "REGISTER_ADMIN_KEY" not in generated(given)
    asked = platform(secrets={"MAIL_SMTP_PASS": {"generate": {}}})
    word = platform(variables={"EMAIL_SMTP_SETTINGS": {"auth": {"pass": "SECRET"}}})
    assert generated(asked) == generated(word)
    assert set(generated(asked)) - set(generated(platform())) == {"EMAIL_SMTP_SETTINGS.auth.pass"}


# Waiting and problems


def test_without_cluster_ips_there_are_services_only() -> None:
    found = compute_desired(inputs(addresses={}))
    assert found.objects == ()
    assert found.services
    assert not found.complete
    assert {each.reason for each in found.waiting} == {"WaitingForServices"}
    assert [strip(item) for item in found.services] == [strip(item) for item in BASE.services]


def test_one_missing_cluster_ip() -> None:
    known = dict(inputs().addresses)
    del known["acme-co1-mongodb"]
    found = compute_desired(inputs(addresses=known))
    assert found.objects == ()
    assert "acme-co1-mongodb" in found.waiting[0].message


def test_a_missing_certificate_blocks_the_reverse_proxies_only() -> None:
    why = Problem("WaitingForCertificate", "there is no Secret acme-wildcard yet")
    found = compute_desired(inputs(certificate=None, certificate_problem=why))
    assert dict(found.blocked) == dict.fromkeys(PROXIES, why)
    assert found.complete
    assert workloads(found) == {
        name: item for name, item in workloads(BASE).items() if name not in PROXIES
    }
    assert {each.name for plan in found.instances for each in plan.workloads} >= PROXIES


@pytest.mark.parametrize(
    ("spec", "reason", "names"),
    {
        "unfilled": (
            {"variables": {"PLATFORM_NAME": "REPLACE_ME", "TRUSTED_APPS": "REPLACE_ME"}},
            "MissingVariables",
            ["PLATFORM_NAME", "TRUSTED_APPS"],
        ),
        "secret written out": (
            {"variables": {"REGISTER_ADMIN_KEY": CANARY}},
            "SecretInVariables",
            ["REGISTER_ADMIN_KEY"],
        ),
        "recursion": (
            {"variables": {"PLATFORM_NAME": "a SUPPORT_URL", "SUPPORT_URL": "b PLATFORM_NAME"}},
            None,
            ["PLATFORM_NAME"],
        ),
        "type": (
            {"variables": {"MAX_UPLOAD_SIZE_MB": "many"}},
            "InvalidVariable",
            ["MAX_UPLOAD_SIZE_MB"],
        ),
        "replicas of a store": (
            {"roles": {"core": {"components": {"mongodb": {"replicas": 2}}}}},
            "NotScalable",
            ["spec.roles.core.components.mongodb.replicas"],
        ),
        "replicas of core": (
            {"roles": {"core": {"components": {"core": {"replicas": 2}}}}},
            "NotScalable",
            ["add core instances"],
        ),
        "node port": (
            {"roles": {"static": {"service": {"type": "NodePort"}}}},
            "AddressRequired",
            ["spec.roles.static.address"],
        ),
        "too large": (
            {"variables": {"WELCOME_TEMPLATE_EN": "x" * 1_100_000}},
            "FileTooLarge",
            ["welcome-email/en/html.pug"],
        ),
    }.values(),
)
def test_a_problem_is_named_and_there_are_no_objects(
    spec: Mapping[str, Any], reason: str | None, names: list[str]
) -> None:
    of = platform(**spec)
    found = compute_desired(
        replace(inputs(addresses={}), platform=of, addresses=inputs().addresses)
    )
    assert all_objects(found) == ()
    assert not found.complete
    assert reason is None or found.problems[0].reason == reason
    for name in names:
        assert name in reports(found)
    assert CANARY not in reports(found)
    assert len(reports(found)) < 2000


def test_several_problems_are_reported_together() -> None:
    components = {"mongodb": {"replicas": 2}, "hfs": {"affinity": {"podAffinity": "x"}}}
    found = state(roles={"core": {"components": components}})
    assert {each.reason for each in found.problems} == {"NotScalable", "InvalidAffinity"}


def test_problems_of_the_inputs_are_reported() -> None:
    missing = Problem(
        "SecretNotFound", "secrets.REGISTER_ADMIN_KEY: there is no Secret keys in this namespace"
    )
    found = compute_desired(replace(inputs(), problems=(missing,)))
    assert found.problems == (missing,)
    assert all_objects(found) == ()


@pytest.mark.parametrize(
    ("spec", "reason", "name"),
    [
        ({"variables": {"MAX_UPLOAD_SIZE": 1}}, "UnknownVariable", "MAX_UPLOAD_SIZE"),
        ({"roles": {"core": {"components": {"mongo": {}}}}}, "UnusedOverride", "mongo"),
        (
            {"roles": {"core": {"components": {"mfa": {"storage": {"size": "1Gi"}}}}}},
            "UnusedOverride",
            "spec.roles.core.components.mfa.storage",
        ),
    ],
)
def test_fields_without_effect_are_reported(
    spec: Mapping[str, Any], reason: str, name: str
) -> None:
    found = state(**spec)
    assert found.complete
    assert name in next(each.message for each in found.warnings if each.reason == reason)
    assert changed_workloads(BASE, found) == set()


def generated(of: Platform) -> tuple[str, ...]:
    return generated_names(of, load_release(of.spec.release))


# Templates of the user


def with_core_files(files: Mapping[str, str], **variables: Variable) -> Bundle:
    """The release with other files for role core, besides its own."""
    release = load_release("1.9.2")
    core = MappingProxyType(
        {**release.roles["core"], **{path: text.encode() for path, text in files.items()}}
    )
    if "pryv.yml" in files:
        core = MappingProxyType(
            {path: content for path, content in core.items() if path != "pryv.yml.j2"}
        )
    return replace(
        release, roles={**release.roles, "core": core}, variables={**release.variables, **variables}
    )


COMPOSE = (
    "services:\n  core:\n    image: core:1\n    environment:\n    - NUM_PROCS=4\n    - KEY=A_KEY\n"
)
A_KEY = Variable("A_KEY", "string", secret=True)


def test_a_secret_in_the_environment_of_a_compose_file() -> None:
    bundle = with_core_files({"pryv.yml": COMPOSE}, A_KEY=A_KEY)
    found = compute_desired(inputs(bundle=bundle, secrets={"A_KEY": CANARY}))
    assert found.problems == ()
    environment = {
        each["name"]: each for each in pod(found, "acme-co1-core")["containers"][0]["env"]
    }
    assert environment["NUM_PROCS"]["value"] == "4"
    assert environment["KEY"].keys() == {"name", "valueFrom"}
    assert not [text for item in outside_secrets(found) for text in texts(item) if CANARY in text]


@pytest.mark.parametrize(
    "compose",
    [
        "services:\n  core:\n    image: core:A_KEY\n",
        "services:\n  core:\n    image: core:1\n    command: run A_KEY\n",
        "services:\n  core:\n    image: core:1\n    environment: {A_KEY: a}\n",
        "services:\n  core:\n    image: core:1\n    networks: [A_KEY]\n",
        "services:\n  core:\n    image: core:1\n    A_KEY: a\n",
        "services:\n  core:\n    image: core:1\n    ports: ['A_KEY']\n",
        "services:\n  core:\n    image: core:1\n    volumes: ['A_KEY:/a']\n",
        "services:\n  A_KEY:\n    image: core:1\n",
        "services:\n  core:\n    image: core:1\nA_KEY: 1\n",
        "A_KEY",
    ],
)
@pytest.mark.parametrize(
    "value", [CANARY, f"x${CANARY.replace('-', '_')}", f"{CANARY}: 'a", f"a\n{CANARY}: b"]
)
def test_a_secret_elsewhere_in_a_compose_file_is_rejected(compose: str, value: str) -> None:
    bundle = with_core_files({"pryv.yml": compose}, A_KEY=A_KEY)
    found = compute_desired(inputs(bundle=bundle, secrets={"A_KEY": value}, addresses={}))
    assert found.problems
    assert "core/pryv.yml" in found.problems[0].message
    assert not [
        text for text in texts([reports(found), *outside_secrets(found)]) if "canary" in text
    ]


@pytest.mark.parametrize(
    "value", [f"a${CANARY.replace('-', '_')}", f"a\n{CANARY}: b", f"{CANARY}'"]
)
def test_a_secret_that_breaks_a_compose_file_is_not_quoted(value: str) -> None:
    bundle = with_core_files({"pryv.yml": COMPOSE.replace("A_KEY", "'A_KEY'")}, A_KEY=A_KEY)
    found = compute_desired(inputs(bundle=bundle, secrets={"A_KEY": value}, addresses={}))
    assert "canary" not in reports(found)
    assert not [text for text in texts(outside_secrets(found)) if "canary" in text]


@pytest.mark.parametrize(
    ("files", "words"),
    {
        "no compose file that is understood": ({"pryv.yml": "services: []"}, ["core/pryv.yml"]),
        "unknown name in a template": (
            {"mfa/conf/more.txt.j2": "{{ NO_SUCH }}"},
            ["core/mfa/conf/more.txt", "NO_SUCH"],
        ),
        "broken template": (
            {"mfa/conf/more.txt.j2": "one\n{% if %}"},
            ["core/mfa/conf/more.txt", "line 2"],
        ),
        "template of broken JSON": (
            {"mfa/conf/more.json": '{"a": "PLATFORM_NAME"}'},
            ["core/mfa/conf/more.json", "JSON"],
        ),
    }.values(),
)
def test_a_template_that_cannot_be_used_is_named(
    files: Mapping[str, str], words: list[str]
) -> None:
    bundle = with_core_files(files)
    found = compute_desired(
        inputs(platform(variables={"PLATFORM_NAME": 'a"b'}), bundle=bundle, addresses={})
    )
    assert all_objects(found) == ()
    for word in words:
        assert word in reports(found)


def test_ignored_lines_of_a_compose_file_are_reported() -> None:
    compose = (
        "services:\n  core:\n    image: core:1\n    privileged: 'true'\n"
        "    volumes: ['/srv/x:/srv/x']\n  other:\n    image: other:1\n"
    )
    bundle = with_core_files({"pryv.yml": compose})
    found = compute_desired(inputs(bundle=bundle))
    assert {each.reason for each in found.warnings} >= {
        "UnknownComposeKey",
        "HostPathNotMounted",
        "UnknownService",
    }
    assert "acme-co1-other" in workloads(found)


def strip(item: Object) -> Object:
    return {key: value for key, value in item.items() if key != "status"}


def test_inputs_do_not_show_their_secrets() -> None:
    of = inputs(
        secrets={"REGISTER_ADMIN_KEY": CANARY},
        hash_key=CANARY.encode(),
        certificate=Certificate("chain", CANARY),
    )
    assert isinstance(of, Inputs)
    assert CANARY not in repr(of)


def test_external_ips_are_the_address() -> None:
    of = platform(roles={"static": {"service": {"externalIPs": ["203.0.113.8", "203.0.113.9"]}}})
    allowed = frozenset({Privilege.EXTERNAL_IPS})
    found = compute_desired(inputs(of, allowed=allowed))
    (service,) = (item for item in found.services if item["metadata"]["name"] == "acme-sw")
    assert service["spec"]["externalIPs"] == ["203.0.113.8", "203.0.113.9"]
    assert next(each.address for each in found.instances if each.name == "sw") == "203.0.113.8"


def test_an_unused_variable_is_reported() -> None:
    found = state(variables={"LICENSE_NAME": "Acme", "PLATFORM_NAME": "Acme"})
    (message,) = (each.message for each in found.warnings if each.reason == "UnusedVariable")
    assert message.startswith("spec.variables.LICENSE_NAME:")


@pytest.mark.parametrize(
    "different",
    [{"variables": {"DOMAIN": "other.example"}}, {"secrets": {"DOMAIN": {"generate": {}}}}],
)
def test_domain_cannot_be_a_variable(different: dict[str, Any]) -> None:
    assert [each.reason for each in state(**different).problems] == ["InvalidVariable"]
    assert state(variables={"DOMAIN": DOMAIN}) == BASE


def test_variables_of_2019_set_fields_of_cores() -> None:
    given = {"CORE_1_IP_ADDRESS": "198.51.100.1", "CORE_HOSTING_1": "geneva"}
    modern = state(
        roles={
            "core": {"instances": [{"name": "co1", "address": "198.51.100.1", "hosting": "geneva"}]}
        }
    )
    assert state(variables=given) == modern


def test_unknown_address_of_a_service_is_its_own() -> None:
    """The dns Service's own address stands in its compose file, also before there is one."""
    found = compute_desired(inputs(addresses={}))
    assert "PortPublishedWider" not in {each.reason for each in found.warnings}


def test_platforms_that_are_computed_at_once_are_as_each_alone() -> None:
    given = [
        inputs(
            platform(f"p{number}", variables={"PLATFORM_NAME": f"N{number}"}),
            secrets={"REGISTER_ADMIN_KEY": f"secret-{number}"},
        )
        for number in range(8)
    ]
    alone = [compute_desired(each) for each in given]
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    try:
        with ThreadPoolExecutor(4) as threads:
            assert [*threads.map(compute_desired, given)] == alone
    finally:
        sys.setswitchinterval(interval)
