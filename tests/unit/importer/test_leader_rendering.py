"""The leader's own files, as ``render --leader-dir`` writes them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from pryv_operator.importer.leader_rendering import render_each_role, render_leader_files
from pryv_operator.leader.render_error import RenderError
from pryv_operator.templates.leader_conf import LeaderError
from pryv_operator.templates.leader_folder import Leader, read_leader
from tests.unit.importer.leaders import current, old

#: The leader uses names as regular expressions and fails or misbehaves; here they are literal.
LITERAL = {"key with a dot is a pattern", "key that is no valid pattern", "key with a bar"}


def rendered(platform_yml: str, internals: Any, template: str) -> dict[str, str]:
    """What the leader's answer would have been, as the reference data has it."""
    files = {f"data/{role}/pryv.yml": b"" for role in ("core", "reg-master", "static")}
    settings = json.dumps({"internals": internals}).encode()
    try:
        leader = read_leader(
            files
            | {
                "conf/platform.yml": platform_yml.encode("utf-8", "surrogatepass"),
                "conf/config-leader.json": settings,
                "data/core/x/conf/t.txt": template.encode("utf-8", "surrogatepass"),
            }
        )
        return {
            "ok": next(
                file.content.decode()
                for file in render_leader_files(leader)["core"]
                if file.path == "x/conf/t.txt"
            )
        }
    except (LeaderError, RenderError):
        return {"error": ""}


def same_answer(ours: dict[str, str], leaders: dict[str, str]) -> bool:
    return ours.keys() == leaders.keys() and ours.get("ok") == leaders.get("ok")


@pytest.mark.parametrize("ensure_ascii", [False, True], ids=["characters", "escapes"])
def test_random_cases_of_the_reference_data(shared_pryv: Path, *, ensure_ascii: bool) -> None:
    """Both ways of writing JSON: beyond U+FFFF the escapes are of half a character each."""
    cases = json.loads((shared_pryv / "leader-cases.json").read_text())
    answers = [
        rendered(
            json.dumps({"vars": case["vars"]}, ensure_ascii=ensure_ascii),
            case["internals"],
            case["template"],
        )
        for case in cases
    ]
    assert len(cases) == 200
    assert [
        case
        for case, answer in zip(cases, answers, strict=True)
        if not same_answer(answer, case["expected"])
    ] == []


def test_vectors_of_the_reference_data(shared_pryv: Path) -> None:
    vectors = json.loads((shared_pryv / "leader-vectors.json").read_text())["substitution"]
    different = {
        vector["name"]
        for vector in vectors
        if not same_answer(
            rendered(vector["platform_yml"], vector["internals"], vector["template"]),
            vector["expected"],
        )
    }
    assert different == LITERAL


@pytest.mark.parametrize(
    "leader",
    [current(REGISTER_ADMIN_KEY="0123456789"), old(REGISTER_ADMIN_KEY_1="0123456789")],
    ids=["1.6+", "2019"],
)
def test_files_with_secrets_are_marked(leader: Leader) -> None:
    files = {
        f"{role}/{file.path}": file.secret
        for role, found in render_leader_files(leader).items()
        for file in found
    }
    assert files == {
        "core/core/conf/all.conf": True,
        "core/pryv.yml": False,
        "reg-master/pryv.yml": False,
        "static/pryv.yml": False,
    }


def test_invalid_json_fails_even_if_followers_do_not_keep_it() -> None:
    leader = current(files={"data/core/core/data/a.json": b"{DOMAIN}"})
    with pytest.raises(RenderError, match=r"core/core/data/a\.json"):
        render_leader_files(leader)


def test_errors_are_reported_per_role() -> None:
    files = {f"data/{role}/x/conf/loop.conf": b"LOOP" for role in ("core", "static")}
    answers = render_each_role(current(files=files, LOOP="LOOP"))
    assert {role: str(error).partition(":")[0] for role, error in answers.errors.items()} == {
        "core": "core/core/conf/all.conf",
        "static": "static/x/conf/loop.conf",
    }
    assert set(answers.files) == {"reg-master"}
