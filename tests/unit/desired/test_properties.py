"""Properties of any desired state: deterministic, confidential, valid for the API server."""

from __future__ import annotations

import copy
import json
import re
from collections import Counter
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from pryv_operator.api import names
from pryv_operator.api.kubernetes import WORKLOAD_KINDS, Object
from pryv_operator.desired.state import Desired, compute_desired
from pryv_operator.live.diff import needs_apply, with_applied_hash
from pryv_operator.pki.certificate import Certificate
from pryv_operator.templates.builtin import load_release
from pryv_operator.values.platform_values import generated_names
from tests.examples import examples
from tests.unit.builders import all_objects, changed_workloads, inputs, platform, texts, workloads

CANARY = "canary-7f3a"
MANY = settings(max_examples=examples(25))

_LABEL = re.compile(r"[a-z]([-a-z0-9]{0,61}[a-z0-9])?")
_SUBDOMAIN = re.compile(r"[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?")
_VALUE = re.compile(r"([A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?)?")

_words = st.text(
    st.characters(exclude_categories=["Cs", "Cc"], exclude_characters='"\\'), max_size=12
)
_variables = st.fixed_dictionaries(
    {},
    optional={
        "PLATFORM_NAME": _words,
        "SUPPORT_LINK": st.sampled_from(["https://acme.health/support", "mailto:help@acme.health"]),
        "MAX_UPLOAD_SIZE_MB": st.integers(1, 5000),
        "EMAIL_SMTP_SETTINGS": st.fixed_dictionaries(
            {"host": st.just("smtp.acme.health"), "port": st.integers(1, 65535)}
        ),
        "INVITATION_TOKENS": st.none()
        | st.lists(st.sampled_from(["enjoy1", "enjoy2"]), unique=True),
        "DNS_CUSTOM_ENTRIES": st.dictionaries(
            st.sampled_from(["www", "api"]), st.just({"ip": "203.0.113.99"})
        ),
        "BACKWARD_COMPATIBILITY_SYSTEM_STREAMS_PREFIX": st.booleans(),
        "NO_SUCH_VARIABLE": st.integers(),
    },
)
_SECRETS = (
    "REGISTER_ADMIN_KEY",
    "EMAIL_SMTP_SETTINGS.auth.pass",
    "MFA_ENDPOINTS.single.headers.authorization",
    "TRUSTED_APPS",
)
_secrets = st.sets(st.sampled_from(_SECRETS)).map(
    lambda chosen: {name: {"secretKeyRef": {"name": "a", "key": "b"}} for name in sorted(chosen)}
)
_service = st.fixed_dictionaries(
    {"type": st.sampled_from(["ClusterIP", "LoadBalancer"])},
    optional={"mixedProtocols": st.booleans()},
)
_components = st.dictionaries(
    st.sampled_from(["reverse_proxy", "reverse-proxy"]),
    st.fixed_dictionaries(
        {}, optional={"replicas": st.integers(0, 3), "env": st.just([{"name": "A", "value": ""}])}
    ),
    max_size=1,
)
_role = st.fixed_dictionaries(
    {"address": st.just("203.0.113.7")}, optional={"service": _service, "components": _components}
)


def _name(entry: Any) -> str:
    return str(entry["name"])


_core = st.fixed_dictionaries(
    {},
    optional={
        "instances": st.lists(
            st.fixed_dictionaries(
                {
                    "name": st.sampled_from(["co1", "co2", "co10", "zurich"]),
                    "address": st.just("203.0.113.8"),
                },
                optional={"hosting": st.sampled_from(["geneva", "zurich"])},
            ),
            min_size=1,
            unique_by=_name,
        ),
        "components": _components,
    },
)
_specs = st.fixed_dictionaries(
    {},
    optional={
        "variables": _variables,
        "secrets": _secrets,
        "networkPolicy": st.booleans(),
        "deletionPolicy": st.sampled_from(["Retain", "Delete"]),
        "imageRegistry": st.just("registry.acme.health/pryv"),
        "roles": st.fixed_dictionaries(
            {}, optional={"reg-master": _role, "core": _core, "static": _role, "reg-slave": _role}
        ),
    },
)


def of(spec: dict[str, Any], **different: Any) -> Desired:
    """The desired state of a spec; every value from a Secret is a canary."""
    wanted = platform(**spec)
    kept = {
        name: f"{CANARY}-{index}"
        for index, name in enumerate(
            sorted(
                {
                    *generated_names(wanted, load_release(wanted.spec.release)),
                    *spec.get("secrets", {}),
                }
            )
        )
    }
    fields = {
        "certificate": Certificate("the chain\n", CANARY),
        "secrets": kept,
        "authorities": "an authority\n",
    } | different
    return compute_desired(inputs(wanted, **fields))


def shuffled(value: Any) -> Any:
    """The same spec with its maps, and its instances, in another order."""
    if isinstance(value, dict):
        turned = {key: shuffled(child) for key, child in reversed(value.items())}
        if "instances" in turned:
            turned["instances"] = list(reversed(turned["instances"]))
        return turned
    return [shuffled(child) for child in value] if isinstance(value, list) else value


def as_bytes(found: Desired) -> bytes:
    return json.dumps(
        [all_objects(found), found.problems, found.warnings, found.instances], default=str
    ).encode()


@MANY
@given(_specs)
def test_the_same_inputs_give_the_same_bytes(spec: dict[str, Any]) -> None:
    assert as_bytes(of(spec)) == as_bytes(of(copy.deepcopy(spec)))


@MANY
@given(_specs)
def test_the_order_of_the_spec_does_not_matter(spec: dict[str, Any]) -> None:
    one, other = of(spec), of(shuffled(spec))
    assert [json.dumps(item, sort_keys=True) for item in all_objects(one)] == [
        json.dumps(item, sort_keys=True) for item in all_objects(other)
    ]
    assert not changed_workloads(one, other)


@MANY
@given(_specs)
def test_secrets_stay_in_secrets(spec: dict[str, Any]) -> None:
    found = of(spec)
    visible = [item for item in all_objects(found) if item["kind"] != "Secret"]
    assert not [text for item in visible for text in texts(item) if CANARY in text]
    assert CANARY not in repr(
        (
            found.problems,
            found.waiting,
            found.warnings,
            found.blocked,
            found.instances,
            found.certificate_request,
        )
    )
    for item in found.objects:
        if item["kind"] == "Secret":
            assert not [text for text in texts(item["metadata"]) if CANARY in text]


@MANY
@given(_specs)
def test_another_hash_key_renames_secrets_only(spec: dict[str, Any]) -> None:
    one, other = of(spec), of(spec, hash_key=b"another")

    def named(found: Desired, secrets: bool) -> set[str]:
        return {
            item["metadata"]["name"]
            for item in all_objects(found)
            if (item["kind"] == "Secret") is secrets
        }

    assert named(one, secrets=False) == named(other, secrets=False)
    assert not named(one, secrets=True) & named(other, secrets=True)


@MANY
@given(_specs)
def test_objects_are_valid_for_the_api_server(spec: dict[str, Any]) -> None:
    found = of(spec)
    assert found.complete, found.problems
    counted = Counter((item["kind"], item["metadata"]["name"]) for item in all_objects(found))
    assert set(counted.values()) == {1}
    for item in all_objects(found):
        name, kind = item["metadata"]["name"], item["kind"]
        assert (_LABEL if kind in ("Service", *WORKLOAD_KINDS) else _SUBDOMAIN).fullmatch(name)
        assert len(name) <= (names.MAX_WORKLOAD_NAME if kind in WORKLOAD_KINDS else 63)
        assert all(_VALUE.fullmatch(value) for value in item["metadata"]["labels"].values())
        assert not needs_apply(with_applied_hash(item), with_applied_hash(copy.deepcopy(item)))
        assert len(json.dumps(item)) < 1 << 20
    for workload in workloads(found).values():
        check_workload(workload, counted.keys())


@MANY
@given(_specs)
def test_a_budget_protects_the_pods_of_each_component_that_has_several(
    spec: dict[str, Any],
) -> None:
    found = of(spec)
    budgets = {
        item["metadata"]["name"]: item["spec"]["selector"]["matchLabels"]
        for item in found.objects
        if item["kind"] == "PodDisruptionBudget"
    }
    several = {
        name for name, item in workloads(found).items() if item["spec"].get("replicas", 1) > 1
    }
    assert budgets.keys() == several
    for name, selector in budgets.items():
        assert {
            other
            for other, item in workloads(found).items()
            if selector.items() <= item["spec"]["template"]["metadata"]["labels"].items()
        } == {name}


def check_workload(item: Object, there: Any) -> None:
    """Everything that a pod template refers to exists, and nothing occurs twice."""
    template = item["spec"]["template"]
    pod = template["spec"]
    assert item["spec"]["selector"]["matchLabels"].items() <= template["metadata"]["labels"].items()
    assert all(_VALUE.fullmatch(value) for value in template["metadata"]["labels"].values())
    volumes = [volume["name"] for volume in pod["volumes"]]
    ips = [alias["ip"] for alias in pod.get("hostAliases", ())]
    assert len(set(volumes)) == len(volumes)
    assert len(set(ips)) == len(ips)
    assert all(_LABEL.fullmatch(name) for name in volumes)
    assert all(
        _SUBDOMAIN.fullmatch(host)
        for alias in pod.get("hostAliases", ())
        for host in alias["hostnames"]
    )
    for container in (*pod["containers"], *pod.get("initContainers", ())):
        mounts = container.get("volumeMounts", ())
        paths = [mount["mountPath"] for mount in mounts]
        assert len(set(paths)) == len(paths)
        assert {mount["name"] for mount in mounts} <= set(volumes)
        ports = [port["name"] for port in container.get("ports", ())]
        assert len(set(ports)) == len(ports)
        for variable in container.get("env", ()):
            if "valueFrom" in variable:
                assert ("Secret", variable["valueFrom"]["secretKeyRef"]["name"]) in there
    for volume in pod["volumes"]:
        for source in volume.get("projected", {}).get("sources", ()):
            kind, short = (
                ("ConfigMap", "configMap") if "configMap" in source else ("Secret", "secret")
            )
            assert (kind, source[short]["name"]) in there
            paths = [entry["path"] for entry in source[short]["items"]]
            assert len(set(paths)) == len(paths)
        if "persistentVolumeClaim" in volume:
            assert ("PersistentVolumeClaim", volume["persistentVolumeClaim"]["claimName"]) in there
