"""Fields owned by a creation count as applied."""

from __future__ import annotations

from pryv_operator.kube.managed_fields import upgraded

ME = "pryv-operator"


def entry(
    manager: str, operation: str, fields: dict[str, object], **more: str
) -> dict[str, object]:
    return {
        "manager": manager,
        "operation": operation,
        "apiVersion": "v1",
        "fieldsType": "FieldsV1",
        "fieldsV1": fields,
        **more,
    }


def test_nothing_is_done_without_a_creation_of_ours() -> None:
    assert upgraded([], ME) is None
    assert (
        upgraded(
            [entry(ME, "Apply", {"f:data": {}}), entry("kubectl", "Update", {"f:data": {}})], ME
        )
        is None
    )
    assert upgraded([entry(ME, "Update", {"f:status": {}}, subresource="status")], ME) is None


def test_a_creation_becomes_an_apply_and_others_stay() -> None:
    other = entry("kubectl", "Update", {"f:data": {"f:theirs": {}}})
    assert upgraded([entry(ME, "Update", {"f:data": {"f:a": {}}}), other], ME) == [
        entry(ME, "Apply", {"f:data": {"f:a": {}}}),
        other,
    ]


def test_it_joins_what_was_applied_already() -> None:
    created = entry(ME, "Update", {"f:data": {".": {}, "f:a": {}}})
    applied = entry(ME, "Apply", {"f:data": {"f:b": {}}, "f:metadata": {}})
    assert upgraded([created, applied], ME) == [
        entry(ME, "Apply", {"f:data": {".": {}, "f:a": {}, "f:b": {}}, "f:metadata": {}})
    ]
