"""``kubectl-pryv explain`` without a cluster."""

from __future__ import annotations

import json

import pytest
import yaml
from typer.testing import CliRunner

from pryv_operator.cli.plugin import plugin
from pryv_operator.templates.builtin import load_release


def run(*arguments: str) -> tuple[int, str]:
    result = CliRunner(env={"KUBECONFIG": "/nowhere"}).invoke(plugin, ["explain", *arguments])
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result.exit_code, result.output


def test_variable_is_explained_without_a_cluster() -> None:
    code, text = run("SUPPORT_LINK")
    assert code == 0
    assert text.startswith("VARIABLE: SUPPORT_URL <string>\n")
    assert "ALSO:     SUPPORT_LINK (2019)\n" in text
    assert "  reg-master/register/conf/register.json\n" in text
    assert "co1/core" in text


@pytest.mark.parametrize("style", ["json", "yaml"])
def test_explanation_as_a_document(style: str) -> None:
    code, text = run("MFA_MODE", "-o", style)
    found = json.loads(text) if style == "json" else yaml.safe_load(text)
    assert code == 0
    assert found["restarts"] == ["co1/mfa"]
    assert found["files"] == {"core": ["mfa/conf/mfa.yml"]}


def test_all_variables_are_listed() -> None:
    bundle = load_release()
    assert run()[1].count("\n") == len(bundle.variables) + 1
    assert run("-o", "name")[1].split() == list(bundle.variables)
    assert len(json.loads(run("-o", "json")[1])["variables"]) == len(bundle.variables)


def test_unknown_variable_is_an_error_with_similar_names() -> None:
    code, text = run("PLATFROM_NAME")
    assert code == 1
    assert text.startswith("error: PLATFROM_NAME: not a variable of pryv.io-1.9.2; similar: PLAT")


def test_unknown_release_is_wrong_usage() -> None:
    assert run("DOMAIN", "--release=1.0")[0] == 2
