"""Every row of the installation guide in docs/migrate.md, with a test of the same name."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from pryv_operator.pki import authority
from tests.api.operator_process import OperatorProcess
from tests.api.platforms import PlatformUser
from tests.api.test_main_job import READERS, rolled
from tests.api.test_tls import make_issuer, mounted, now, template, tls_secret
from tests.cluster.control_plane import ControlPlane
from tests.cluster.fixtures import new_namespace

#: Its platform is the largest one of all tests.
guided = pytest.mark.long

SPEC: dict[str, Any] = {
    "variables": {
        "PLATFORM_NAME": "Hospital Lab",
        "SUPPORT_LINK": "https://hospital.test/support",
        "TERMS_OF_USE_LINK": "https://hospital.test/terms",
        "SERVICE_WEBSITE_IP_ADDRESS": "203.0.113.30",
    },
    "secrets": {"REGISTER_ADMIN_KEY_1": {"secretKeyRef": {"name": "keys", "key": "admin"}}},
    "tls": {"secretName": "wildcard"},
    "imagePullSecrets": [{"name": "registry-login"}],
    "imageRegistry": "registry.hospital.test/pryv",
    "roles": {
        "reg-master": {"address": "203.0.113.11"},
        "core": {
            "instances": [
                {"name": "co1", "hosting": "geneva", "address": "203.0.113.21"},
                {"name": "co2", "hosting": "geneva", "address": "203.0.113.22"},
                {"name": "co3", "hosting": "zurich", "address": "203.0.113.23"},
            ]
        },
        "static": {"address": "203.0.113.10"},
        "reg-slave": {"address": "203.0.113.12"},
    },
}


@pytest.fixture(scope="module")
def lab(control_plane: ControlPlane, operator: OperatorProcess) -> Iterator[PlatformUser]:
    """A platform as the guide sets it up; tests that change it restore it."""
    with new_namespace(control_plane) as name:
        user = PlatformUser(control_plane, name)
        user.secret("keys", admin="the-admin-key", smtp="the-smtp-password")
        names = ["pryv.acme.test", "*.pryv.acme.test"]
        tls_secret(user, "wildcard", authority.issue_certificate(make_issuer(), names, now()))
        user.apply_platform(**SPEC)
        user.wait_ready(seconds=180)
        yield user
        user.delete_all()


def register(user: PlatformUser, file: str = "register") -> Any:
    return json.loads(mounted(user, template(user, f"reg/{file}"), "/app/conf")[f"{file}.json"])


@guided
def test_leader_follower(lab: PlatformUser) -> None:
    """Every role has its files without a leader, and no component calls one."""
    texts = json.dumps([item["data"] for item in lab.list("configmaps")])
    assert "follower_server" not in texts
    assert "leader_server" not in texts


@guided
def test_role_archives(lab: PlatformUser) -> None:
    roles = {item["role"] for item in lab.get("pryvplatform", "acme")["status"]["instances"]}
    assert roles == {"reg-master", "core", "static", "reg-slave"}
    assert lab.get("pryvplatform", "acme")["status"]["release"] == "1.9.2"


@guided
def test_required_variables(lab: PlatformUser) -> None:
    """Addresses, hostings and cores, with several cores in a hosting."""
    found = register(lab)
    assert found["dns"]["domain"] == "pryv.acme.test"
    assert found["dns"]["staticDataInDomain"]["reg"]["ip"] == "203.0.113.11"
    assert found["dns"]["staticDataInDomain"]["sw"]["ip"] == "203.0.113.10"
    assert found["net"]["hostings"] == {
        "geneva": {"co1": {"ip": "203.0.113.21"}, "co2": {"ip": "203.0.113.22"}},
        "zurich": {"co3": {"ip": "203.0.113.23"}},
    }
    assert found["net"]["providers"].keys() == {"geneva", "zurich"}


@guided
def test_optional(lab: PlatformUser) -> None:
    assert register(lab, "dns")["dns"]["domain_A"] == "203.0.113.30"


@guided
def test_service_information(lab: PlatformUser) -> None:
    service = register(lab)["service"]
    assert (service["name"], service["support"], service["terms"]) == (
        "Hospital Lab", "https://hospital.test/support", "https://hospital.test/terms",
    )  # fmt: skip


@guided
def test_secrets(lab: PlatformUser) -> None:
    """Referenced and generated secrets have the same value in all files."""
    keys = register(lab)["auth"]
    assert "the-admin-key" in keys["authorizedKeys"]
    assert len(keys["coreSystemKey"]) == 32
    core = mounted(lab, template(lab, "co1/core"), "/app/conf")["core.yml"]
    assert keys["coreSystemKey"] in core
    assert keys == register(lab, "dns")["auth"]


@guided
def test_register_slave(lab: PlatformUser) -> None:
    zone = register(lab, "dns")["dns"]
    assert zone["staticDataInDomain"]["reg2"]["ip"] == "203.0.113.12"
    assert [each["ip"] for each in zone["nameserver"]] == ["203.0.113.11", "203.0.113.12"]
    master = lab.get("service", "acme-reg-redis")["spec"]["clusterIP"]
    assert (
        f"replicaof {master} 6379"
        in mounted(lab, template(lab, "reg-slave/redis"), "/app/conf")["redis.conf"]
    )


@guided
def test_e_mails(lab: PlatformUser) -> None:
    active = {**SPEC["variables"], "EMAIL_ACTIVATION": {"welcome": True, "resetPassword": True}}
    lab.apply_platform(**SPEC | {"variables": active})
    condition = lab.wait_reason("MissingVariables")
    needed = (
        "EMAIL_SENDER.name",
        "EMAIL_SENDER.address",
        "EMAIL_SMTP_SETTINGS.host",
        "EMAIL_SMTP_SETTINGS.auth.pass",
    )
    assert all(name in condition["message"] for name in needed)
    email = {
        "MAIL_FROM_NAME": "Lab",
        "MAIL_FROM_ADDRESS": "lab@hospital.test",
        "MAIL_SMTP_HOST": "smtp.hospital.test",
        "MAIL_SMTP_USER": "lab",
    }
    password = {"MAIL_SMTP_PASS": {"secretKeyRef": {"name": "keys", "key": "smtp"}}}
    lab.apply_platform(
        **SPEC | {"variables": active | email, "secrets": SPEC["secrets"] | password}
    )
    lab.wait_ready()
    smtp = json.loads(mounted(lab, template(lab, "reg/mail"), "/app/conf")["mail.json"])["smtp"]
    assert smtp == {
        "host": "smtp.hospital.test",
        "port": 587,
        "auth": {"user": "lab", "pass": "the-smtp-password"},
    }
    lab.apply_platform(**SPEC)
    lab.wait_ready()


@guided
def test_certificates(lab: PlatformUser) -> None:
    """Every role has the certificate where nginx reads it."""
    for proxy in (
        "reg/reverse-proxy",
        "co1/reverse-proxy",
        "co2/reverse-proxy",
        "sw/reverse-proxy",
        "reg-slave/reverse-proxy",
    ):
        conf = mounted(lab, template(lab, proxy), "/app/conf")
        assert "/app/conf/secret/pryv.acme.test-key.pem" in conf["nginx.conf"]
        assert {"secret/pryv.acme.test-bundle.crt", "secret/pryv.acme.test-key.pem"} <= conf.keys()


@guided
def test_prerequisites(lab: PlatformUser) -> None:
    """The zone has its NS record and that server's address; DNS is served by UDP and TCP."""
    zone = register(lab, "dns")["dns"]
    assert zone["nameserver"][0] == {"name": "dns1.pryv.acme.test", "ip": "203.0.113.11"}
    assert zone["staticDataInDomain"]["dns1"]["ip"] == "203.0.113.11"
    (port,) = lab.get("service", "acme-reg-udp")["spec"]["ports"]
    assert (port["port"], port["protocol"]) == (53, "UDP")


@guided
def test_registry_login(lab: PlatformUser) -> None:
    for item in lab.list("deployments,statefulsets"):
        spec = item["spec"]["template"]["spec"]
        assert spec["imagePullSecrets"] == [{"name": "registry-login"}]
        for container in (*spec["containers"], *spec.get("initContainers", [])):
            assert container["image"].startswith("registry.hospital.test/pryv/"), container["image"]


@guided
def test_permissions(lab: PlatformUser) -> None:
    """New volumes are writable by the images' users without a script."""
    core = template(lab, "co1/core")
    assert core["securityContext"]["fsGroup"] == 9999  # type: ignore[index]
    for store in ("co1/mongodb", "reg/redis"):
        (container,) = template(lab, store)["containers"]  # type: ignore[misc]
        assert "CHOWN" in container["securityContext"]["capabilities"]["add"]


@guided
def test_launch_order(user: PlatformUser) -> None:
    """One apply, in no particular order, brings everything up."""
    user.apply_platform()
    user.wait_ready()


@guided
def test_stop(user: PlatformUser) -> None:
    user.apply_platform()
    user.wait_ready()
    claims = {item["metadata"]["uid"] for item in user.list("pvc")}
    user.apply_platform(stopped=True)
    user.wait_reason("Stopped")
    assert user.pods() == {}
    user.apply_platform()
    user.wait_ready()
    user.delete("pryvplatform", "acme")
    user.wait_gone("pods")
    user.apply_platform()
    user.adopt()
    user.wait_ready()
    assert {item["metadata"]["uid"] for item in user.list("pvc")} == claims


@guided
def test_validation(lab: PlatformUser) -> None:
    lab.kubectl("wait", "--for=condition=Ready", "pryvplatform/acme", "--timeout=60s")
    assert {each["name"] for each in lab.get("pryvplatform", "acme")["status"]["endpoints"]} >= {
        "register",
        "co1",
        "co2",
        "co3",
        "web",
    }


@guided
def test_restart_on_change(lab: PlatformUser) -> None:
    before = lab.pods()
    lab.annotate("pryvplatform", "acme", **{"example.com/touched": "yes"})
    lab.annotate("secret", "keys", **{"example.com/touched": "yes"})
    lab.apply_platform(
        **SPEC | {"variables": SPEC["variables"] | {"PLATFORM_NAME": "Another name"}}
    )
    expected = {
        *("reg/register", "reg/dns", "reg-slave/dns"),
        *(f"co{number}/{each}" for number in (1, 2, 3) for each in READERS),
    }
    lab.wait_rolled(before, expected)
    lab.wait_steady()
    assert rolled(before, lab.pods()) == expected
    lab.apply_platform(**SPEC)
    lab.wait_ready()


@guided
def test_notify(lab: PlatformUser) -> None:
    """A changed Secret needs no notification."""
    before = lab.pods()
    lab.secret("keys", admin="another-admin-key", smtp="the-smtp-password")
    lab.wait_rolled(before, {"reg/register", "reg/dns"})
    lab.wait_steady()
    assert "another-admin-key" in register(lab)["auth"]["authorizedKeys"]


def test_every_row_has_a_test() -> None:
    """The rows of the table in docs/migrate.md are the tests of this file."""
    text = (Path(__file__).parents[2] / "docs" / "migrate.md").read_text()
    table = text[text.index("| the installation guide |") :].split("\n\n")[0]
    rows = [line.split("|")[1].strip() for line in table.splitlines()[2:]]
    wanted = {"test_" + row.replace("/", "_").replace("-", "_").replace(" ", "_") for row in rows}
    assert wanted <= {name for name in globals() if name.startswith("test_")}
    assert len(rows) == 17
