"""The table of ``kubectl-pryv history``."""

from __future__ import annotations

from pryv_operator.api.kubernetes import Object
from pryv_operator.cli.history_table import history_view
from pryv_operator.rollout.recorded import parse_recorded
from tests.unit.rollout.recorded_revisions import revision_item, workload


def rows(*items: Object) -> list[list[str]]:
    """The table without its head and its times."""
    lines = history_view(parse_recorded(items)).table(wide=False).splitlines()[1:]
    return [
        [
            cell
            for cell in (part.strip() for part in line.split("  "))
            if cell and "2026-" not in cell
        ]
        for line in lines
    ]


def test_states() -> None:
    found = rows(
        revision_item(1, workload(image="hfs:1"), complete="true"),
        revision_item(2, workload(image="hfs:2")),
        revision_item(3, workload(image="hfs:3"), failed="co1/hfs: its image\ncannot be pulled"),
        revision_item(4, workload(image="hfs:4")),
    )
    assert [row[:2] for row in found] == [
        ["1", "complete"],
        ["2", "superseded"],
        ["3", "failed: co1/hfs: its image cannot be pulled"],
        ["4", "rolling"],
    ]
    blocked = revision_item(1, workload(), blocked='["reg/reverse-proxy", "co1/reverse-proxy"]')
    ((_, state, _),) = rows(blocked)
    assert state == "rolling; blocked: reg/reverse-proxy, co1/reverse-proxy"
    paused = history_view(parse_recorded([revision_item(1, workload())]), paused=True)
    assert " paused " in paused.table(wide=False)


def test_what_changed() -> None:
    names = [f"co1/{letter}" for letter in "abcdef"]
    found = rows(
        revision_item(3, *map(workload, names)),
        revision_item(4, *(workload(name, image="x:2") for name in names)),
        revision_item(5, *(workload(name, image="x:2") for name in names[:5]), workload("co2/g")),
        revision_item(
            6,
            *(workload(name, image="x:2") for name in names[:5]),
            workload("co2/g"),
            inputs={"Secret a, key k": "1"},
        ),
        revision_item(
            7,
            *(workload(name, image="x:2") for name in names[:5]),
            workload("co2/g"),
            inputs={"Secret a, key k": "1"},
        ),
        revision_item(
            8,
            *(workload(name, image="x:2") for name in names[:5]),
            workload("co2/g"),
            inputs={"Secret a, key k": "named:1"},
        ),
    )
    assert [row[2] for row in found] == [
        "oldest retained revision",
        "co1/a, co1/b, co1/c, co1/d and 2 more",
        "added: co2/g; removed: co1/f",
        'by Secret "a", key "k"',
        "Services or PVCs",
        'not comparable: Secret "a", key "k"',
    ]
