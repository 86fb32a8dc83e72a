"""``kubectl-pryv`` against the real API server: what it shows, changes and refuses.

The tests share a platform, and leave it Ready. No output may hold a secret value.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.api.operator_process import OperatorProcess
from tests.api.platforms import MANAGED, PlatformUser
from tests.api.plugin_user import PluginUser
from tests.cluster.control_plane import ControlPlane
from tests.cluster.fixtures import new_namespace
from tests.cluster.waiting import wait_until

CANARY = "canary-smtp-password-7731"
SPEC: dict[str, Any] = {
    "domain": "pryv.acme.test",
    "secrets": {"MAIL_SMTP_PASS": {"secretKeyRef": {"name": "smtp", "key": "password"}}},
}


class Person(PluginUser):
    """A user who knows the secret values that no output may hold."""

    def __init__(self, user: PlatformUser) -> None:
        super().__init__(user)
        self.values = {CANARY}

    def reads(self, *arguments: str) -> Any:
        return json.loads(self.gets(*arguments, "-o", "json"))

    def is_refused(self, *arguments: str, kubeconfig: Path | None = None, code: int = 1) -> str:
        result = self.runs(*arguments, kubeconfig=kubeconfig)
        assert (result.exit_code, result.stdout) == (code, ""), result.output
        return result.stderr

    def remember_generated(self) -> None:
        """Secret values, as they are now."""
        for item in self.user.list("secrets", f"{MANAGED},pryv.io/purpose"):
            for text in (item.get("data") or {}).values():
                self.values.add(base64.b64decode(text).decode())


@pytest.fixture(scope="module")
def person(control_plane: ControlPlane, operator: OperatorProcess) -> Iterator[Person]:
    assert operator.alive
    with new_namespace(control_plane) as namespace:
        user = PlatformUser(control_plane, namespace)
        user.secret("smtp", password=CANARY)
        user.replace_platform(SPEC)
        user.wait_ready()
        found = Person(user)
        found.remember_generated()
        yield found
        found.remember_generated()
        assert len(found.values) > 5
        everything = "".join(found.said)
        for value in found.values:
            assert value not in everything
        user.delete_all()


def test_status(person: Person) -> None:
    found = person.reads("status", "acme")
    assert (found["name"], found["ready"], found["reason"]) == ("acme", True, "Ready")
    assert [role["name"] for role in found["roles"]] == ["reg-master", "core", "static"]
    components = {
        f"{instance['name']}/{each['name']}": each
        for role in found["roles"]
        for instance in role["instances"]
        for each in instance["components"]
    }
    live = {item["metadata"]["name"] for item in person.user.list("deployments,statefulsets")}
    assert {each["workload"] for each in components.values()} == live
    assert {each["state"] for each in components.values()} == {"Ready"}
    assert found["certificates"][0]["secret"] == "acme-private-tls-1"
    assert found["certificates"][0]["days"] > 0
    assert found["revision"]["state"] == "complete"
    text = person.gets("status", "acme", "-o", "wide")
    assert "└─ co1" in text
    assert "statefulset/acme-co1-core" in text
    assert person.gets("status", "-o", "name") == "pryvplatform.pryv.io/acme\n"


def test_status_names_what_is_waited_for(person: Person) -> None:
    user = person.user
    hfs = {"components": {"hfs": {"image": "registry.acme.test/hfs:does-not-exist"}}}
    user.replace_platform({**SPEC, "roles": {"core": hfs}})
    user.wait_reason("ImagePullBackOff")
    found = person.reads("status", "acme")
    assert found["ready"] is False
    assert "registry.acme.test/hfs:does-not-exist" in found["message"]
    events = person.reads("events", "acme")
    assert events["items"]
    user.replace_platform(SPEC)
    user.wait_ready()


def test_events_are_of_the_platform_and_what_belongs_to_it(person: Person) -> None:
    person.user.apply(
        {
            "apiVersion": "v1",
            "kind": "Event",
            "metadata": {"name": "foreign"},
            "involvedObject": {
                "kind": "Pod",
                "name": "other-pod",
                "namespace": person.user.namespace,
            },
            "reason": "Foreign",
            "type": "Normal",
            "message": "of another application",
        }
    )
    found = person.reads("events", "acme")["items"]
    assert {"PryvPlatform", "Pod"} <= {each["kind"] for each in found}
    assert "Foreign" not in {each["reason"] for each in found}
    assert [each["last"] for each in found] == sorted(each["last"] for each in found)
    warnings = person.reads("events", "acme", "--types", "Warning")["items"]
    assert {each["type"] for each in warnings} == {"Warning"}


def restarted(user: PlatformUser) -> dict[str, str]:
    """Workload → the restart that its pods were started for."""
    found = {}
    for item in user.list("deployments,statefulsets"):
        annotations = item["spec"]["template"]["metadata"].get("annotations") or {}
        found[item["metadata"]["name"]] = annotations.get("pryv.io/restarted", "")
    return found


def test_restart_restarts_only_its_target(person: Person) -> None:
    before = restarted(person.user)
    dry = person.reads("restart", "acme", "reg/mail", "--dry-run")
    assert (dry["dryRun"], dry["components"]) == (True, ["reg/mail"])
    assert restarted(person.user) == before
    person.gets("restart", "acme", "reg/mail", "--wait", "--timeout", "2m")
    after = restarted(person.user)
    assert {name for name in after if after[name] != before[name]} == {"acme-reg-mail"}
    managers = {
        each["manager"]
        for each in person.user.get("pryvplatform", "acme")["metadata"]["managedFields"]
    }
    assert "kubectl-pryv" in managers
    error = person.is_refused("restart", "acme", "mial")
    assert '"mial": not a role, instance or component of this platform; existing:' in error
    assert "mail" in error


def test_stop_and_start_leave_the_spec_as_it_was(person: Person) -> None:
    before = person.user.get("pryvplatform", "acme")["spec"]
    person.gets("stop", "acme", "--wait", "--timeout", "2m")
    assert {each["status"].get("replicas", 0) for each in person.user.list("deployments")} == {0}
    assert person.reads("status", "acme")["reason"] == "Stopped"
    assert "already stopped" in person.gets("stop", "acme")
    person.gets("start", "acme", "--wait", "--timeout", "2m")
    person.user.wait_ready()
    assert person.user.get("pryvplatform", "acme")["spec"] == before


def test_pause_and_resume(person: Person) -> None:
    assert person.gets("pause", "acme", "--wait").endswith("acme paused\n")
    conditions = person.reads("status", "acme")["conditions"]
    assert {each["type"]: each["status"] for each in conditions}["Paused"] == "True"
    result = person.runs("restart", "acme", "reg/mail", "--dry-run")
    assert "waits until it is resumed" in result.stderr
    assert person.gets("resume", "acme", "--wait").endswith("acme resumed\n")
    person.user.wait_ready()


def test_secrets_are_listed_without_values(person: Person) -> None:
    found = {each["variable"]: each for each in person.reads("secrets", "list", "acme")["items"]}
    smtp = found["MAIL_SMTP_PASS"]
    assert (smtp["source"], smtp["secret"], smtp["key"]) == ("secretKeyRef", "smtp", "password")
    assert smtp["usedBy"] == ["reg/mail"]
    generated = found["CORE_MAIL_KEY"]
    assert generated["secret"] == "acme-generated-core-mail-key"
    assert generated["usedBy"] == ["co1/core", "reg/mail"]
    assert generated["created"]


def test_rotation_makes_another_value(person: Person) -> None:
    user = person.user
    first = user.get("secret", "acme-generated-core-mail-key")["data"]["value"]
    assert "pass --yes" in person.is_refused("secrets", "rotate", "acme", "CORE_MAIL_KEY", code=2)
    result = person.runs(
        "secrets", "rotate", "acme", "CORE_MAIL_KEY", "--yes", "--wait", "--timeout", "2m"
    )
    assert result.exit_code == 0, result.output
    assert "what restarts: co1/core, reg/mail" in result.stderr
    assert user.get("secret", "acme-generated-core-mail-key.1")["data"]["value"] != first
    refused = person.is_refused("secrets", "rotate", "acme", "MAIL_SMTP_PASS", "--yes")
    assert 'its value is key "password" of Secret "smtp"' in refused
    assert "existing: CORE_MAIL_KEY" in person.is_refused(
        "secrets", "rotate", "acme", "NOTHING", "--yes"
    )


@pytest.mark.parametrize(
    "command",
    [
        ("status",),
        ("logs",),
        ("events",),
        ("restart",),
        ("stop",),
        ("start",),
        ("pause",),
        ("resume",),
        ("secrets", "list"),
        ("history",),
    ],
)
def test_unknown_platform_is_reported_with_the_existing(
    person: Person, command: tuple[str, ...]
) -> None:
    refused = person.is_refused(*command, "other")
    assert 'PryvPlatform "other": not found in namespace' in refused
    assert "existing: acme" in refused


def test_missing_permission_is_reported_in_words(person: Person) -> None:
    user = person.user
    user.kubectl("create", "serviceaccount", "nobody")
    kubeconfig = user.control_plane.kubeconfig_for_token(
        user.kubectl("create", "token", "nobody").strip(), "nobody"
    )
    refused = person.is_refused("status", "acme", kubeconfig=kubeconfig)
    assert "rejected by the API server" in refused
    assert "cannot get resource" in refused
    impersonated = person.is_refused("status", "acme", "--as", "jane", "--as-group", "nurses")
    assert 'User "jane" cannot get resource "pryvplatforms"' in impersonated


def test_log_that_cannot_be_read_is_an_error(person: Person) -> None:
    """Simulated nodes have no kubelet: the API server says so, and the command repeats it."""
    wait_until(lambda: bool(person.user.list("pods")), "pods to exist", seconds=30)
    refused = person.is_refused("logs", "acme", "reg/mail")
    assert "no log could be read" in refused
    assert "log of pod acme-reg-mail-" in refused
