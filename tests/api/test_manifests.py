"""What can be applied without helm: the kustomize overlays and the samples."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml

if TYPE_CHECKING:
    from tests.cluster.control_plane import ControlPlane

pytestmark = [pytest.mark.cluster, pytest.mark.usefixtures("chart_kubeconfig")]

Object = dict[str, Any]

ROOT = Path(__file__).parents[2]
KUSTOMIZE = ROOT / "manifests/kustomize"
OVERLAYS = sorted((KUSTOMIZE / "overlays").iterdir())
SAMPLES = sorted((ROOT / "manifests/samples").glob("*.yaml"))
_APPLY = ("apply", "--server-side", "--force-conflicts", "--dry-run=server", "--validate=strict")


@pytest.fixture(scope="module")
def cluster(control_plane: ControlPlane) -> ControlPlane:
    """The control plane with namespace pryv, which overlays and samples name."""
    if control_plane.kubectl("get", "namespace", "pryv", check=False).returncode:
        control_plane.kubectl("create", "namespace", "pryv")
    return control_plane


def build(cluster: ControlPlane, folder: Path) -> dict[tuple[str, str], Object]:
    """(kind, name) → object, as kustomize builds it."""
    text = cluster.kubectl("kustomize", str(folder)).stdout
    return {
        (each["kind"], each["metadata"]["name"]): each for each in yaml.safe_load_all(text) if each
    }


def pod(objects: dict[tuple[str, str], Object]) -> Object:
    spec: Object = objects["Deployment", "pryv-operator"]["spec"]["template"]["spec"]
    return spec


def without_labels(each: Object) -> Object:
    """The object as in both: the CRD in crds/ has no labels of a chart."""
    metadata = {key: value for key, value in each["metadata"].items() if key != "labels"}
    return {**each, "metadata": metadata}


def test_base_is_what_install_yaml_installs(cluster: ControlPlane) -> None:
    installed = [
        each for each in yaml.safe_load_all((ROOT / "manifests/install.yaml").read_text()) if each
    ]
    expected = {
        (each["kind"], each["metadata"]["name"]): without_labels(each) for each in installed
    }
    built = build(cluster, KUSTOMIZE / "base")
    assert {key: without_labels(each) for key, each in built.items()} == expected


@pytest.mark.parametrize("folder", [KUSTOMIZE / "base", *OVERLAYS], ids=lambda path: path.name)
def test_overlay_is_admitted(cluster: ControlPlane, folder: Path) -> None:
    answer = cluster.kubectl(*_APPLY, "-k", str(folder))
    assert len(answer.stdout.splitlines()) == len(build(cluster, folder))


def test_overlays_change_what_they_are_named_after(cluster: ControlPlane) -> None:
    base = build(cluster, KUSTOMIZE / "base")
    assert [folder.name for folder in OVERLAYS] == [
        *("high-availability", "namespaced", "openshift", "private-registry", "single-replica")
    ]
    available, namespaced, openshift, private, single = (
        build(cluster, folder) for folder in OVERLAYS
    )
    deployment = ("Deployment", "pryv-operator")
    assert available[deployment]["spec"]["replicas"] == 3
    selector = base[deployment]["spec"]["selector"]
    for constraint in pod(available)["topologySpreadConstraints"]:
        assert constraint["labelSelector"] == selector

    name = "pryv-system-pryv-operator"
    assert ("ClusterRole", name) in base
    assert ("ClusterRole", name) not in namespaced
    assert ("ClusterRoleBinding", name) not in namespaced
    assert namespaced["Role", name]["metadata"]["namespace"] == "pryv"
    assert namespaced["Role", name]["rules"] == base["ClusterRole", name]["rules"]
    (subject,) = namespaced["RoleBinding", name]["subjects"]
    assert subject["namespace"] == "pryv-system"
    assert "--namespace=pryv" in pod(namespaced)["containers"][0]["args"]

    assert pod(base)["securityContext"]["runAsUser"] == 65532
    assert not {"runAsUser", "runAsGroup"} & pod(openshift)["securityContext"].keys()
    image = pod(private)["containers"][0]["image"]
    assert image.startswith("registry.example.com/pryv-operator:")
    assert pod(private)["imagePullSecrets"] == [{"name": "registry-login"}]
    assert single[deployment]["spec"]["replicas"] == 1
    assert ("PodDisruptionBudget", "pryv-operator") not in single


@pytest.mark.parametrize("path", SAMPLES, ids=lambda path: path.stem)
def test_sample_is_admitted(cluster: ControlPlane, path: Path) -> None:
    answer = cluster.kubectl(*_APPLY, "-f", str(path))
    assert "pryvplatform.pryv.io/acme serverside-applied" in answer.stdout
