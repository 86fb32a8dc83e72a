"""PersistentVolumeClaims of mounted folders."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

import pytest

from pryv_operator.api.instances import instances
from pryv_operator.api.kubernetes import Object
from pryv_operator.compose.model import ComposeFile, Mount, Service
from pryv_operator.objects import pvcs
from pryv_operator.objects.configuration import Configuration
from pryv_operator.objects.model import Component, File
from pryv_operator.objects.pods import pod_template
from pryv_operator.objects.profiles import KNOWN, profile_of
from pryv_operator.objects.pvcs import LivePVC, pvc_objects, pvcs_of, shared_pvcs
from tests.unit.builders import component, platform, service

MOUNTS = {
    "core": [
        "core/conf:/app/conf:ro",
        "core/data:/app/data",
        "core/log:/app/log",
        "/dev/log:/dev/log-host",
    ],
    "preview": ["preview/conf:/app/conf:ro", "core/data:/app/data"],
    "hfs": ["hfs/conf:/app/conf:ro", "core/data:/app/data"],
    "webhooks": ["webhooks/conf:/app/conf:ro", "core/data:/app/data"],
    "mongodb": [
        "mongodb/conf:/app/conf:ro",
        "mongodb/data:/app/data",
        "mongodb/backup:/app/backup",
    ],
}
SHARERS = ("core", "preview", "hfs", "webhooks")


def new_pvcs(components: Iterable[Component]) -> tuple[Object, ...]:
    """The PVCs of components, none of which exists yet."""
    created, warnings = pvc_objects(components, {})
    assert warnings == ()
    return created


def components(**overrides: object) -> dict[str, Component]:
    """The components of co1, with overrides as in ``spec.roles.core.components``."""
    overridden = platform(roles={"core": {"components": overrides}})
    (at,) = (each for each in instances(overridden.spec) if each.role == "core")
    return {
        name: component(service(name, mounts=mounts), at=at, platform=overridden)
        for name, mounts in MOUNTS.items()
    }


def names_of(found: dict[str, Component], name: str) -> list[str]:
    return [pvc.name for pvc in pvcs_of(found[name])]


def objects(found: dict[str, Component]) -> dict[str, Object]:
    return {item["metadata"]["name"]: item for item in new_pvcs(found.values())}


def test_data_and_backups_have_pvcs_and_nothing_else() -> None:
    assert sorted(objects(components())) == [
        "acme-co1-core-data",
        "acme-co1-mongodb-backup",
        "acme-co1-mongodb-data",
    ]


def test_four_components_share_the_data_of_core() -> None:
    found = components()
    assert {name for name in MOUNTS if names_of(found, name) == ["acme-co1-core-data"]} == set(
        SHARERS
    )
    assert shared_pvcs(found.values()) == {"acme-co1-core-data"}


@pytest.mark.parametrize("existing", [False, True])
def test_components_that_share_a_pvc_have_its_label_and_require_it(existing: bool) -> None:
    """Affinity to core alone deadlocks when core moves first."""
    found = components(core={"storage": {"existingClaim": "mine"}}) if existing else components()
    claim = "mine" if existing else "acme-co1-core-data"
    for name in SHARERS:
        template = pod_template(found[name], Configuration(), shared_pvcs(found.values()))
        assert template["metadata"]["labels"]["pryv.io/claim"] == claim
        (term,) = template["spec"]["affinity"]["podAffinity"][
            "requiredDuringSchedulingIgnoredDuringExecution"
        ]
        assert term == {
            "labelSelector": {"matchLabels": {"pryv.io/claim": claim}},
            "topologyKey": "kubernetes.io/hostname",
        }
        assert template["spec"]["securityContext"]["fsGroup"] == 9999
        assert template["spec"]["securityContext"]["fsGroupChangePolicy"] == "OnRootMismatch"
        assert {"name": "core-data", "persistentVolumeClaim": {"claimName": claim}} in template[
            "spec"
        ]["volumes"]
    alone = pod_template(found["mongodb"], Configuration(), shared_pvcs(found.values()))
    assert "affinity" not in alone["spec"]
    assert "pryv.io/claim" not in alone["metadata"]["labels"]


def test_a_pvc_that_the_user_provides_is_neither_created_nor_changed() -> None:
    found = components(mongodb={"storage": {"existingClaim": "mine"}})
    assert names_of(found, "mongodb") == ["mine", "acme-co1-mongodb-backup"]
    assert "mine" not in objects(found)


def test_size_and_storage_class() -> None:
    found = objects(components(mongodb={"storage": {"size": "100Gi", "storageClassName": "fast"}}))
    spec = found["acme-co1-mongodb-data"]["spec"]
    assert spec == {
        "accessModes": ["ReadWriteOnce"],
        "storageClassName": "fast",
        "resources": {"requests": {"storage": "100Gi"}},
    }
    assert "storageClassName" not in found["acme-co1-core-data"]["spec"]


@pytest.mark.parametrize(("policy", "owned"), [(None, False), ("Retain", False), ("Delete", True)])
def test_pvcs_outlive_the_platform_unless_its_deletion_policy_is_delete(
    policy: str | None, owned: bool
) -> None:
    of = platform(**({"deletionPolicy": policy} if policy else {}))
    (item,) = new_pvcs([component(service("core", mounts=MOUNTS["core"]), platform=of)])
    assert ("ownerReferences" in item["metadata"]) is owned


def test_a_pvc_never_shrinks_nor_changes_its_storage_class() -> None:
    mongodb = components(mongodb={"storage": {"size": "10Gi", "storageClassName": "new"}})[
        "mongodb"
    ]
    created, warnings = pvc_objects(
        [mongodb],
        {
            "acme-co1-mongodb-data": LivePVC("30Gi", "old"),
            "acme-co1-mongodb-backup": LivePVC("10240Mi", "new"),
        },
    )
    specs = {item["metadata"]["name"]: item["spec"] for item in created}
    assert specs["acme-co1-mongodb-data"]["resources"]["requests"]["storage"] == "30Gi"
    assert specs["acme-co1-mongodb-data"]["storageClassName"] == "old"
    assert specs["acme-co1-mongodb-backup"]["resources"]["requests"]["storage"] == "10Gi"
    assert [each.reason for each in warnings] == ["PVCSizeUnchanged", "PVCStorageClassUnchanged"]
    assert all("acme-co1-mongodb-data" in each.message for each in warnings)


@pytest.mark.parametrize("other", [False, True])
def test_a_pvc_has_one_controller(other: bool) -> None:
    of = platform(deletionPolicy="Delete")
    item = component(service("core", mounts=MOUNTS["core"]), platform=of)
    (found,), _ = pvc_objects(
        [item], {"acme-co1-core-data": LivePVC("10Gi", has_other_controller=other)}
    )
    (owner,) = found["metadata"]["ownerReferences"]
    assert owner["controller"] is not other


def resolved(of: Service, *beside: Service) -> Component:
    found = pvcs.resolve_mounts(ComposeFile((of, *beside)))
    return component(found[of.name], beside=beside, written=pvcs.written_folders(found.values()))


WITH_STATE = sorted(name for name in KNOWN if profile_of(name).state_path)


def test_these_components_keep_state() -> None:
    assert WITH_STATE == ["core", "core_audit", "influxdb", "mongodb", "redis"]


@pytest.mark.parametrize("name", WITH_STATE)
@pytest.mark.parametrize(
    "mount", [None, "/srv/x:{}", "~/x:{}", "{name}/data:{}:ro", "a/data:/elsewhere", "b/data:{}/in"]
)
def test_state_is_kept_whatever_the_compose_file_mounts(name: str, mount: str | None) -> None:
    profile = profile_of(name)
    mounts = [mount.format(profile.state_path, name=name)] if mount else []
    of = resolved(service(name, mounts=mounts))
    assert pvcs.keeps_state(of)
    (mine,) = (each for each in of.service.mounts if each.target == profile.state_path)
    found = pvcs.pvc_of(of, mine)
    assert found
    assert (found.owner, found.purpose) == (name, "data")


@pytest.mark.parametrize("kind", ["volume", "tmpfs"])
@pytest.mark.parametrize("name", WITH_STATE)
def test_a_volume_or_tmpfs_for_state_is_the_components_pvc(name: str, kind: str) -> None:
    path = profile_of(name).state_path
    mount = Mount("" if kind == "tmpfs" else "v", path, read_only=False, kind=kind)  # type: ignore[arg-type]
    of = resolved(replace(service(name), mounts=(mount,)))
    assert [(pvc.owner, pvc.purpose) for pvc in pvcs.pvcs_of(of)] == [(name, "data")]


@pytest.mark.parametrize("kind", ["volume", "path"])
@pytest.mark.parametrize("name", WITH_STATE)
def test_others_that_mount_the_same_state_share_its_pvc(name: str, kind: str) -> None:
    """So hfs, preview and webhooks find the data of core wherever the host had them."""
    source = "/srv/x" if kind == "path" else "x"
    mount = Mount(source, profile_of(name).state_path, read_only=False, kind=kind)  # type: ignore[arg-type]
    owner = replace(service(name), mounts=(mount,))
    other = replace(service("hfs"), mounts=(replace(mount, target="/y", read_only=True),))
    for beside in ((owner,), (service("mail"), owner)):
        (shared,) = pvcs.pvcs_of(resolved(other, *beside))
        assert (shared.owner, shared.purpose) == (name, "data")


def test_a_volume_is_one_pvc_for_all_that_mount_it() -> None:
    mount = Mount("shared", "/x", read_only=False, kind="volume")
    one, two = (replace(service(name), mounts=(mount,)) for name in ("register", "mail"))
    for of in (resolved(one, two), resolved(two, one), resolved(two)):
        assert [pvc.name for pvc in pvcs_of(of)] == ["acme-co1-volume-shared"]


def test_a_pvc_that_the_compose_file_mounts_is_used() -> None:
    of = service("mongodb", mounts=["core/mongodb:/app/data"])
    assert pvcs.resolve_mounts(ComposeFile((of,))) == {"mongodb": of}


@pytest.mark.parametrize("source", ["core/conf", "core/log"])
def test_files_where_state_belongs_keep_none(source: str) -> None:
    assert not pvcs.keeps_state(resolved(service("core", mounts=[f"{source}:/app/data"])))


def test_a_read_only_mount_is_of_the_pvc_that_another_service_writes() -> None:
    reader = service("preview", mounts=["core/data:/app/data:ro"])
    writer = service("core", mounts=["core/data:/app/data"])
    (found,) = pvcs.pvcs_of(resolved(reader, writer))
    assert found.name == "acme-co1-core-data"
    assert pvcs.pvcs_of(resolved(reader)) == ()


@pytest.mark.parametrize("path", ["x/html/index.html", "x/html"])
def test_files_of_the_templates_are_no_pvc(path: str) -> None:
    file = File(path if "." in path else f"{path}/index.html", "", secret=False)
    of = component(service("mail", mounts=[f"{path}:/y"]), files=[file])
    assert pvcs.pvcs_of(of) == ()
