"""The Grafana dashboard of the chart, compared with the types of Grafana's own schema."""

from __future__ import annotations

import json
import shutil
import subprocess
from copy import deepcopy
from itertools import combinations
from pathlib import Path
from typing import Any

import pytest

from pryv_operator.kube.metrics import REGISTRY
from pryv_operator.reconcile import platform_metrics
from tests.readers.node_packages import FOLDER, Node

FILE = Path(__file__).parents[2] / "charts/pryv-operator/files/dashboard.json"
DASHBOARD: dict[str, Any] = json.loads(FILE.read_text())
PANELS: list[dict[str, Any]] = DASHBOARD["panels"]
DATASOURCE = {"type": "prometheus", "uid": "${datasource}"}


def errors(node: Node, folder: Path, dashboard: dict[str, Any]) -> str:
    """What TypeScript finds wrong with a dashboard; empty: nothing."""
    (folder / "node_modules").symlink_to(node.packages / "node_modules")
    shutil.copy(FOLDER / "dashboard.ts", folder)
    (folder / "file.ts").write_text(
        'import type { PlainDashboard } from "./dashboard.js";\n'
        f"export const file: PlainDashboard = {json.dumps(dashboard, indent=1)};\n"
    )
    options = ["--noEmit", "--strict", "--skipLibCheck", "--module", "nodenext"]
    tsc = folder / "node_modules/typescript/bin/tsc"
    done = subprocess.run(
        [node.program, tsc, *options, "file.ts"],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert (done.returncode == 0) is not bool(done.stdout), done.stderr
    return done.stdout


def test_grafanas_schema_accepts_it(node: Node, tmp_path: Path) -> None:
    assert errors(node, tmp_path, DASHBOARD) == ""


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("titel",), "x"),
        (("panels", 1, "gridpos"), {}),
        (("panels", 1, "gridPos", "w"), "12"),
        (("panels", 1, "fieldConfig", "defaults", "thresholds", "mode"), "absolut"),
        (("templating", "list", 1, "refresh"), 7),
    ],
)
def test_a_mistake_is_found(
    node: Node, tmp_path: Path, path: tuple[str | int, ...], value: Any
) -> None:
    wrong = deepcopy(DASHBOARD)
    inner: Any = wrong
    for key in path[:-1]:
        inner = inner[key]
    inner[path[-1]] = value
    assert errors(node, tmp_path, wrong)


def test_panels_do_not_overlap() -> None:
    places = [panel["gridPos"] for panel in PANELS]
    for one, other in combinations(places, 2):
        beside = one["x"] + one["w"] <= other["x"] or other["x"] + other["w"] <= one["x"]
        below = one["y"] + one["h"] <= other["y"] or other["y"] + other["h"] <= one["y"]
        assert beside or below, (one, other)
    assert all(each["x"] + each["w"] <= 24 for each in places)


def test_ids_are_unique() -> None:
    ids = [panel["id"] for panel in PANELS]
    assert len(ids) == len(set(ids))


@pytest.mark.parametrize(
    "panel", [each for each in PANELS if each["type"] != "row"], ids=lambda panel: panel["title"]
)
def test_each_panel_says_what_it_shows_and_uses_the_chosen_source(panel: dict[str, Any]) -> None:
    assert panel["description"].endswith(".")
    assert panel["datasource"] == DATASOURCE
    assert [each["datasource"] for each in panel["targets"]] == [DATASOURCE] * len(panel["targets"])


def test_every_metric_but_details_is_shown() -> None:
    """A metric that nobody looks at is missing on the dashboard, or in this list."""
    details = {
        "pryv_operator_leader",
        "pryv_operator_lease_requests",
        "pryv_operator_reconciliations_unneeded",
        "pryv_platform_rollout_start_timestamp_seconds",
        "pryv_platform_warnings",
        "workqueue_unfinished_work_seconds",
        "workqueue_work_duration_seconds",
    }
    text = FILE.read_text()
    families = (*REGISTRY.collect(), *platform_metrics.FAMILIES)
    names = {each.name for each in families if each.name.startswith(("pryv_", "workqueue_"))}
    assert {name for name in names if name not in text} == details
