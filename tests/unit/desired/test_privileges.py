"""What a spec may not use unless it is allowed, and what it may."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from pryv_operator.desired.privileges import (
    CONTROL_PLANE_TAINTS,
    DEFAULT_PROFILES,
    PRIVILEGED_ANNOTATIONS,
    PROFILE_ANNOTATIONS,
    SYSTEM_PRIORITY_PREFIX,
    Privilege,
    check_privileges,
)
from pryv_operator.desired.state import compute_desired
from tests.attacks.privileged_specs import ORDINARY, PREFERRED, REFUSED, REQUIRED, pods
from tests.unit.builders import inputs, platform

ROOT = Path(__file__).parents[3]
CASES = [
    pytest.param(privilege, spec, where, id=f"{privilege}-{number}")
    for privilege, cases in REFUSED.items()
    for number, (spec, where) in enumerate(cases)
]


@pytest.mark.parametrize(("privilege", "spec", "where"), CASES)
def test_refused_unless_allowed(privilege: Privilege, spec: dict[str, Any], where: str) -> None:
    given_platform = platform(**spec)
    (problem,) = check_privileges(given_platform)
    assert problem.reason == "NotAllowed"
    assert where in problem.message.partition(": ")[0]
    assert problem.message.endswith(f"start the operator with --allow={privilege}")
    assert check_privileges(given_platform, frozenset(Privilege) - {privilege}) == (problem,)
    assert check_privileges(given_platform, frozenset({privilege})) == ()


@pytest.mark.parametrize("spec", ORDINARY, ids=json.dumps)
def test_ordinary_fields_are_allowed(spec: dict[str, Any]) -> None:
    assert check_privileges(platform(**spec)) == ()


def test_a_refused_platform_gets_no_object() -> None:
    refused = platform(**pods(priorityClassName="system-node-critical"))
    found = compute_desired(inputs(refused, addresses={}))
    assert [problem.reason for problem in found.problems] == ["NotAllowed"]
    assert found.services == found.objects == ()
    assert found.certificate_request is None
    allowed = frozenset({Privilege.SYSTEM_PRIORITY_CLASSES})
    assert compute_desired(replace(inputs(refused, addresses={}), allowed=allowed)).services


def test_the_role_of_several_cores_is_reported_once() -> None:
    spec = pods(priorityClassName="system-node-critical")
    spec["roles"]["core"]["instances"] = [{"name": "co1"}, {"name": "co2"}]
    assert len(check_privileges(platform(**spec))) == 1


FIELDS = [
    "podAffinityTerm",
    "podAffinity",
    "namespaces",
    "namespaceSelector",
    REQUIRED,
    PREFERRED,
]
ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.sampled_from(["", "key", "other"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                [
                    "key",
                    "podAffinity",
                    "podAntiAffinity",
                    REQUIRED,
                    PREFERRED,
                    "podAffinityTerm",
                    "namespaces",
                    "namespaceSelector",
                ]
            ),
            inner,
            max_size=3,
        )
    ),
    max_leaves=12,
)


@given(ANYTHING, ANYTHING)
def test_fields_of_any_form_are_read(toleration: Any, affinity: Any) -> None:
    """The CRD does not validate them: a hostile one must not end the reconciliation."""
    spec = pods(tolerations=[{"key": toleration}], affinity={"podAntiAffinity": affinity})
    for problem in check_privileges(platform(**spec)):
        assert problem.reason == "NotAllowed"


CHART = ROOT / "charts/pryv-operator"


def test_the_chart_knows_every_privilege() -> None:
    schema = json.loads((CHART / "values.schema.json").read_text())
    known = schema["definitions"]["privileges"]["items"]["enum"]
    assert known == sorted(Privilege, key=str.lower)
    values = yaml.safe_load((CHART / "values.yaml").read_text())
    assert values["admissionPolicy"]["refuse"] == known


def test_the_admission_policy_has_the_same_lists() -> None:
    policy = (CHART / "templates/admission-policy.yaml").read_text()
    quoted = set(re.findall(r"'([^' ]+)'", policy))
    listed = {
        *CONTROL_PLANE_TAINTS,
        *DEFAULT_PROFILES,
        *PRIVILEGED_ANNOTATIONS,
        *PROFILE_ANNOTATIONS,
        SYSTEM_PRIORITY_PREFIX,
    }
    others = {"CREATE", "cluster", "podAffinity", "podAntiAffinity", "(^|[.])crio[.]io(/|$)"}
    assert quoted == listed | others
