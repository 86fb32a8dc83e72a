"""Which change of a platform asks for a reconciliation."""

from __future__ import annotations

from typing import Any

import pytest

from pryv_operator.api import labels_annotations as keys
from pryv_operator.kube.kopf_handlers import _trigger

OURS = {"manager": keys.FIELD_MANAGER, "subresource": "status"}


def metadata(*, status: bool = False, **fields: Any) -> dict[str, Any]:
    managed = [OURS] if status else []
    return {"uid": "1", "generation": 1, "managedFields": managed, **fields}


def test_the_operators_first_status_is_no_news_and_a_removed_one_is() -> None:
    without, with_status = _trigger(metadata()), _trigger(metadata(status=True))
    assert not with_status.is_news(without)
    assert not with_status.is_news(with_status)
    assert without.is_news(with_status)


@pytest.mark.parametrize(
    "changed",
    [
        {"uid": "2"},
        {"generation": 2},
        {"deletionTimestamp": "2026-01-01T00:00:00Z"},
        *({"annotations": {key: "1"}} for key in keys.USER_ANNOTATIONS),
    ],
    ids=str,
)
def test_what_a_reconciliation_reads_is_news(changed: dict[str, Any]) -> None:
    """Also together with a first status."""
    before = _trigger(metadata())
    assert before.is_news(None)
    assert _trigger(metadata(**changed)).is_news(before)
    assert _trigger(metadata(**changed, status=True)).is_news(before)


def test_other_annotations_are_no_news() -> None:
    other = _trigger(metadata(annotations={"example.com/note": "x"}))
    assert not other.is_news(_trigger(metadata()))
