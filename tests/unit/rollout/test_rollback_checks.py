"""Whether a recorded revision can be restored, and what is written."""

from __future__ import annotations

import base64
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pryv_operator.api.spec import PryvPlatformSpec
from pryv_operator.rollout import rollback_checks
from pryv_operator.rollout.recorded import HistoryError
from pryv_operator.rollout.revision_inputs import decode_all
from tests.unit.rollout.recorded_revisions import SPEC, recorded, workload

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3)
    ),
    max_leaves=8,
)
SPECS = st.dictionaries(
    st.sampled_from(["domain", "variables", "roles", *rollback_checks.PRESERVED_FIELDS]), JSON
)


@given(SPECS, SPECS)
def test_preserved_fields_keep_their_current_values(
    recorded: dict[str, Any], current: dict[str, Any]
) -> None:
    spec = rollback_checks.restored_spec(recorded, current)
    for key in {*recorded, *current, *spec}:
        source = current if key in rollback_checks.PRESERVED_FIELDS else recorded
        assert (key in spec, spec.get(key)) == (key in source, source.get(key))
    assert rollback_checks.restored_spec(recorded, spec) == spec


def test_secret_bytes() -> None:
    assert (
        rollback_checks.secret_bytes({"data": {"key": base64.b64encode(b"x").decode()}}, "key")
        == b"x"
    )
    for secret in (None, {}, {"data": {"other": "eA=="}}, {"data": {"key": "x"}}):
        assert rollback_checks.secret_bytes(secret, "key") is None


@pytest.mark.parametrize(
    ("templates", "named"),
    [
        (
            {"archive": {"configMapKeyRef": {"name": "mine", "key": "a.tgz"}}},
            'ConfigMap "mine", key "a.tgz"',
        ),
        (
            {"archive": {"secretKeyRef": {"name": "mine", "key": "a.tgz"}}},
            'Secret "mine", key "a.tgz"',
        ),
        (
            {
                "files": [
                    {
                        "role": role,
                        "configMapRef": {"name": f"t-{role}"},
                        "items": [{"key": "a", "path": "a"}],
                    }
                    for role in ("static", "core")
                ]
            },
            'ConfigMap "t-core" or ConfigMap "t-static"',
        ),
    ],
)
def test_changed_inputs_are_named(templates: dict[str, Any], named: str) -> None:
    spec = PryvPlatformSpec.model_validate({**SPEC, "templates": templates})
    inputs = {
        "Secret a, key k": "1",
        "Secret b, key k": "2",
        "Secret c, key k": "3",
        "templates": "4",
    }
    now = {
        "Secret a, key k": "1",
        "Secret b, key k": "another",
        "Secret c, key k": None,
        "templates": "another",
    }
    assert rollback_checks.input_problems(recorded(1, inputs=inputs), decode_all(now), spec) == [
        'Secret "b", key "k": changed since revision 1',
        'Secret "c", key "k": not found',
        f"{named}: changed since revision 1",
    ]
    assert (
        rollback_checks.input_problems(recorded(1, inputs=inputs), decode_all(inputs), spec) == []
    )
    assert len(rollback_checks.input_problems(recorded(1, inputs=inputs), {}, spec)) == 4


def test_certificate_secrets() -> None:
    roles = {"core": {"tls": {"secretName": "core"}}, "static": {"tls": {"secretName": "all"}}}
    spec = PryvPlatformSpec.model_validate({**SPEC, "tls": {"secretName": "all"}, "roles": roles})
    assert rollback_checks.certificate_secrets(spec) == ["all", "core"]
    assert rollback_checks.certificate_secrets(PryvPlatformSpec.model_validate(SPEC)) == []


def test_refusal() -> None:
    of = recorded(2, inputs={"Secret a, key k": "1"})
    assert rollback_checks.refusal(of, [], None, "acme") is None
    why = rollback_checks.refusal(
        of,
        ["Secret a: changed"],
        {"metadata": {"creationTimestamp": "2026-01-01T00:00:00Z"}},
        "acme",
    )
    assert why
    assert "Secret a: changed" in why
    assert "--force" in why
    assert "hash-key" not in why
    why = rollback_checks.refusal(
        of,
        ["Secret a: changed"],
        {"metadata": {"creationTimestamp": "2026-02-01T00:00:00Z"}},
        "acme",
    )
    assert why
    assert 'Secret "acme-hash-key" was recreated after revision 2' in why


def test_an_equal_spec_is_not_written() -> None:
    rollback_checks.check_spec_differs(recorded(1), SPEC, {**SPEC, "variables": {}}, [])
    with pytest.raises(
        HistoryError, match=r"revision 1: nothing to roll back, the resource has its spec already$"
    ):
        rollback_checks.check_spec_differs(recorded(1), SPEC, dict(SPEC), [])
    with pytest.raises(
        HistoryError,
        match="already; changed outside the spec: Secret a: changed",
    ):
        rollback_checks.check_spec_differs(recorded(1), SPEC, dict(SPEC), ["Secret a: changed"])


def test_warnings() -> None:
    stores = [
        workload("co1/mongodb", image=f"mongodb:{number}", kind="StatefulSet") for number in (1, 2)
    ]
    plain = [workload("co1/hfs", image=f"hfs:{number}") for number in (1, 2)]
    of, newest = recorded(1, stores[0], plain[0], complete="true"), recorded(2, stores[1], plain[1])
    (store,) = rollback_checks.warnings(of, newest, SPEC)
    assert store.startswith("co1/mongodb: image is downgraded from mongodb:2 to mongodb:1")
    assert rollback_checks.warnings(newest, newest, SPEC) == [
        "revision 2: was never rolled out completely"
    ]
    assert (
        "it crashes" in rollback_checks.warnings(recorded(2, failed="it crashes"), newest, SPEC)[0]
    )
    paused, stopped = rollback_checks.warnings(
        recorded(1, complete="true"), newest, {**SPEC, "rollout": {"paused": True}, "stopped": True}
    )
    assert "paused" in paused
    assert "stopped" in stopped


def test_managers_that_apply_the_spec() -> None:
    fields = {"f:spec": {"f:domain": {}}}
    managers = [
        {"manager": "flux", "operation": "Apply", "fieldsV1": fields},
        {
            "manager": "pryv-operator",
            "operation": "Apply",
            "subresource": "status",
            "fieldsV1": {"f:status": {}},
        },
        {"manager": "kubectl-edit", "operation": "Update", "fieldsV1": fields},
    ]
    assert rollback_checks.applying_managers({"metadata": {"managedFields": managers}}) == ["flux"]
    assert rollback_checks.applying_managers({"metadata": {}}) == []
