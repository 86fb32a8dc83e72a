"""Options of ``pryv-operator run``."""

from __future__ import annotations

import gc
import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from pryv_operator.cli import main
from pryv_operator.cli.main import operator

TOKEN = "canary-51fe"


def kubeconfig(path: Path, *contexts: str) -> Path:
    file = path / "kubeconfig"
    cluster = {"server": "https://127.0.0.1:1", "insecure-skip-tls-verify": True}
    document: dict[str, Any] = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "c", "cluster": cluster}],
        "users": [{"name": "u", "user": {"token": TOKEN}}],
        "contexts": [{"name": name, "context": {"cluster": "c", "user": "u"}} for name in contexts],
        "current-context": contexts[0],
    }
    file.write_text(json.dumps(document))
    return file


def test_of_several_contexts_one_has_to_be_named(tmp_path: Path) -> None:
    answer = CliRunner().invoke(
        operator, ["run", f"--kubeconfig={kubeconfig(tmp_path, 'hospital', 'playground')}"]
    )
    assert answer.exit_code == 2
    assert "--context" in answer.output
    assert "hospital, playground" in " ".join(answer.output.replace("│", " ").split())


def test_collections_do_not_look_through_loaded_modules(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    frozen: list[int] = []

    async def run(*_: Any) -> bool:
        frozen.append(gc.get_freeze_count())
        return True

    monkeypatch.setattr(main, "_run", run)
    try:
        file = kubeconfig(tmp_path, "hospital")
        answer = CliRunner().invoke(
            operator, ["run", f"--kubeconfig={file}", "--cluster-dns=10.96.0.10"]
        )
        assert answer.exit_code == 0, answer.output
        assert frozen[0] > 10_000
    finally:
        gc.unfreeze()


@pytest.mark.parametrize(
    "text",
    [
        "{: broken",
        f"token: {TOKEN}\n\t- x",
        "",
        TOKEN,
        "contexts: 7",
        "contexts: [x]",
        "users: 7",
        "\xff\xfe",
    ],
)
def test_an_invalid_kubeconfig_is_reported_without_quoting_it(tmp_path: Path, text: str) -> None:
    file = tmp_path / "kubeconfig"
    file.write_bytes(text.encode("latin-1"))
    answer = CliRunner().invoke(operator, ["run", f"--kubeconfig={file}"])
    assert answer.exit_code == 2
    assert "cannot be read" in " ".join(answer.output.replace("│", " ").split())
    assert TOKEN not in answer.output


def test_shards_need_leader_election(tmp_path: Path) -> None:
    answer = CliRunner().invoke(
        operator, ["run", f"--kubeconfig={kubeconfig(tmp_path, 'hospital')}", "--shards=2"]
    )
    assert answer.exit_code == 2
    assert "--leader-election" in answer.output
