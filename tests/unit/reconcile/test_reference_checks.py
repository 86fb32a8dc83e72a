"""References to objects of others and to credentials of the cluster, and what others use."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

import pytest

from pryv_operator.api import labels_annotations as keys
from pryv_operator.api.findings import Problem
from pryv_operator.api.kubernetes import Object
from pryv_operator.kube.client import KubeClient
from pryv_operator.kube.resources import Resource
from pryv_operator.live.live_objects import LiveObjects
from pryv_operator.reconcile.computation import UnlimitedComputation
from pryv_operator.reconcile.existing_pvcs import ExistingPVC, missing_pvcs, read_existing_pvcs
from pryv_operator.reconcile.other_platforms import OtherPlatform
from pryv_operator.reconcile.reference_checks import CREDENTIAL_TYPES, check_references
from pryv_operator.reconcile.template_sources import TemplateReader
from tests.unit.builders import platform

#: Field → spec that refers to the Secret "theirs" by it.
BY_FIELD: Mapping[str, dict[str, Any]] = {
    "spec.secrets.REGISTER_ADMIN_KEY": {
        "secrets": {"REGISTER_ADMIN_KEY": {"secretKeyRef": {"name": "theirs", "key": "a"}}}
    },
    "spec.tls.secretName": {"tls": {"secretName": "theirs"}},
    "spec.roles.static.tls.secretName": {"roles": {"static": {"tls": {"secretName": "theirs"}}}},
    "spec.roles.core.tls.secretName": {
        "roles": {
            "core": {
                "instances": [{"name": "co1"}, {"name": "co2"}],
                "tls": {"secretName": "theirs"},
            }
        }
    },
}
PVC_FIELD = "spec.roles.core.components.mongodb.storage.existingClaim"
ARCHIVE = {"templates": {"archive": {"secretKeyRef": {"name": "theirs", "key": "a"}}}}
CLAIM = {"roles": {"core": {"components": {"mongodb": {"storage": {"existingClaim": "theirs"}}}}}}
OTHERS = {keys.MANAGED_BY: keys.FIELD_MANAGER, keys.PLATFORM: "beta"}
OWN = {**OTHERS, keys.PLATFORM: "acme"}
BETA = {"apiVersion": keys.API_VERSION, "kind": keys.KIND, "name": "beta", "uid": "2"}


def secret(type_: str | None = None) -> Object:
    metadata = {"name": "theirs", "uid": "1", "resourceVersion": "1"}
    return {"kind": "Secret", "metadata": metadata, "data": {"a": "Y2FuYXJ5"}} | (
        {"type": type_} if type_ else {}
    )


def pvc(labels: Mapping[str, str] | None = None, **metadata: Any) -> Object:
    return {
        "kind": "PersistentVolumeClaim",
        "metadata": {"name": "theirs", "labels": labels, **metadata},
    }


def mounting(
    kind: str, name: str, claim: str, labels: Mapping[str, str], phase: str = ""
) -> Object:
    spec = {"volumes": [{"name": "a", "persistentVolumeClaim": {"claimName": claim}}]}
    metadata = {"name": name, "labels": labels}
    if kind == "Pod":
        return {"kind": kind, "metadata": metadata, "spec": spec, "status": {"phase": phase}}
    return {"kind": kind, "metadata": metadata, "spec": {"template": {"spec": spec}}}


# Secrets


@pytest.mark.parametrize("field", BY_FIELD)
@pytest.mark.parametrize("type_", CREDENTIAL_TYPES)
def test_credentials_of_the_cluster_are_refused(field: str, type_: str) -> None:
    (problem,) = check_references(platform(**BY_FIELD[field]), {"theirs": secret(type_)}, {}, {})
    assert problem.reason == "NotAllowed"
    assert problem.message.startswith(f'{field}: Secret "theirs" has the type {type_}')


@pytest.mark.parametrize("field", BY_FIELD)
def test_secrets_of_another_platform_are_refused(field: str) -> None:
    spec, found = platform(**BY_FIELD[field]), {"theirs": secret("Opaque")}
    (problem,) = check_references(spec, found, {"theirs": OtherPlatform("beta")}, {})
    assert problem.message.startswith(f'{field}: Secret "theirs" belongs to platform "beta"; ')
    unreadable = OtherPlatform("beta", readable=False)
    (problem,) = check_references(spec, found, {"theirs": unreadable}, {})
    assert problem.message == (
        f'{field}: Secret "theirs" may belong to platform "beta", which is nested too deeply to be '
        "read; copy the value into a Secret of your own"
    )


@pytest.mark.parametrize("field", BY_FIELD)
@pytest.mark.parametrize("type_", [None, "Opaque", "kubernetes.io/tls", "kubernetes.io/basic-auth"])
def test_other_secrets_are_allowed(field: str, type_: str | None) -> None:
    assert check_references(platform(**BY_FIELD[field]), {"theirs": secret(type_)}, {}, {}) == ()


class Reading:
    """A client that returns these objects."""

    def __init__(self, *items: Object) -> None:
        self.items = items
        self.one_at_a_time = asyncio.Lock()
        self.listed: list[str] = []

    async def get(self, resource: Resource, namespace: str, name: str) -> Object | None:
        assert namespace == "pryv"
        found = (each for each in self.items if each["kind"] == resource.kind)
        return next((each for each in found if each["metadata"]["name"] == name), None)

    list_reduced = KubeClient.list_reduced
    list_versioned = KubeClient.list_versioned

    async def list_page(self, resource: Resource, namespace: str, **_: Any) -> Object:
        assert namespace == "pryv"
        self.listed.append(resource.kind)
        items = [each for each in self.items if each["kind"] == resource.kind]
        return {"items": items, "metadata": {}}


@pytest.mark.parametrize("type_", CREDENTIAL_TYPES)
async def test_no_archive_is_read_from_credentials(type_: str) -> None:
    client: Any = Reading(secret(type_))
    found = await TemplateReader(UnlimitedComputation()).read(client, platform(**ARCHIVE))
    assert isinstance(found, Problem)
    assert found.reason == "NotAllowed"
    assert found.message.startswith("spec.templates.archive.secretKeyRef:")


# PVCs


@pytest.mark.parametrize(
    ("found", "said"),
    [
        (ExistingPVC(pvc(OTHERS)), 'belongs to platform "beta"'),
        (ExistingPVC(pvc(ownerReferences=[BETA])), 'belongs to platform "beta"'),
        (
            ExistingPVC(
                pvc(ownerReferences=[{"kind": "Cluster", "name": "db", "controller": True}])
            ),
            'is controlled by Cluster "db"',
        ),
        (
            ExistingPVC(pvc(), tuple(f'Pod "{name}"' for name in "abcd")),
            'is in use by Pod "a", Pod "b", Pod "c" and 1 more',
        ),
    ],
)
def test_pvcs_of_others_are_refused(found: ExistingPVC, said: str) -> None:
    (problem,) = check_references(platform(**CLAIM), {}, {}, {"theirs": found})
    assert problem.reason == "NotAllowed"
    assert problem.message.startswith(f'{PVC_FIELD}: PVC "theirs" {said}; ')


@pytest.mark.parametrize(
    ("item", "marks"),
    [
        (pvc(OTHERS), "label pryv.io/platform"),
        (pvc(ownerReferences=[BETA]), "owner reference"),
        (pvc(OTHERS, ownerReferences=[BETA]), "label pryv.io/platform and the owner reference"),
    ],
)
def test_what_hands_over_a_pvc_is_named(item: Object, marks: str) -> None:
    (problem,) = check_references(platform(**CLAIM), {}, {}, {"theirs": ExistingPVC(item)})
    assert problem.message.endswith(f"or remove the {marks} of this one to hand it over")


@pytest.mark.parametrize(
    "item",
    [
        pvc(),
        pvc(OWN),
        pvc({keys.PLATFORM: "beta"}),
        pvc(ownerReferences=[{**BETA, "name": "acme"}]),
        pvc(ownerReferences=[{"kind": "Cluster", "name": "db"}]),
    ],
)
def test_pvcs_of_the_user_are_allowed(item: Object) -> None:
    assert check_references(platform(**CLAIM), {}, {}, {"theirs": ExistingPVC(item)}) == ()


def test_a_platform_waits_for_a_pvc_that_it_does_not_mount_yet() -> None:
    """What appears under the name is checked before a pod can mount it."""
    nothing = LiveObjects({})
    deleted = ExistingPVC(pvc(deletionTimestamp="2026-01-01T00:00:00Z"))
    for found, said in (({}, "not found; create it"), ({"theirs": deleted}, "is being deleted")):
        (waiting,) = missing_pvcs(platform(**CLAIM), found, nothing)
        assert waiting.reason == "WaitingForPVC"
        assert waiting.message.startswith(f'{PVC_FIELD}: PVC "theirs" {said}')
    assert missing_pvcs(platform(**CLAIM), {"theirs": ExistingPVC(pvc())}, nothing) == ()
    assert missing_pvcs(platform(), {}, nothing) == ()
    own = mounting("StatefulSet", "acme-co1-mongodb", "theirs", OWN)
    live = LiveObjects({("StatefulSet", "acme-co1-mongodb"): own})
    assert missing_pvcs(platform(**CLAIM), {}, live) == ()


async def users(*others: Object, own: Object | None = None) -> tuple[str, ...]:
    """What else uses the declared PVC; ``own``: a workload of the platform."""
    client: Any = Reading(pvc(), *others)
    live = LiveObjects({(own["kind"], own["metadata"]["name"]): own} if own else {})
    found = await read_existing_pvcs(client, platform(**CLAIM), live)
    return found["theirs"].users


async def test_pods_and_workloads_that_mount_it_are_users() -> None:
    assert await users(
        mounting("Pod", "debug", "theirs", {}, "Pending"),
        mounting("Pod", "beta-co1-mongodb-0", "theirs", OTHERS, "Running"),
        mounting("StatefulSet", "beta-co1-mongodb", "theirs", OTHERS),
        mounting("Deployment", "beta-co1-hfs", "theirs", OTHERS),
    ) == (
        'Pod "debug"',
        'Pod "beta-co1-mongodb-0"',
        'Deployment "beta-co1-hfs"',
        'StatefulSet "beta-co1-mongodb"',
    )


async def test_pods_of_its_own_ended_ones_and_other_pvcs_are_none() -> None:
    assert await users() == ()
    assert (
        await users(
            mounting("Pod", "acme-co1-mongodb-0", "theirs", OWN, "Running"),
            mounting("Pod", "copy", "theirs", {}, "Succeeded"),
            mounting("Pod", "other", "another", {}, "Running"),
        )
        == ()
    )


async def test_a_pvc_that_the_platform_mounts_already_stays_its_own() -> None:
    """Nobody can stop a platform by mounting its PVC later."""
    own = mounting("StatefulSet", "acme-co1-mongodb", "theirs", OWN)
    late = mounting("StatefulSet", "beta-co1-mongodb", "theirs", OTHERS)
    assert await users(late, own=own) == ()
    other = mounting("StatefulSet", "acme-co1-mongodb", "acme-co1-mongodb-data", OWN)
    assert await users(late, own=other) == ('StatefulSet "beta-co1-mongodb"',)


async def test_pods_are_listed_only_where_a_pvc_is_to_be_mounted() -> None:
    own = mounting("StatefulSet", "acme-co1-mongodb", "theirs", OWN)
    live = LiveObjects({("StatefulSet", "acme-co1-mongodb"): own})
    client: Any = Reading(pvc())
    assert await read_existing_pvcs(client, platform(), LiveObjects({})) == {}
    assert await read_existing_pvcs(client, platform(**CLAIM), live)
    assert client.listed == []
