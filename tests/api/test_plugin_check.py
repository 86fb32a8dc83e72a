"""``kubectl-pryv check`` against the real API server, with real servers on the loopback address."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
import yaml
from typer.testing import CliRunner

from pryv_operator.cli.plugin import plugin
from tests.api.platforms import PlatformUser, platform
from tests.unit.checks.servers import (
    LOOPBACK,
    DnsData,
    dns_server,
    https_server,
    mail_server,
    registry,
    server_context,
)
from tests.unit.pki.chains import Link, issue_chain, joined

DOMAIN = "pryv.acme.test"
REGISTER, CORE, STATIC = "203.0.113.10", "203.0.113.21", "203.0.113.30"
PASSWORD = "canary-mail-password-1"
LOGIN = "me:canary-registry-login-1"


class World:
    """What is outside of the cluster, as the platform needs it."""

    def __init__(self, folder: Path, stack: ExitStack, chain: list[Link]) -> None:
        self.chain = chain
        (folder / "ca.pem").write_text(chain[-1].pem)
        context = server_context(chain, folder)
        hosts = {"reg": REGISTER, "mail": REGISTER, "dns1": REGISTER, "sw": STATIC, "mfa": STATIC}
        records = {(f"{name}.{DOMAIN}", "A"): [ip] for name, ip in {**hosts, "co1": CORE}.items()}
        alias = {
            (f"{name}.{DOMAIN}", "CNAME"): [f"reg.{DOMAIN}."] for name in ("access", "service")
        }
        self.dns = DnsData(
            {
                **records,
                **alias,
                (DOMAIN, "NS"): [f"dns1.{DOMAIN}."],
                (DOMAIN, "A"): [STATIC],
                ("acme.test", "NS"): ["ns1.acme.test."],
                ("ns1.acme.test", "A"): ["203.0.113.1"],
            },
            {DOMAIN: (f"dns1.{DOMAIN}", REGISTER)},
        )
        self.information: dict[str, Any] = {}
        dns_port = stack.enter_context(dns_server(self.dns))
        web = stack.enter_context(https_server(context, {"/service/info": self.information}))
        self.mail = stack.enter_context(mail_server("me", PASSWORD, context))
        self.registry = stack.enter_context(registry([], LOGIN))
        self.options = [
            f"--resolver={LOOPBACK}:{dns_port}",
            f"--ca-file={folder / 'ca.pem'}",
            f"--connect-to=:53:{LOOPBACK}:{dns_port}",
            f"--connect-to=:443:{LOOPBACK}:{web}",
            f"--connect-to=:80:{LOOPBACK}:{web}",
            f"--connect-to=smtp.acme.test:587:{LOOPBACK}:{self.mail.port}",
        ]


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    names = [DOMAIN, f"*.{DOMAIN}", "smtp.acme.test"]
    with ExitStack() as stack:
        yield World(tmp_path, stack, issue_chain(names, dt.datetime.now(dt.UTC)))


def spec(**more: Any) -> dict[str, Any]:
    return {
        "tls": {"secretName": "acme-wildcard"},
        "variables": {
            "PLATFORM_NAME": "Acme",
            "EMAIL_ACTIVATION": {"welcome": True, "resetPassword": True},
            "EMAIL_SENDER": {"name": "Acme", "address": "no-reply@acme.test"},
            "EMAIL_SMTP_SETTINGS": {"host": "smtp.acme.test", "port": 587, "auth": {"user": "me"}},
        },
        "secrets": {
            "EMAIL_SMTP_SETTINGS.auth.pass": {"secretKeyRef": {"name": "smtp", "key": "p"}}
        },
        "roles": {
            "reg-master": {"address": REGISTER},
            "core": {"instances": [{"name": "co1", "address": CORE}]},
            "static": {"address": STATIC},
        },
        **more,
    }


def check(user: PlatformUser, *arguments: str) -> tuple[int, dict[str, list[dict[str, str]]], str]:
    """Exit code, the rows by check, and the whole output."""
    result = CliRunner(env={"KUBECONFIG": str(user.control_plane.kubeconfig)}).invoke(
        plugin, ["check", *arguments, "-n", user.namespace, "-o", "json"]
    )
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    assert "canary" not in result.output
    rows: dict[str, list[dict[str, str]]] = {}
    for row in json.loads(result.stdout)["rows"] if result.stdout else ():
        rows.setdefault(row["check"], []).append(row)
    return result.exit_code, rows, result.output


def statuses(rows: dict[str, list[dict[str, str]]], name: str) -> set[str]:
    return {row["status"] for row in rows.get(name, ())}


def secrets(user: PlatformUser, world: World) -> None:
    user.secret("smtp", p=PASSWORD)
    user.apply(
        {
            "apiVersion": "v1",
            "kind": "Secret",
            "type": "kubernetes.io/tls",
            "metadata": {"name": "acme-wildcard"},
            "stringData": {"tls.crt": joined(world.chain), "tls.key": world.chain[0].key_pem},
        }
    )


def test_live_platform_whose_world_is_right_and_then_wrong(
    user: PlatformUser, world: World
) -> None:
    secrets(user, world)
    user.apply_platform(**spec())
    user.wait_ready()
    world.information |= {
        "name": "Acme",
        "register": f"https://reg.{DOMAIN}/",
        "access": f"https://access.{DOMAIN}/access",
        "api": f"https://{{username}}.{DOMAIN}/",
        "home": f"https://sw.{DOMAIN}",
        "support": f"https://sw.{DOMAIN}/support",
        "terms": f"https://sw.{DOMAIN}/terms",
        "eventTypes": "https://pryv.github.io/event-types/flat.json",
        "assets": {"definitions": "https://api.pryv.com/assets-pryv.me/index.json"},
    }
    _, rows, output = check(user, "acme", *world.options, "--send-mail-to=you@acme.test")
    for name in (
        *("KubernetesVersion", "CustomResourceDefinition", "Delegation", "Glue", "HostAddress"),
        *("NameServerAddress", "DnsServer", "CertificateServed", "Port", "ServiceInformation"),
        *("MailServer", "MailSent"),
    ):
        assert statuses(rows, name) == {"ok"}, (name, rows.get(name), output)
    assert {"status": "ok", "subject": "Ready"}.items() <= rows["Condition"][0].items()
    assert statuses(rows, "Certificate") == {"ok"}
    assert len(world.mail.messages) == 1

    world.information["name"] = "Another"
    world.dns.records[f"co1.{DOMAIN}", "A"] = ["203.0.113.99"]
    world.dns.records[DOMAIN, "NS"] = ["ns.other.test."]
    user.secret("smtp", p="canary-other")
    code, rows, _ = check(user, "acme", *world.options)
    assert code == 1
    assert rows["ServiceInformation"][0]["found"] == 'name: "Another" instead of "Acme"'
    failed = {row["subject"] for row in rows["HostAddress"] if row["status"] == "fail"}
    assert failed == {f"co1.{DOMAIN}"}
    assert rows["MailServer"][0]["found"] == "login: refused with code 535"
    assert len(world.mail.messages) == 1
    assert rows["Delegation"][0]["remedy"].endswith(f"dns1.{DOMAIN}")


def test_platform_in_a_file_before_it_exists(
    user: PlatformUser, world: World, tmp_path: Path
) -> None:
    file = tmp_path / "platform.yaml"
    own = f"{LOOPBACK}:{world.registry}/pryvio"
    roles = spec()["roles"]
    del roles["static"]
    file.write_text(
        yaml.safe_dump(
            platform(**spec(imageRegistry=own, roles=roles, imagePullSecrets=[{"name": "login"}]))
        )
    )
    secrets(user, world)
    code, rows, output = check(user, "-f", str(file), *world.options)
    assert code == 1
    assert user.find("pryvplatform", "acme") is None
    assert rows["Spec"], output
    assert "fail" not in statuses(rows, "Spec")
    assert {row["found"] for row in rows["Image"]} == {'pull Secret "login" not found'}
    assert statuses(rows, "StorageClass") <= {"fail", "warn", "ok"}
    skipped = {row["subject"] for row in rows["HostAddress"] if row["status"] == "skipped"}
    assert f"sw.{DOMAIN}" in skipped
    assert rows["Certificate"][0]["status"] == "ok"

    auth = {"auths": {f"{LOOPBACK}:{world.registry}": {"username": "me", "password": "canary-no"}}}
    user.apply(
        {
            "apiVersion": "v1",
            "kind": "Secret",
            "type": "kubernetes.io/dockerconfigjson",
            "metadata": {"name": "login"},
            "stringData": {".dockerconfigjson": json.dumps(auth)},
        }
    )
    _, rows, _ = check(user, "-f", str(file), *world.options, "--only=images")
    assert rows.keys() == {"Image"}
    assert all("refuses it with the login" in row["found"] for row in rows["Image"])


def test_wrong_spec_and_wrong_usage(user: PlatformUser, tmp_path: Path) -> None:
    file = tmp_path / "platform.yaml"
    file.write_text(yaml.safe_dump(platform(variables={"EMAIL_TEMPLATES_DEFAULT_LANG": "it"})))
    code, rows, _ = check(user, "-f", str(file), "--only=platform")
    assert (code, statuses(rows, "Spec")) == (1, {"fail"})
    assert "spec.variables.EMAIL_TEMPLATES_DEFAULT_LANG" in rows["Spec"][0]["found"]
    assert check(user)[0] == 2
    assert check(user, "acme", "--only=nothing")[0] == 2
    assert check(user, "-f", str(file), "--connect-to=x")[0] == 2
    assert check(user, "missing")[0] == 1
