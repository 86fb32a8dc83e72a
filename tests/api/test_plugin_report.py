"""``kubectl-pryv report`` against the real API server, with canaries wherever a secret may be."""

from __future__ import annotations

import base64
import copy
import json
import stat
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from typer.testing import CliRunner, Result

from pryv_operator.cli.plugin import plugin
from tests.api.operator_process import OperatorProcess
from tests.api.platforms import MANAGED, PlatformUser, platform
from tests.cluster.control_plane import ControlPlane
from tests.cluster.fixtures import new_namespace

#: In every canary. No resource has it otherwise.
MARK = "c4n4ry"
LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"


def canary(place: str) -> str:
    return f"{MARK}-{place}-7731"


SPEC: dict[str, Any] = {
    "domain": "pryv.acme.test",
    "variables": {
        "PLATFORM_NAME": "Acme",
        "EMAIL_SMTP_SETTINGS": {
            "host": "smtp.acme.test",
            "auth": {"user": canary("user")},
            "note": canary("note"),
        },
        "UNKNOWN": {"deep": [{"x": canary("deep")}]},
    },
    "secrets": {
        "EMAIL_SMTP_SETTINGS.auth.pass": {"secretKeyRef": {"name": "smtp", "key": "password"}}
    },
    "roles": {
        "core": {
            "service": {"annotations": {"balancer.test/login": canary("balancer")}},
            "components": {
                "core": {
                    "env": [{"name": "MY_SETTING", "value": canary("env")}],
                    "annotations": {"note": canary("annotation")},
                    "labels": {"team": canary("label")},
                    "tolerations": [{"key": "a", "operator": "Equal", "value": canary("taint")}],
                }
            },
        }
    },
}


class Bundle:
    """A report, unpacked in memory."""

    def __init__(self, path: Path) -> None:
        self.mode = stat.S_IMODE(path.stat().st_mode)
        with tarfile.open(path) as tar:
            self.members = tar.getmembers()
            self.files: dict[str, bytes] = {}
            for each in self.members:
                file = tar.extractfile(each)
                assert file is not None
                self.files[each.name.partition("/")[2]] = file.read()

    def yaml(self, path: str) -> Any:
        return yaml.safe_load(self.files[path])

    def holds(self, text: str) -> list[str]:
        """Paths of the files with a text, also as base64 or as JSON."""
        forms = {text, base64.b64encode(text.encode()).decode(), json.dumps(text)[1:-1]}
        return sorted(
            path
            for path, content in self.files.items()
            if any(form.encode() in content or form in path for form in forms)
        )


def run(user: PlatformUser, *arguments: str, kubeconfig: Path | None = None) -> Result:
    env = {"KUBECONFIG": str(kubeconfig or user.control_plane.kubeconfig)}
    result = CliRunner(env=env).invoke(plugin, ["report", *arguments, "-n", user.namespace])
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    assert MARK not in result.output
    return result


@pytest.fixture(scope="module")
def user(control_plane: ControlPlane, operator: OperatorProcess) -> Iterator[PlatformUser]:
    assert operator.alive
    with new_namespace(control_plane) as namespace:
        found = PlatformUser(control_plane, namespace)
        found.secret("smtp", password=canary("secret"))
        found.apply(
            {
                "apiVersion": "v1",
                "kind": "ConfigMap",
                "metadata": {
                    "name": "files",
                    "labels": {"pryv.io/platform": "acme"},
                    "annotations": {"note": canary("config-map-annotation")},
                },
                "data": {"page": canary("template")},
            }
        )
        files = [
            {
                "role": "static",
                "configMapRef": {"name": "files"},
                "items": [{"key": "page", "path": "nginx/html/index.html"}],
            }
        ]
        resource = {**platform("acme"), "spec": SPEC}
        resource["metadata"] = {
            **resource["metadata"],
            "annotations": {
                LAST_APPLIED: json.dumps({"spec": {"x": canary("last-applied")}}),
                "pryv.io/reconcile": canary("reconcile"),
                "note": canary("platform-annotation"),
            },
        }
        # First Ready; then with a core that no node can run, and files of another's ConfigMap.
        found.apply(resource)
        found.wait_ready()
        spec = copy.deepcopy(SPEC)
        core = spec["roles"]["core"]["components"]["core"]
        core["nodeSelector"] = {"disk": canary("selector")}
        core["image"] = "registry.acme.test/pryv/core:1"
        found.apply({**resource, "spec": {**spec, "templates": {"files": files}}})
        yield found
        found.delete_all()


def test_no_secret_is_in_it(user: PlatformUser, tmp_path: Path) -> None:
    path = tmp_path / "report.tgz"
    result = run(user, "acme", "--output", str(path), "--logs")
    assert (result.exit_code, result.stdout) == (0, f"{path}\n"), result.output
    assert "may hold personal data" in result.stderr
    found = Bundle(path)
    assert found.mode == 0o600
    assert {each.mode for each in found.members} == {0o600}
    assert found.holds(MARK) == []
    generated = [
        base64.b64decode(value).decode()
        for item in user.list("secrets", f"{MANAGED},pryv.io/purpose=generated")
        for value in item["data"].values()
    ]
    assert len(generated) > 3
    for value in generated:
        assert found.holds(value) == []


def test_what_helps_is_in_it(user: PlatformUser, tmp_path: Path) -> None:
    path = tmp_path / "report.tgz"
    result = run(user, "acme", "-o", str(path))
    assert result.exit_code == 0
    found = Bundle(path)
    assert found.members[0].name == "pryv-report-acme/README.txt"
    resource = found.yaml("platform.yaml")
    spec = resource["spec"]
    assert (spec["domain"], spec["variables"]["PLATFORM_NAME"]) == ("pryv.acme.test", "Acme")
    assert spec["variables"]["EMAIL_SMTP_SETTINGS"]["host"] == "smtp.acme.test"
    assert spec["roles"]["core"]["components"]["core"]["env"] == [
        {"name": "MY_SETTING", "value": "(masked)"}
    ]
    assert LAST_APPLIED not in resource["metadata"]["annotations"]
    assert "managedFields" not in resource["metadata"]
    live = {item["metadata"]["name"] for item in user.list("deployments,statefulsets")}
    listed = {
        item["metadata"]["name"]
        for kind in ("deployments", "statefulsets")
        for item in found.yaml(f"objects/{kind}.yaml")
    }
    assert live == listed
    names = {item["metadata"]["name"] for item in found.yaml("names/secrets.yaml")}
    assert names >= {item["metadata"]["name"] for item in user.list("secrets", MANAGED)}
    assert all("data" not in item for item in found.yaml("names/secrets.yaml"))
    assert {"kind": "Secret", "name": "smtp", "exists": True} in found.yaml("references.yaml")
    assert found.yaml("revisions.yaml")[0]["number"] == 1
    assert found.yaml("versions.yaml")["kubernetes"]["gitVersion"].startswith("v")
    assert found.yaml("versions.yaml")["crd"]["spec"]["versions"][0]["name"] == "v1alpha1"
    assert b"acme" in found.files["status.txt"]
    assert json.loads(found.files["status.json"])["name"] == "acme"
    assert json.loads(found.files["events.json"])["items"]
    assert json.loads(found.files["check.json"])["rows"]
    assert not any(path.startswith("logs/") for path in found.files)
    # Simulated nodes have no kubelet, so the operator's pods have no logs. All else is complete.
    missing = result.stderr.splitlines()
    assert all(line.startswith("warning: not in the report: log of ") for line in missing)


def test_what_may_not_be_read_is_listed(user: PlatformUser, tmp_path: Path) -> None:
    user.kubectl("create", "serviceaccount", "support")
    rule = ("--verb=get,list", "--resource=pryvplatforms.pryv.io,pods,deployments.apps")
    user.kubectl("create", "role", "support", *rule)
    account = f"--serviceaccount={user.namespace}:support"
    user.kubectl("create", "rolebinding", "support", "--role=support", account)
    kubeconfig = user.control_plane.kubeconfig_for_token(
        user.kubectl("create", "token", "support").strip(), "support"
    )
    path = tmp_path / "report.tgz"
    result = run(user, "acme", "-o", str(path), kubeconfig=kubeconfig)
    assert result.exit_code == 0, result.output
    found = Bundle(path)
    for what in ("names of secrets", "services", "nodes"):
        assert f"warning: not in the report: {what}: you may not read it\n" in result.stderr
        assert f"  {what}: you may not read it\n".encode() in found.files["README.txt"]
    assert found.yaml("platform.yaml")["spec"]["domain"] == "pryv.acme.test"
    assert found.yaml("objects/pods.yaml") is not None
    assert found.holds(MARK) == []


def test_refusals(user: PlatformUser, tmp_path: Path) -> None:
    result = run(user, "other", "-o", str(tmp_path / "x.tgz"))
    assert result.exit_code == 1
    assert 'PryvPlatform "other": not found' in result.stderr
    result = run(user, "acme", "-o", str(tmp_path))
    assert result.exit_code == 2
    assert "is a folder" in result.stderr
    target = tmp_path / "mine"
    target.write_text("mine")
    link = tmp_path / "link.tgz"
    link.symlink_to(target)
    assert run(user, "acme", "-o", str(link)).exit_code == 0
    assert target.read_text() == "mine"
    assert not link.is_symlink()
