"""``kubectl-pryv history``, ``diff`` and ``rollback`` against the real API server.

All tests share one platform and depend on their order.
"""

from __future__ import annotations

import base64
import json
import re
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

pytestmark = pytest.mark.long

SECRETS = {"REGISTER_ADMIN_KEY": {"secretKeyRef": {"name": "admin", "key": "key"}}}
CANARY, ANOTHER = "canary-admin-key-1", "canary-admin-key-2"
FIRST: dict[str, Any] = {"domain": "pryv.acme.test", "secrets": SECRETS}
NAMED = {
    **FIRST,
    "variables": {"PLATFORM_NAME": "Another name", "RESET_PASSWORD_SUBJECT_EN": "A new password"},
}
WITH_IMAGE = {
    **NAMED,
    "roles": {"core": {"components": {"hfs": {"image": "docker.io/pryvio/hfs:1.9.3"}}}},
}


class Person(PluginUser):
    """A user whose commands that are refused change nothing."""

    def is_refused(self, *arguments: str, kubeconfig: Path | None = None) -> str:
        before = self.user.get("pryvplatform", "acme")["spec"]
        result = self.runs(*arguments, kubeconfig=kubeconfig)
        assert (result.exit_code, result.stdout) == (1, ""), result.output
        assert self.user.get("pryvplatform", "acme")["spec"] == before
        return result.stderr


@pytest.fixture(scope="module")
def person(control_plane: ControlPlane, operator: OperatorProcess) -> Iterator[Person]:
    """A user whose platform has been changed twice."""
    assert operator.alive
    with new_namespace(control_plane) as namespace:
        user = PlatformUser(control_plane, namespace)
        user.secret("admin", key=CANARY)
        for number, spec in enumerate((FIRST, NAMED, WITH_IMAGE), start=1):
            user.replace_platform(spec)
            wait_complete(user, number)
        cli_user = Person(user)
        yield cli_user
        for value in (CANARY, ANOTHER, *generated(user)):
            assert value not in "".join(cli_user.said)
        user.delete_all()


def wait_complete(user: PlatformUser, number: int) -> None:
    def complete() -> bool:
        found = user.find("ControllerRevision", f"acme-revision-{number}")
        return (
            found is not None and found["metadata"]["annotations"].get("pryv.io/complete") == "true"
        )

    wait_until(complete, f"revision {number} to be complete", seconds=60)


def generated(user: PlatformUser) -> list[str]:
    """All generated values, as they are written into files."""
    found = user.list("secrets", f"{MANAGED},pryv.io/purpose in (generated, hash-key)")
    assert found
    return [base64.b64decode(item["data"]["value"]).decode() for item in found]


def recorded(user: PlatformUser, number: int) -> dict[str, Any]:
    """The digests of the pod templates that a revision has recorded."""
    text = user.get("ControllerRevision", f"acme-revision-{number}")["metadata"]["annotations"][
        "pryv.io/templates"
    ]
    return {name: entry["digest"] for name, entry in json.loads(text).items()}


def applied(user: PlatformUser) -> dict[str, str]:
    return {
        item["metadata"]["name"]: item["metadata"]["annotations"]["pryv.io/template"]
        for item in user.list("deployments,statefulsets")
    }


def test_history_lists_changes(person: Person) -> None:
    lines = person.gets("history", "acme").splitlines()
    assert lines[0].split() == ["REVISION", "CREATED", "STATE", "CHANGED"]
    rows = [re.split(r" {2,}", line) for line in lines[1:]]
    assert [(row[0], row[2], row[3]) for row in rows] == [
        ("1", "complete", "first revision"),
        ("2", "complete", "co1/core, co1/hfs, co1/preview, co1/webhooks and 3 more"),
        ("3", "complete", "co1/hfs"),
    ]


def test_diff_shows_spec_files_and_pods(person: Person) -> None:
    text = person.gets("diff", "acme", "--revision", "1", "--to", "2")
    sections = {section.partition("\n")[0]: section for section in text.split("\n\n")}
    readers = "# co1/core, co1/hfs, co1/preview, co1/webhooks"
    assert sections.keys() == {"# spec", readers, "# reg/dns", "# reg/mail", "# reg/register"}
    assert "pryv.io/boot-inputs" in sections[readers], "they read the name from register"
    assert "+  PLATFORM_NAME: Another name" in sections["# spec"]
    assert "#   register-conf/register.json" in sections["# reg/register"]
    assert "Another name" not in sections["# reg/register"], "that file has secrets in it"
    assert "+++ revision 2: mail-templates/reset-password/en/subject.pug" in sections["# reg/mail"]
    assert "A new password" in sections["# reg/mail"]
    newest = person.gets("diff", "acme", "--revision", "2")
    assert re.search(
        r"^\+ +image: docker.io/pryvio/hfs:1.9.3$", newest.split("# co1/hfs")[1], re.MULTILINE
    )
    assert person.gets("diff", "acme", "--revision", "3") == ""


def test_dry_run_writes_nothing(person: Person) -> None:
    before = person.user.get("pryvplatform", "acme")
    text = person.gets("rollback", "acme", "--to", "1", "--dry-run")
    assert "-  PLATFORM_NAME: Another name" in text
    after = person.user.get("pryvplatform", "acme")
    assert after["metadata"]["generation"] == before["metadata"]["generation"]


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (("rollback", "acme", "--to", "7"), "revision 7: not found; the history holds 1, 2, 3"),
        (
            ("rollback", "acme", "--to", "3"),
            "revision 3: nothing to roll back, the resource has its spec already",
        ),
        (("diff", "acme", "--revision", "7"), "revision 7: not found"),
        (("history", "other"), 'PryvPlatform "other": not found in namespace'),
    ],
)
def test_impossible_rollback_is_rejected(
    person: Person, arguments: tuple[str, ...], why: str
) -> None:
    assert why in person.is_refused(*arguments)


def test_missing_permission_for_secrets_is_reported(person: Person) -> None:
    """The check reads the referenced Secrets; without permission it needs ``--force``."""
    user = person.user
    user.kubectl("create", "serviceaccount", "reader")
    user.kubectl(
        "create",
        "role",
        "reader",
        "--verb=get,list",
        "--resource=pryvplatforms,controllerrevisions",
    )
    user.kubectl(
        "create",
        "rolebinding",
        "reader",
        "--role=reader",
        f"--serviceaccount={user.namespace}:reader",
    )
    kubeconfig = user.control_plane.kubeconfig_for_token(
        user.kubectl("create", "token", "reader").strip(), "reader"
    )
    wait_until(
        lambda: person.runs("history", "acme", kubeconfig=kubeconfig).exit_code == 0,
        "the role to be known",
        seconds=30,
    )
    refused = person.is_refused("rollback", "acme", "--to", "1", kubeconfig=kubeconfig)
    assert "revision 1: its Secrets and templates cannot be compared" in refused
    assert "cannot get resource" in refused
    assert "--force" in refused
    assert "cannot update resource" in person.is_refused(
        "rollback", "acme", "--to", "1", "--force", kubeconfig=kubeconfig
    )
    difference = person.runs("diff", "acme", "--revision", "1", "--to", "2", kubeconfig=kubeconfig)
    assert "may have changed" in difference.stdout


def test_rollback_restores_a_revision(person: Person) -> None:
    user = person.user
    user.patch("pryvplatform", "acme", {"spec": {"rollout": {"historyLimit": 20}}})
    result = person.runs("rollback", "acme", "--to", "1")
    assert result.exit_code == 0, result.output
    assert "GitOps" in result.stderr
    assert user.get("pryvplatform", "acme")["spec"] == {**FIRST, "rollout": {"historyLimit": 20}}
    wait_complete(user, 4)
    user.wait_ready()
    assert recorded(user, 4) == recorded(user, 1) == applied(user)


def test_secret_changed_since_the_revision_is_reported(person: Person) -> None:
    user = person.user
    user.secret("admin", key=ANOTHER)
    wait_complete(user, 5)
    assert 'by Secret "admin", key "key"' in person.gets("history", "acme")
    difference = person.gets("diff", "acme", "--revision", "4")
    assert 'Secret "admin", key "key"' in difference
    assert "in Secrets, so not shown" in difference
    refused = person.is_refused("rollback", "acme", "--to", "2")
    assert 'Secret "admin", key "key": changed since revision 2' in refused
    refused = person.is_refused("rollback", "acme", "--to", "4")
    assert 'changed outside the spec: Secret "admin", key "key": changed since' in refused
    assert (
        "were not compared"
        in person.runs("rollback", "acme", "--to", "2", "--force", "--dry-run").stderr
    )
    user.secret("admin", key=CANARY)
    assert person.gets("rollback", "acme", "--to", "2", "--dry-run")


def test_changed_templates_and_generated_values_are_reported(user: PlatformUser) -> None:
    compose = {
        f"{name}.yml": f"services:\n  {name}:\n    image: registry.acme.test/{name}:1\n"
        for name in ("core", "web")
    }
    compose["register.yml"] = (
        "services:\n  register:\n    image: registry.acme.test/x:1\n"
        "    volumes:\n    - ./register/conf/:/app/conf/:ro\n"
    )
    conf = '{"name": {{ PLATFORM_NAME | tojson }}, "key": {{ REGISTER_ADMIN_KEY | tojson }}'

    def templates_with(conf: str) -> None:
        user.apply(
            {
                "apiVersion": "v1",
                "kind": "ConfigMap",
                "metadata": {"name": "mine"},
                "data": {**compose, "conf": conf},
            }
        )

    files: list[dict[str, Any]] = [
        {
            "role": role,
            "configMapRef": {"name": "mine"},
            "items": [{"key": f"{name}.yml", "path": "pryv.yml"}],
        }
        for role, name in (("reg-master", "register"), ("core", "core"), ("static", "web"))
    ]
    files[0]["items"].append({"key": "conf", "path": "register/conf/register.json.j2"})
    spec = {
        "domain": "pryv.acme.test",
        "templates": {"files": files},
        "variables": {"PLATFORM_NAME": "First"},
    }
    cli_user = Person(user)
    templates_with(conf + "}")
    user.replace_platform(spec)
    wait_complete(user, 1)
    templates_with(conf + ', "more": 1}')
    wait_complete(user, 2)
    changed = 'ConfigMap "mine": changed since revision'
    assert f"changed outside the spec: {changed}" in cli_user.is_refused(
        "rollback", "acme", "--to", "1"
    )
    user.replace_platform({**spec, "variables": {"PLATFORM_NAME": "Second"}})
    wait_complete(user, 3)
    assert f"revision 1: its inputs have changed since: {changed}" in cli_user.is_refused(
        "rollback", "acme", "--to", "1"
    )
    templates_with(conf + "}")
    wait_complete(user, 4)
    assert "First" in cli_user.gets("rollback", "acme", "--to", "1", "--dry-run")
    user.replace_platform(
        {**spec, "secrets": {"REGISTER_ADMIN_KEY": {"generate": {"rotation": 1}}}}
    )
    wait_complete(user, 5)
    wait_until(
        lambda: user.find("secret", "acme-generated-register-admin-key") is None,
        "the former value to be gone",
        seconds=60,
    )
    refused = cli_user.is_refused("rollback", "acme", "--to", "1")
    assert 'Secret "acme-generated-register-admin-key", key "value": not found' in refused
    assert not [value for value in generated(user) if value in "".join(cli_user.said)]
