"""``kubectl-pryv diff -f`` against the real API server: what it says is what then happens."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import yaml
from typer.testing import CliRunner

from pryv_operator.cli.plugin import plugin
from tests.api.platforms import PlatformUser, platform

CANARY = "canary-admin-key-0123456789"
SECRETS = {"REGISTER_ADMIN_KEY": {"secretKeyRef": {"name": "admin", "key": "key"}}}


def diff(user: PlatformUser, folder: Path, resource: dict[str, Any], *more: str) -> tuple[int, str]:
    file = folder / "platform.yaml"
    file.write_text(yaml.safe_dump(resource))
    result = CliRunner(env={"KUBECONFIG": str(user.control_plane.kubeconfig)}).invoke(
        plugin, ["diff", "acme", "-f", str(file), "-n", user.namespace, *more]
    )
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    assert CANARY not in result.output
    return result.exit_code, result.stdout if result.exit_code < 2 else result.output


def test_predicted_pods_are_those_that_roll(user: PlatformUser, tmp_path: Path) -> None:
    user.secret("admin", key=CANARY)
    user.apply_and_wait(secrets=SECRETS)
    assert diff(user, tmp_path, platform(secrets=SECRETS)) == (0, "")

    edit = {"secrets": SECRETS, "variables": {"MAX_UPLOAD_SIZE_MB": 33}}
    before, pods = user.resource_versions(), user.pods()
    code, text = diff(user, tmp_path, platform(**edit), "-o", "json")
    assert code == 1
    assert user.resource_versions() == before
    found = json.loads(text)
    assert "33m" in found["files"]
    predicted = {label for step in found["steps"] for label in step}
    assert {"co1/core", "co1/hfs", "reg/reverse-proxy"} <= predicted

    user.apply_platform(**edit)
    user.wait_ready()
    user.wait_rolled(pods, predicted)
    after = user.pods()
    assert {name for name in pods if pods[name] != after[name]} == predicted


def test_what_the_api_server_or_the_operator_rejects(user: PlatformUser, tmp_path: Path) -> None:
    user.apply_platform()
    user.wait_observed()
    code, text = diff(user, tmp_path, platform(imageRegistry="https://no.test"))
    assert code == 2
    assert "spec.imageRegistry" in text
    wrong = platform(variables={"EMAIL_TEMPLATES_DEFAULT_LANG": "it", "SESSION_MAX_AGE": "x"})
    code, text = diff(user, tmp_path, wrong)
    assert "spec.variables.EMAIL_TEMPLATES_DEFAULT_LANG" in text
    assert "spec.variables.SESSION_MAX_AGE" in text
    assert code == 2
    code, text = diff(user, tmp_path, platform("other"))
    assert (code, '"other" in the files' in text) == (2, True)


def test_explain_shows_the_value_of_a_live_platform(user: PlatformUser) -> None:
    user.secret("admin", key=CANARY)
    user.apply_platform(secrets=SECRETS, variables={"SUPPORT_LINK": "https://acme.test/help"})
    user.wait_ready()

    def explain(*arguments: str) -> dict[str, Any]:
        result = CliRunner(env={"KUBECONFIG": str(user.control_plane.kubeconfig)}).invoke(
            plugin, ["explain", *arguments, "-p", "acme", "-n", user.namespace, "-o", "json"]
        )
        assert result.exit_code == 0, result.output
        assert CANARY not in result.output
        found: dict[str, Any] = json.loads(result.stdout)
        return found

    assert explain("SUPPORT_URL")["platform"] == {
        "field": "spec.variables.SUPPORT_LINK",
        "value": "https://acme.test/help",
    }
    assert explain("REGISTER_ADMIN_KEY")["platform"] == {
        "field": "spec.secrets.REGISTER_ADMIN_KEY",
        "value": "(secret)",
    }
    # The cluster IP that the status records, and no placeholder.
    address = user.get("service", "acme-reg")["spec"]["clusterIP"]
    assert explain("REG_MASTER_IP_ADDRESS")["platform"]["value"] == address
