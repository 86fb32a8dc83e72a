"""What a spec may not use unless it is allowed, and what it may."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pryv_operator.api import names
from pryv_operator.desired.privileges import (
    CONTROL_PLANE_TAINTS,
    PRIVILEGED_ANNOTATIONS,
    PROFILE_ANNOTATIONS,
    Privilege,
    check_privileges,
)
from pryv_operator.desired.state import compute_desired
from tests.unit.builders import inputs, platform

ROOT = Path(__file__).parents[3]
TERM = {"topologyKey": "kubernetes.io/hostname", "labelSelector": {}}
REQUIRED = "requiredDuringSchedulingIgnoredDuringExecution"
PREFERRED = "preferredDuringSchedulingIgnoredDuringExecution"


def pods(**overrides: Any) -> dict[str, Any]:
    """A spec with these overrides for hfs."""
    return {"roles": {"core": {"components": {"hfs": overrides}}}}


def far(term: dict[str, Any]) -> dict[str, Any]:
    """A spec with a required anti-affinity."""
    return pods(affinity={"podAntiAffinity": {REQUIRED: [{**TERM, **term}]}})


REFUSED: dict[Privilege, list[tuple[dict[str, Any], str]]] = {
    Privilege.CLUSTER_ISSUERS: [
        ({"tls": {"issuerRef": {"name": "a", "kind": kind}}}, "spec.tls.issuerRef.kind")
        for kind in ("ClusterIssuer", "AWSPCAClusterIssuer", "ClusterOriginIssuer")
    ],
    Privilege.EXTERNAL_IPS: [
        (
            {"roles": {role: {"service": {"externalIPs": ["192.0.2.1"]}}}},
            f"spec.roles.{role}.service.externalIPs",
        )
        for role in names.ROLES
    ],
    Privilege.CONTROL_PLANE_TOLERATIONS: [
        (pods(tolerations=[{"key": "a"}, toleration]), "hfs.tolerations[1]")
        for toleration in (
            *({"key": key, "operator": "Exists"} for key in CONTROL_PLANE_TAINTS),
            {"key": CONTROL_PLANE_TAINTS[0], "value": "", "effect": "NoSchedule"},
            {"operator": "Exists"},
            {"key": "", "operator": "Exists"},
            {"key": None, "operator": "Exists", "effect": "NoExecute"},
        )
    ],
    Privilege.SYSTEM_PRIORITY_CLASSES: [
        (pods(priorityClassName=name), "hfs.priorityClassName")
        for name in ("system-cluster-critical", "system-node-critical")
    ],
    Privilege.SECURITY_ANNOTATIONS: [
        (pods(annotations={f"{key}x": "unconfined"}), "hfs.annotations")
        for key in (*PROFILE_ANNOTATIONS, *PRIVILEGED_ANNOTATIONS)
    ],
    Privilege.CROSS_NAMESPACE_AFFINITY: [
        (far({"namespaceSelector": {}}), "hfs.affinity.podAntiAffinity"),
        (far({"namespaceSelector": {"matchLabels": {"a": "b"}}}), "hfs.affinity.podAntiAffinity"),
        (far({"namespaces": ["pryv", "other"]}), "hfs.affinity.podAntiAffinity"),
        (
            pods(
                affinity={
                    "podAffinity": {
                        PREFERRED: [
                            {"weight": 1, "podAffinityTerm": {**TERM, "namespaces": ["other"]}}
                        ]
                    }
                }
            ),
            "hfs.affinity.podAffinity",
        ),
    ],
}
#: What the `edit` role of a namespace may do as well, and honest platforms use.
ORDINARY = [
    {},
    {"tls": {"issuerRef": {"name": "letsencrypt"}}},
    {"tls": {"issuerRef": {"name": "a", "kind": "AWSPCAIssuer", "group": "awspca"}}},
    {"roles": {"core": {"service": {"type": "LoadBalancer", "annotations": {"a.b/c": "d"}}}}},
    pods(tolerations=[{"key": "dedicated", "operator": "Exists"}]),
    pods(tolerations=[{"key": "node.kubernetes.io/not-ready", "tolerationSeconds": 30}]),
    pods(tolerations=[{"key": "node.kubernetes.io/unreachable", "operator": "Exists"}]),
    pods(priorityClassName="high"),
    pods(annotations={"cluster-autoscaler.kubernetes.io/safe-to-evict": "false"}),
    pods(annotations={"prometheus.io/scrape": "true"}),
    pods(annotations={f"{PROFILE_ANNOTATIONS[0]}hfs": "runtime/default"}),
    far({}),
    far({"namespaces": ["pryv"]}),
    far({"namespaces": [], "namespaceSelector": None}),
    pods(affinity={"nodeAffinity": {REQUIRED: {"nodeSelectorTerms": []}}}),
]
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


def test_the_chart_knows_every_privilege() -> None:
    schema = json.loads((ROOT / "charts/pryv-operator/values.schema.json").read_text())
    assert schema["definitions"]["privilege"]["enum"] == sorted(Privilege, key=str.lower)
