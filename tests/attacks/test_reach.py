"""A writer of PryvPlatforms reaches what docs/secure.md says, and nothing of others."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlencode

import pytest
import yaml

from pryv_operator.desired.privileges import Privilege
from tests.api.fixtures import CHART, helm
from tests.api.platforms import MANAGED_KINDS, PlatformUser, platform
from tests.attacks.hostile_tenant import create_deep_platform
from tests.attacks.privileged_specs import NAMESPACE, ORDINARY, REFUSED
from tests.cluster.api_client import MERGE_PATCH
from tests.cluster.control_plane import ControlPlane
from tests.cluster.fixtures import new_namespace
from tests.cluster.waiting import wait_until

Object = dict[str, Any]
OTHERS = {"app.kubernetes.io/managed-by": "pryv-operator", "pryv.io/platform": "beta"}
#: The field that the policy's message names.
FIELDS = {
    Privilege.CLUSTER_ISSUERS: "issuerRef.kind",
    Privilege.CONTROL_PLANE_TOLERATIONS: "tolerations",
    Privilege.CROSS_NAMESPACE_AFFINITY: "affinity",
    Privilege.EXTERNAL_IPS: "externalIPs",
    Privilege.SECURITY_ANNOTATIONS: "annotations",
    Privilege.SYSTEM_PRIORITY_CLASSES: "priorityClassName",
}
POLICIES = "/apis/admissionregistration.k8s.io/v1"


def hostile_spec() -> Object:
    """A spec that reaches for everything at once."""
    hfs: Object = {}
    for cases in REFUSED.values():
        for spec, _ in cases:
            hfs |= spec.get("roles", {}).get("core", {}).get("components", {}).get("hfs", {})
    return {
        "tls": {"issuerRef": {"name": "corporate", "kind": "ClusterIssuer"}},
        "secrets": {
            "REGISTER_ADMIN_KEY": {"secretKeyRef": {"name": "builder-token", "key": "token"}},
            "SSO_COOKIE_SIGN_SECRET": {"secretKeyRef": {"name": "beta-generated", "key": "value"}},
        },
        "roles": {
            "core": {
                "service": {"externalIPs": ["192.0.2.53"]},
                "components": {
                    "hfs": hfs,
                    "mongodb": {"storage": {"existingClaim": "beta-co1-mongodb-data"}},
                    "influxdb": {"storage": {"existingClaim": "in-use"}},
                },
            }
        },
    }


def plant(user: PlatformUser) -> None:
    """What of others is in the namespace of the platform."""
    account = {"kubernetes.io/service-account.name": "default"}
    size = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}
    volume = {"name": "data", "persistentVolumeClaim": {"claimName": "in-use"}}
    container = {"name": "db", "image": "registry.example.com/db:1"}
    core = {"apiVersion": "v1"}
    user.apply(
        core
        | {
            "kind": "Secret",
            "type": "kubernetes.io/service-account-token",
            "metadata": {"name": "builder-token", "annotations": account},
        },
        core
        | {
            "kind": "Secret",
            "metadata": {"name": "beta-generated", "labels": OTHERS},
            "stringData": {"value": "canary-of-beta-12"},
        },
        core
        | {
            "kind": "PersistentVolumeClaim",
            "metadata": {"name": "beta-co1-mongodb-data", "labels": OTHERS},
            "spec": size,
        },
        core | {"kind": "PersistentVolumeClaim", "metadata": {"name": "in-use"}, "spec": size},
        core
        | {
            "kind": "Pod",
            "metadata": {"name": "db-0"},
            "spec": {"volumes": [volume], "containers": [container]},
        },
    )


def test_a_running_platform_reaches_for_more_and_gets_nothing(
    shared_platform: PlatformUser,
) -> None:
    user = shared_platform
    user.apply_and_wait()
    user.wait_steady()  # policies of what an earlier test had outlive its pods
    before = user.digests(MANAGED_KINDS)
    plant(user)
    planted = {"Secret/beta-generated", "PersistentVolumeClaim/beta-co1-mongodb-data"}
    try:
        user.apply_platform(**hostile_spec())
        message = user.wait_reason("NotAllowed")["message"]
        for where in (
            "spec.tls.issuerRef.kind",
            "spec.roles.core.service.externalIPs",
            *(
                f"spec.roles.core.components.hfs.{field}"
                for field in ("tolerations[", "priorityClassName", "annotations", "affinity")
            ),
            *(f"--allow={privilege}" for privilege in REFUSED),
            'spec.secrets.REGISTER_ADMIN_KEY: Secret "builder-token" has the type',
            'spec.secrets.SSO_COOKIE_SIGN_SECRET: Secret "beta-generated" belongs to',
            'mongodb.storage.existingClaim: PVC "beta-co1-mongodb-data" belongs to',
            'influxdb.storage.existingClaim: PVC "in-use" is in use by Pod "db-0"',
        ):
            assert where in message
        assert "canary-of-beta" not in json.dumps(user.get("pryvplatform", "acme"))
        after = user.digests(MANAGED_KINDS)
        assert {name: after[name] for name in after.keys() - planted} == before
    finally:
        api = user.control_plane.api
        api.delete(user.path("pods", "db-0") + "?gracePeriodSeconds=0")
        for name in ("in-use", "beta-co1-mongodb-data"):
            api.delete(user.path("pvc", name))
        for name in ("builder-token", "beta-generated"):
            api.delete(user.path("secret", name))
        user.apply_platform()


def test_another_platforms_secrets_are_refused_without_their_labels(
    shared_platform: PlatformUser,
) -> None:
    """Its status records them, and cert-manager's has the name of its Certificate."""
    user = shared_platform
    user.apply_and_wait()
    pods = user.pods()
    beta: Object = {"domain": "beta.test", "stopped": True, "deletionPolicy": "Delete"}
    user.apply_platform("beta", **beta)
    generated = "beta-generated-register-admin-key"
    stripped = (generated, "beta-hash-key", "beta-private-tls-1")

    def recorded() -> bool:
        status = user.get("pryvplatform", "beta").get("status", {})
        records = status.get("ownership", {}).get("secrets", ())
        return {*stripped} <= {each["name"] for each in records if each.get("uid")}

    wait_until(recorded, "the records of the other platform", seconds=60)
    # A paused platform restores no labels.
    beta |= {"rollout": {"paused": True}, "tls": {"issuerRef": {"name": "corporate"}}}
    user.apply_platform("beta", **beta)
    user.wait_observed("beta")
    for name in stripped:
        for change in ({"labels": None}, {"ownerReferences": None}):
            user.patch("secret", name, {"metadata": change})
    issued = {"cert-manager.io/certificate-name": "beta-tls"}
    tls = {"type": "kubernetes.io/tls", "stringData": {"tls.crt": "x", "tls.key": "x"}}
    for name, noted in (("beta-tls", issued), ("shared-tls", {})):
        metadata = {"name": name, "annotations": noted}
        user.apply({"apiVersion": "v1", "kind": "Secret", "metadata": metadata, **tls})
    try:
        key = {"name": generated, "key": "value"}
        archive = {"name": "beta-hash-key", "key": "value"}
        user.apply_platform(
            tls={"secretName": "beta-tls"},
            secrets={"REGISTER_ADMIN_KEY": {"secretKeyRef": key}},
            roles={"static": {"tls": {"secretName": "beta-private-tls-1"}}},
        )
        message = user.wait_reason("NotAllowed")["message"]
        for where in (
            'spec.tls.secretName: Secret "beta-tls"',
            f'spec.secrets.REGISTER_ADMIN_KEY: Secret "{generated}"',
            'spec.roles.static.tls.secretName: Secret "beta-private-tls-1"',
        ):
            assert f'{where} belongs to platform "beta"' in message
        user.apply_platform(templates={"archive": {"secretKeyRef": archive}})
        message = user.wait_reason("NotAllowed")["message"]
        assert 'Secret "beta-hash-key" belongs to platform "beta"' in message
        assert user.pods("pryv.io/platform=acme") == pods
        # A certificate of the user's may be shared by platforms: only its content is judged.
        user.apply_platform(tls={"secretName": "shared-tls"})
        user.wait_reason("CertificateInvalid")
    finally:
        user.delete("pryvplatform", "beta")
        for name in ("beta-tls", "shared-tls", *stripped):
            user.control_plane.api.delete(user.path("secret", name))
        user.apply_platform()


def test_a_platform_that_cannot_be_parsed_is_named(shared_platform: PlatformUser) -> None:
    """Whether a Secret that its name suggests is its own cannot be known."""
    user = shared_platform
    user.apply_and_wait()
    pods = user.pods()
    tls = {"type": "kubernetes.io/tls", "stringData": {"tls.crt": "x", "tls.key": "x"}}
    user.apply({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "deep-tls"}, **tls})
    create_deep_platform(user, "deep")
    try:
        user.apply_platform(tls={"secretName": "deep-tls"})
        message = user.wait_reason("NotAllowed")["message"]
        assert 'Secret "deep-tls" may belong to platform "deep", which is nested too' in message
        assert user.pods() == pods
    finally:
        for kind, name in (("pryvplatform", "deep"), ("secret", "deep-tls")):
            user.control_plane.api.delete(user.path(kind, name))
        user.apply_and_wait()


def test_no_pod_waits_for_a_pvc_that_appears_later(shared_platform: PlatformUser) -> None:
    """It may be another platform's then, and a pod would mount it without another check."""
    user = shared_platform
    user.apply_and_wait()
    pods, services = user.pods(), user.digests("services").keys()
    api, claim = user.control_plane.api, "beta-co1-mongodb-data"
    size = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}
    item = {"apiVersion": "v1", "kind": "PersistentVolumeClaim", "spec": size}

    def mounting() -> list[str]:
        found = user.list("pods", None)
        return [each["metadata"]["name"] for each in found if claim in json.dumps(each["spec"])]

    try:
        storage = {"existingClaim": claim}
        core = {"components": {"mongodb": {"storage": storage}}}
        user.apply_platform(roles={"core": core, "reg-slave": {}})
        message = user.wait_reason("WaitingForPVC")["message"]
        assert user.digests("services").keys() <= services  # those of others may go
        assert f'mongodb.storage.existingClaim: PVC "{claim}" not found; create it' in message
        user.apply(item | {"metadata": {"name": claim, "labels": OTHERS}})
        message = user.wait_reason("NotAllowed")["message"]
        assert f'PVC "{claim}" belongs to platform "beta"' in message
        assert user.pods() == pods
        assert not mounting()
        # It is checked again, however often it is replaced.
        api.delete(user.path("pvc", claim))
        user.wait_reason("WaitingForPVC")
        user.apply(item | {"metadata": {"name": claim}})
        wait_until(mounting, "the user's PVC to be mounted", seconds=90)
    finally:
        user.apply_and_wait()
        if user.find("pvc", claim):
            user.delete("pvc", claim)


@pytest.fixture
def policed(control_plane: ControlPlane, chart_kubeconfig: object) -> Iterator[PlatformUser]:
    """A user in a namespace that the chart's admission policy is for."""
    assert chart_kubeconfig  # the CRD is installed
    with new_namespace(control_plane) as name:
        older = PlatformUser(control_plane, name)
        older.apply(
            platform("older", roles={"static": {"service": {"externalIPs": ["192.0.2.1"]}}})
        )
        values = {"kubernetes.io/metadata.name": name}
        rendered = helm(
            control_plane,
            "template",
            "policed",
            str(CHART),
            "--show-only=templates/admission-policy.yaml",
            "--set=admissionPolicy.enabled=true",
            f"--set-json=admissionPolicy.namespaceSelector={json.dumps({'matchLabels': values})}",
        )
        paths = []
        for item in yaml.safe_load_all(rendered):
            plural = {"ValidatingAdmissionPolicy": "validatingadmissionpolicies"}.get(
                item["kind"], "validatingadmissionpolicybindings"
            )
            control_plane.api.create(f"{POLICIES}/{plural}", item)
            paths.append(f"{POLICIES}/{plural}/{item['metadata']['name']}")
        try:
            yield older
        finally:
            for path in reversed(paths):
                control_plane.api.delete(path)


def dry_run(user: PlatformUser, spec: Object) -> tuple[int, str]:
    """Status and body of the API server's answer to a platform with this spec."""
    text = json.dumps(platform(**spec)).replace(json.dumps(NAMESPACE), json.dumps(user.namespace))
    query = urlencode({"dryRun": "All", "fieldValidation": "Strict"})
    return user.control_plane.api.answer("POST", f"{user.path('pryvplatforms')}?{query}", text)


def test_admission_policy_refuses_the_same(policed: PlatformUser) -> None:
    refused = [(key, spec) for key, cases in REFUSED.items() for spec, _ in cases]
    wait_until(
        lambda: dry_run(policed, refused[0][1])[0] == 403,
        "the policy to be in effect",
        seconds=30,
    )
    for key, spec in refused:
        status, body = dry_run(policed, spec)
        assert status == 403, (spec, body)
        assert f"{FIELDS[key]}: " in json.loads(body)["message"]
    empty: list[Object] = [
        {"tls": None},
        {"roles": None},
        {"roles": {"reg-slave": None}},
        {"roles": {"core": {"service": None, "components": {"hfs": None}}}},
        {"roles": {"core": {"components": None}}},
    ]
    for spec in [*ORDINARY, *empty]:
        status, body = dry_run(policed, spec)
        assert status == 201, (spec, body)


def test_admission_policy_lets_older_platforms_be_repaired(policed: PlatformUser) -> None:
    def patched(body: Object) -> int:
        path, merge = policed.path("pryvplatform", "older"), {"Content-Type": MERGE_PATCH}
        api = policed.control_plane.api
        return api.answer("PATCH", f"{path}?dryRun=All", body, headers=merge)[0]

    wait_until(
        lambda: patched({"spec": {"stopped": True}}) == 403,
        "the policy to be in effect",
        seconds=30,
    )
    assert patched({"metadata": {"annotations": {"pryv.io/reconcile": "1"}}}) == 200
    assert patched({"spec": {"roles": None}}) == 200
