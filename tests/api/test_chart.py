"""The chart, installed by helm into a real cluster, and install.yaml, generated from it."""

from __future__ import annotations

import importlib.util
import json
import secrets
import shutil
import subprocess
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from pryv_operator.kube.shards import Shards, lease_name
from pryv_operator.reconcile.rest_store import Place, parts_of_shard
from tests.api.fixtures import OPERATOR_NAMESPACE
from tests.cluster.api_client import ApiError
from tests.cluster.control_plane import ControlPlane
from tests.cluster.fixtures import new_namespace
from tests.cluster.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

pytestmark = pytest.mark.cluster

Object = dict[str, Any]

ROOT = Path(__file__).parents[2]
CHART = ROOT / "charts/pryv-operator"
CRD = "pryvplatforms.pryv.io"
#: The chart of the first commit.
OLDEST = Path(__file__).parent / "upgrade/chart-of-the-first-commit.tgz"

EVERYTHING: Object = {
    "replicas": 3,
    "leaseSeconds": 30,
    "shards": 3,
    "global": {
        "imageRegistry": "registry.example.com",
        "imagePullSecrets": [{"name": "login"}, {"name": "global"}],
    },
    "image": {
        "registry": "ignored.example.com",
        "repository": "pryv-operator",
        "tag": "",
        "digest": f"sha256:{'0' * 64}",
        "pullPolicy": "Always",
    },
    "imagePullSecrets": [{"name": "login"}],
    "nameOverride": "operator",
    "fullnameOverride": "everything",
    "commonLabels": {"cost-center": "7", "app.kubernetes.io/name": "not-mine"},
    "commonAnnotations": {"example.com/owner": "health"},
    "deploymentAnnotations": {"example.com/deployment": "yes"},
    "strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 0, "maxUnavailable": 1}},
    "revisionHistoryLimit": 0,
    "terminationGracePeriodSeconds": 20,
    "podDisruptionBudget": {"enabled": True, "minAvailable": "50%"},
    "livenessProbe": {"failureThreshold": 9},
    "readinessProbe": {"periodSeconds": 7},
    "rbac": {"create": True, "aggregateClusterRoles": True},
    "openshift": True,
    "podSecurityContext": {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}},
    "securityContext": {
        "allowPrivilegeEscalation": False,
        "runAsUser": 7,
        "capabilities": {"drop": ["ALL"]},
    },
    "topologySpreadConstraints": [
        {
            "maxSkew": 1,
            "topologyKey": "topology.kubernetes.io/zone",
            "whenUnsatisfiable": "ScheduleAnyway",
        }
    ],
    "runtimeClassName": "gvisor",
    "schedulerName": "default-scheduler",
    "dnsPolicy": "None",
    "dnsConfig": {"nameservers": ["10.96.0.10"]},
    "hostAliases": [{"ip": "192.0.2.1", "hostnames": ["api.example.com"]}],
    "helmTest": {
        "enabled": True,
        "namespace": "kube-public",
        "timeoutSeconds": 30,
        "serviceAccountName": "tester",
    },
    "extraArgs": ["--resync-seconds=60", "--lease-seconds={{ .Values.leaseSeconds }}"],
    "extraEnv": [{"name": "RELEASE", "value": "{{ .Release.Name }}"}],
    "extraEnvFrom": [{"configMapRef": {"name": "proxy", "optional": True}}],
    "extraVolumes": [{"name": "ca", "configMap": {"name": "ca"}}],
    "extraVolumeMounts": [{"name": "ca", "mountPath": "/etc/ca"}],
    "extraInitContainers": [
        {
            "name": "first",
            "image": "busybox",
            "securityContext": {
                "allowPrivilegeEscalation": False,
                "capabilities": {"drop": ["ALL"]},
            },
        }
    ],
    "extraContainers": [
        {
            "name": "beside",
            "image": "busybox",
            "securityContext": {
                "allowPrivilegeEscalation": False,
                "capabilities": {"drop": ["ALL"]},
            },
        }
    ],
    "extraObjects": [
        {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "ca"}},
        'apiVersion: v1\nkind: ConfigMap\nmetadata: {name: "{{ .Release.Name }}-text"}',
    ],
    "enabled": True,
    "serviceAccount": {"create": True, "name": "runner", "annotations": {"example.com/a": "b"}},
    "watchNamespaces": ["default", "kube-public"],
    "allow": ["externalIPs", "clusterIssuers"],
    "admissionPolicy": {
        "enabled": True,
        "refuse": ["systemPriorityClasses"],
        "namespaceSelector": {"matchLabels": {"tenant": "true"}},
    },
    "metrics": {"authentication": True},
    "networkPolicy": {
        "enabled": True,
        "apiServerPorts": [8443],
        "metricsFrom": [{"namespaceSelector": {}}],
        "extraIngress": [{"from": [{"podSelector": {}}]}],
        "extraEgress": [{"ports": [{"port": 3128}]}],
    },
    "clusterDNS": "10.96.0.10",
    "logFormat": "text",
    "logLevel": "debug",
    "resources": {"requests": {"cpu": 1, "memory": "1Gi"}, "limits": {"cpu": "2", "memory": "2Gi"}},
    "nodeSelector": {"kubernetes.io/os": "linux"},
    "tolerations": [{"operator": "Exists"}],
    "affinity": {"podAntiAffinity": {}},
    "priorityClassName": "system-cluster-critical",
    "podAnnotations": {"prometheus.io/scrape": "true"},
    "podLabels": {"team": "health", "app.kubernetes.io/name": "not-mine"},
    "crds": {"install": True, "keep": False, "annotations": {"example.com/crd": "yes"}},
}

#: (group, resource) → verbs.
GRANTED = {
    ("pryv.io", "pryvplatforms"): "get list watch",
    ("pryv.io", "pryvplatforms/status"): "patch",
    ("", "configmaps"): "get list watch create patch delete",
    ("", "secrets"): "get list watch create patch delete",
    ("", "services"): "get list watch create patch delete",
    ("", "persistentvolumeclaims"): "get list watch create patch delete",
    ("", "pods"): "list watch create delete",
    ("", "events"): "list",
    ("events.k8s.io", "events"): "create",
    ("apps", "deployments"): "get list watch create patch delete",
    ("apps", "statefulsets"): "get list watch create patch delete",
    ("apps", "replicasets"): "list",
    ("apps", "controllerrevisions"): "get list watch create patch delete",
    ("networking.k8s.io", "networkpolicies"): "get list watch create patch delete",
    ("policy", "poddisruptionbudgets"): "get list watch create patch delete",
    ("cert-manager.io", "certificates"): "get list create patch delete",
}


#: Of every service account.
GROUPS = ["system:serviceaccounts", "system:authenticated"]


class HelmError(RuntimeError):
    """helm has failed; the message holds its output."""


@dataclass(frozen=True)
class Helm:
    """Runs helm with its own home folder."""

    cluster: ControlPlane
    home: Path

    def __call__(
        self, *args: str | Path, values: Object | None = None, check: bool = True
    ) -> subprocess.CompletedProcess[str]:
        """Run helm as the administrator. Raises HelmError if it fails and `check` is set."""
        done = subprocess.run(
            [self.cluster.binaries.helm, *args, *(["--values=-"] if values is not None else [])],
            input=json.dumps(values or {}),
            env={"HOME": str(self.home), "KUBECONFIG": str(self.cluster.kubeconfig)},
            check=False,
            capture_output=True,
            text=True,
            timeout=120,
        )
        if check and done.returncode != 0:
            raise HelmError(f"helm {args[0]} ended with {done.returncode}: {done.stderr}")
        return done

    def rendered(self, values: Object | None = None) -> list[Object]:
        """The objects that the chart renders, without those of `helm test`."""
        return json.loads(_rendered(self, json.dumps(values or {})))  # type: ignore[no-any-return]


@cache
def _rendered(helm: Helm, values: str) -> str:
    """The rendered objects as JSON; cached, because many tests use the same values."""
    arguments = ("template", "pryv-operator", CHART, "--namespace=home", "--skip-tests")
    text = helm(*arguments, values=json.loads(values)).stdout
    return json.dumps([each for each in yaml.safe_load_all(text) if each])


@pytest.fixture(scope="session")
def helm(control_plane: ControlPlane, tmp_path_factory: pytest.TempPathFactory) -> Helm:
    """Helm for the shared cluster, for commands that change nothing there."""
    return Helm(control_plane, tmp_path_factory.mktemp("helm"))


@pytest.fixture
def installed(chart_kubeconfig: Path, helm: Helm) -> Helm:
    """Helm for the shared cluster with the chart installed."""
    return helm


@pytest.fixture(scope="module")
def cluster(cluster_echo: Callable[[str], None]) -> Iterator[ControlPlane]:
    """A separate control plane for tests that install and remove the CRD."""
    with ControlPlane(echo=cluster_echo) as running:
        yield running


@pytest.fixture(scope="module")
def own_helm(cluster: ControlPlane, tmp_path_factory: pytest.TempPathFactory) -> Helm:
    """Helm for the separate control plane."""
    return Helm(cluster, tmp_path_factory.mktemp("own-helm"))


@pytest.fixture
def home(cluster: ControlPlane, own_helm: Helm) -> Iterator[str]:
    """A namespace that admits restricted pods only, in a cluster without the CRD."""
    name = f"home-{secrets.token_hex(4)}"
    cluster.kubectl("create", "namespace", name)
    cluster.kubectl("label", "namespace", name, "pod-security.kubernetes.io/enforce=restricted")
    yield name
    for release in json.loads(own_helm("list", "--all-namespaces", "--output=json").stdout):
        own_helm("uninstall", release["name"], f"--namespace={release['namespace']}")
    cluster.kubectl("delete", "crd", CRD, "--ignore-not-found")
    cluster.kubectl("delete", "namespace", name, "--wait=false")


def install(
    helm: Helm, home: str, values: Object | None = None
) -> subprocess.CompletedProcess[str]:
    done = helm("install", "pryv-operator", CHART, f"--namespace={home}", values=values or {})
    helm.cluster.kubectl("wait", "--for=condition=Established", "--timeout=30s", f"crd/{CRD}")
    return done


def get(cluster: ControlPlane, *what: str) -> Object:
    found: Object = json.loads(cluster.kubectl("get", *what, "-o", "json").stdout)
    return found


def only(objects: list[Object], kind: str) -> Object:
    (found,) = (each for each in objects if each["kind"] == kind)
    return found


def container(objects: list[Object]) -> Object:
    """The operator's container."""
    found = only(objects, "Deployment")["spec"]["template"]["spec"]["containers"][0]
    assert isinstance(found, dict)
    assert found["name"] == "operator"
    return found


def operators(objects: list[Object], kind: str) -> list[Object]:
    """Roles or bindings of the operator for platforms: without the Lease's and the users'."""
    return [
        each
        for each in objects
        if each["kind"] == kind and each["metadata"]["name"] == "home-pryv-operator"
    ]


def granted(role: Object) -> dict[tuple[str, str], str]:
    """The permissions that a role grants; fails if one is granted twice."""
    pairs = [
        ((group, resource), " ".join(rule["verbs"]))
        for rule in role["rules"]
        for group in rule["apiGroups"]
        for resource in rule["resources"]
    ]
    assert len(dict(pairs)) == len(pairs)
    assert not any(
        key in rule for rule in role["rules"] for key in ("resourceNames", "nonResourceURLs")
    )
    return dict(pairs)


# What it makes


@pytest.mark.parametrize("values", [{}, EVERYTHING], ids=["defaults", "everything"])
def test_lint(helm: Helm, values: Object) -> None:
    helm("lint", "--strict", CHART, values=values)


def test_every_value_is_tested() -> None:
    assert yaml.safe_load((CHART / "values.yaml").read_text()).keys() == EVERYTHING.keys()


def test_every_value_is_in_the_schema() -> None:
    schema = json.loads((CHART / "values.schema.json").read_text())
    assert schema["properties"].keys() == EVERYTHING.keys()


def test_rendered_kinds(helm: Helm) -> None:
    assert sorted(each["kind"] for each in helm.rendered()) == [
        "ClusterRole",
        "ClusterRole",
        "ClusterRole",
        "ClusterRoleBinding",
        "CustomResourceDefinition",
        "Deployment",
        "PodDisruptionBudget",
        "Role",
        "RoleBinding",
        "ServiceAccount",
    ]


def test_versions_match_the_package() -> None:
    chart = yaml.safe_load((CHART / "Chart.yaml").read_text())
    package = (ROOT / "operator/pryv_operator/__init__.py").read_text()
    assert f'__version__ = "{chart["appVersion"]}"' in package


def test_annotations_for_artifact_hub_agree_with_what_is_shipped() -> None:
    chart = yaml.safe_load((CHART / "Chart.yaml").read_text())
    prefix = "artifacthub.io/"
    found = {
        key.removeprefix(prefix): yaml.safe_load(text)
        for key, text in chart["annotations"].items()
        if key.startswith(prefix)
    }
    (crd,) = found["crds"]
    definition = yaml.safe_load((ROOT / "crds/pryv.io_pryvplatforms.yaml").read_text())
    assert crd["name"] == definition["metadata"]["name"]
    assert crd["kind"] == definition["spec"]["names"]["kind"]
    assert crd["version"] == definition["spec"]["versions"][0]["name"]
    sample = yaml.safe_load((ROOT / "manifests/samples/minimal.yaml").read_text())
    assert found["crdsExamples"] == [sample]
    values = yaml.safe_load((CHART / "values.yaml").read_text())["image"]
    (image,) = found["images"]
    name = f"{values['registry']}/{values['repository']}:{chart['appVersion']}"
    assert image["image"] == name
    assert {change["kind"] for change in found["changes"]} <= {
        *("added", "changed", "deprecated", "removed", "fixed", "security")
    }
    assert all(each["url"].startswith("https://") for each in found["links"])


@pytest.mark.parametrize(
    ("values", "present", "absent"),
    [
        ({}, ["create namespace pryv", "namespace: pryv}", "helm test pryv-operator"], []),
        (
            {"watchNamespaces": ["default"], "helmTest": {"enabled": False}},
            ["platforms of default.", "namespace: default}", "kubectl -n default get"],
            ["create namespace", "helm test"],
        ),
        ({"rbac": {"create": False}}, ["grant ServiceAccount pryv-operator"], []),
        ({"crds": {"install": False}}, ["apply the one of this version"], ["--take-ownership"]),
        ({"fullnameOverride": "own"}, ["deployment/own"], ["shards"]),
        ({"shards": 3}, ["share 3 shards", "kubectl -n home get leases"], []),
    ],
    ids=json.dumps,
)
def test_notes_name_the_next_commands_for_the_chosen_values(
    helm: Helm, values: Object, present: list[str], absent: list[str]
) -> None:
    arguments = ("install", "pryv-operator", CHART, "--dry-run=client", "--namespace=home")
    notes = helm(*arguments, values=values).stdout.partition("NOTES:\n")[2]
    for text in present:
        assert text in notes
    for text in absent:
        assert text not in notes


def granted_by_name(helm: Helm, resource: str, shards: int) -> list[str]:
    """The operator's own objects, in its own namespace."""
    (role,) = (
        each
        for each in helm.rendered(values={"shards": shards})
        if each["kind"] == "Role" and each["metadata"]["name"].endswith("-lease")
    )
    (named,) = (
        rule
        for rule in role["rules"]
        if rule["resources"] == [resource] and "resourceNames" in rule
    )
    assert named["verbs"] == ["get", "update"]
    names: list[str] = named["resourceNames"]
    return names


def test_leases_of_shards_are_granted_by_name(helm: Helm) -> None:
    own = "pryv-operator"
    assert granted_by_name(helm, "leases", 1) == [own]
    assert granted_by_name(helm, "leases", 2) == [own, f"{own}-shard-0", f"{own}-shard-1"]
    # As the operator names them.
    shards = [lease_name(own, shard) for shard in range(16)]
    assert granted_by_name(helm, "leases", 16) == [own, *shards]


@pytest.mark.parametrize("count", [1, 2, 3, 8, 16])
def test_what_is_kept_of_each_shard_is_granted_by_name(helm: Helm, count: int) -> None:
    place = Place("home", "pryv-operator")
    assert granted_by_name(helm, "configmaps", count) == [
        part.name(place) for shard in range(count) for part in parts_of_shard(shard, Shards(count))
    ]


def test_two_replicas_with_grace_period_and_anti_affinity(helm: Helm) -> None:
    objects = helm.rendered()
    deployment = only(objects, "Deployment")["spec"]
    labels = deployment["selector"]["matchLabels"]
    assert deployment["replicas"] == 2
    assert "strategy" not in deployment
    assert deployment["template"]["spec"]["terminationGracePeriodSeconds"] == 10
    assert labels.items() <= deployment["template"]["metadata"]["labels"].items()
    (term,) = deployment["template"]["spec"]["affinity"]["podAntiAffinity"][
        "preferredDuringSchedulingIgnoredDuringExecution"
    ]
    assert term["podAffinityTerm"] == {
        "topologyKey": "kubernetes.io/hostname",
        "labelSelector": {"matchLabels": labels},
    }
    assert only(objects, "PodDisruptionBudget")["spec"] == {
        "maxUnavailable": 1,
        "selector": {"matchLabels": labels},
    }


def test_each_release_has_its_own_lease(helm: Helm) -> None:
    """Two releases in one namespace do not replace each other."""
    for values in ({}, {"watchNamespaces": ["acme"]}):
        objects = helm.rendered(values)
        (role,) = (
            each
            for each in objects
            if each["kind"] == "Role" and each["metadata"]["name"] == "pryv-operator-lease"
        )
        assert role["metadata"]["namespace"] == "home"
        assert role["rules"] == [
            {"apiGroups": ["coordination.k8s.io"], "resources": ["leases"], "verbs": ["create"]},
            {
                "apiGroups": ["coordination.k8s.io"],
                "resources": ["leases"],
                "resourceNames": ["pryv-operator"],
                "verbs": ["get", "update"],
            },
            {"apiGroups": [""], "resources": ["configmaps"], "verbs": ["create"]},
            {
                "apiGroups": [""],
                "resources": ["configmaps"],
                "resourceNames": [f"pryv-operator-at-rest-0-{part}" for part in range(8)],
                "verbs": ["get", "update"],
            },
        ]
        assert "--lease-name=pryv-operator" in container(objects)["args"]


def test_operator_arguments(helm: Helm) -> None:
    made = container(helm.rendered())
    assert made["command"] == ["pryv-operator", "run"]
    assert made["args"] == [
        "--in-cluster",
        "--log-format=json",
        "--log-level=info",
        "--lease-name=pryv-operator",
        "--lease-namespace=home",
        "--lease-seconds=15",
    ]
    assert made["image"].endswith("/pryv-operator:0.1.0")
    assert made["resources"] == {
        "requests": {"cpu": "50m", "memory": "96Mi"},
        "limits": {"memory": "768Mi"},
    }


def test_all_values_reach_the_manifests(helm: Helm) -> None:
    objects = helm.rendered(EVERYTHING)
    deployment = only(objects, "Deployment")
    made, template = container(objects), deployment["spec"]["template"]
    assert deployment["metadata"]["name"] == "everything"
    assert made["image"] == f"registry.example.com/pryv-operator@sha256:{'0' * 64}"
    assert made["imagePullPolicy"] == "Always"
    assert made["args"] == [
        "--in-cluster",
        "--log-format=text",
        "--log-level=debug",
        "--lease-name=everything",
        "--lease-namespace=home",
        "--lease-seconds=30",
        "--shards=3",
        "--namespace=default",
        "--namespace=kube-public",
        "--allow=externalIPs",
        "--allow=clusterIssuers",
        "--metrics-auth",
        "--cluster-dns=10.96.0.10",
        "--resync-seconds=60",
        "--lease-seconds=30",
    ]
    assert made["env"] == [{"name": "RELEASE", "value": "pryv-operator"}]
    assert made["envFrom"] == EVERYTHING["extraEnvFrom"]
    assert made["resources"] == EVERYTHING["resources"]
    assert made["livenessProbe"]["failureThreshold"] == 9
    assert made["readinessProbe"]["periodSeconds"] == 7
    assert made["volumeMounts"][-1] == {"name": "ca", "mountPath": "/etc/ca"}
    assert template["spec"]["volumes"][-1] == EVERYTHING["extraVolumes"][0]
    assert template["spec"]["initContainers"] == EVERYTHING["extraInitContainers"]
    assert template["spec"]["containers"][1:] == EVERYTHING["extraContainers"]
    assert template["spec"]["imagePullSecrets"] == [{"name": "login"}, {"name": "global"}]
    for key in (
        "nodeSelector",
        "tolerations",
        "affinity",
        "priorityClassName",
        "runtimeClassName",
        "schedulerName",
        "dnsPolicy",
        "dnsConfig",
        "hostAliases",
        "terminationGracePeriodSeconds",
    ):
        expected = EVERYTHING[key]
        if key == "nodeSelector":
            expected = {"kubernetes.io/os": "linux", **expected}
        assert template["spec"][key] == expected, key
    for key in ("strategy", "revisionHistoryLimit"):
        assert deployment["spec"][key] == EVERYTHING[key]
    selector = deployment["spec"]["selector"]["matchLabels"]
    assert selector["app.kubernetes.io/name"] == "operator"
    (constraint,) = template["spec"]["topologySpreadConstraints"]
    assert constraint["labelSelector"] == {"matchLabels": selector}
    assert only(objects, "PodDisruptionBudget")["spec"]["minAvailable"] == "50%"
    assert template["metadata"]["annotations"]["prometheus.io/scrape"] == "true"
    assert template["metadata"]["labels"]["team"] == "health"
    assert template["metadata"]["labels"]["app.kubernetes.io/name"] == "operator"
    assert deployment["metadata"]["annotations"]["example.com/deployment"] == "yes"
    (validation,) = only(objects, "ValidatingAdmissionPolicy")["spec"]["validations"]
    assert "system-" in validation["expression"]
    binding = only(objects, "ValidatingAdmissionPolicyBinding")["spec"]
    assert binding["matchResources"] == {"namespaceSelector": {"matchLabels": {"tenant": "true"}}}
    account = only(objects, "ServiceAccount")
    assert account["metadata"]["name"] == template["spec"]["serviceAccountName"] == "runner"
    assert account["metadata"]["annotations"]["example.com/a"] == "b"
    assert only(objects, "CustomResourceDefinition")["metadata"]["annotations"] == {
        "example.com/owner": "health",
        "example.com/crd": "yes",
    }
    policy = only(objects, "NetworkPolicy")["spec"]
    assert policy["ingress"][-1] == EVERYTHING["networkPolicy"]["extraIngress"][0]
    assert policy["egress"][-1] == EVERYTHING["networkPolicy"]["extraEgress"][0]
    texts = [each["metadata"]["name"] for each in objects if each["kind"] == "ConfigMap"]
    assert texts == ["ca", "pryv-operator-text"]


def test_common_labels_and_annotations_reach_every_object(helm: Helm) -> None:
    monitored = {
        each: {"enabled": True}
        for each in ("serviceMonitor", "podMonitor", "prometheusRule", "dashboard")
    }
    objects = helm.rendered({**EVERYTHING, "extraObjects": [], "metrics": monitored})
    assert {"ServiceMonitor", "PodMonitor", "ConfigMap"} <= {each["kind"] for each in objects}
    for each in objects:
        metadata, name = each["metadata"], f"{each['kind']} {each['metadata']['name']}"
        assert metadata["labels"]["cost-center"] == "7", name
        assert metadata["labels"]["app.kubernetes.io/name"] == "operator", name
        assert metadata["annotations"]["example.com/owner"] == "health", name


@pytest.mark.parametrize(
    ("values", "image"),
    [
        ({}, "ghcr.io/pryv/pryv-operator:0.1.0"),
        ({"image": {"registry": "mirror.example.com:5000"}},
         "mirror.example.com:5000/pryv/pryv-operator:0.1.0"),
        ({"image": {"repository": "registry.example.com/op"}}, "registry.example.com/op:0.1.0"),
        ({"image": {"repository": "localhost/op", "tag": "dev"}}, "localhost/op:dev"),
        ({"image": {"repository": "registry:5000/op"}}, "registry:5000/op:0.1.0"),
        ({"image": {"registry": "", "repository": "op"}}, "op:0.1.0"),
        ({"global": {"imageRegistry": "mirror.example.com"}},
         "mirror.example.com/pryv/pryv-operator:0.1.0"),
        ({"image": {"digest": f"sha256:{'a' * 64}"}},
         f"ghcr.io/pryv/pryv-operator@sha256:{'a' * 64}"),
    ],
    ids=json.dumps,
)  # fmt: skip
def test_image(helm: Helm, values: Object, image: str) -> None:
    assert container(helm.rendered(values))["image"] == image


@pytest.mark.parametrize(
    ("values", "said"),
    [
        (
            {"image": {"tag": "0.1.0", "digest": f"sha256:{'a' * 64}"}},
            "image.tag: refused together with image.digest; remove one of them",
        ),
        (
            {"podDisruptionBudget": {"minAvailable": 1, "maxUnavailable": 0}},
            "minAvailable: refused together with podDisruptionBudget.maxUnavailable; remove one",
        ),
    ],
    ids=["tag and digest", "minAvailable and maxUnavailable"],
)
def test_values_that_contradict_each_other_are_refused_in_words(
    helm: Helm, values: Object, said: str
) -> None:
    answer = helm("template", "pryv-operator", CHART, values=values, check=False)
    assert answer.returncode != 0
    assert said in answer.stderr


@pytest.mark.parametrize(
    ("values", "spec"),
    [
        ({"replicas": 1}, None),
        ({"replicas": 1, "podDisruptionBudget": {"minAvailable": 1}}, {"minAvailable": 1}),
        ({"podDisruptionBudget": {"maxUnavailable": 0}}, {"maxUnavailable": 0}),
        ({"podDisruptionBudget": {"maxUnavailable": "34%"}}, {"maxUnavailable": "34%"}),
        ({"podDisruptionBudget": {"enabled": False}}, None),
    ],
    ids=json.dumps,
)
def test_pod_disruption_budget(helm: Helm, values: Object, spec: Object | None) -> None:
    objects = helm.rendered(values)
    found = [each["spec"] for each in objects if each["kind"] == "PodDisruptionBudget"]
    for each in found:
        del each["selector"]
    assert found == ([spec] if spec else [])


def test_names_follow_the_overrides(helm: Helm) -> None:
    for values, name in (
        ({"fullnameOverride": "own"}, "own"),
        ({"nameOverride": "runner"}, "pryv-operator-runner"),
        ({"nameOverride": "pryv"}, "pryv-operator"),
    ):
        objects = helm.rendered(values)
        assert only(objects, "Deployment")["metadata"]["name"] == name
        assert f"--lease-name={name}" in container(objects)["args"]
        assert only(objects, "ServiceAccount")["metadata"]["name"] == name


@pytest.mark.parametrize(
    ("values", "api_versions", "user"),
    [
        ({}, "", 65532),
        ({}, "security.openshift.io/v1", None),
        ({"openshift": "false"}, "security.openshift.io/v1", 65532),
        ({"openshift": False}, "security.openshift.io/v1", 65532),
        ({"openshift": True}, "", None),
        ({"openshift": "true"}, "", None),
    ],
    ids=json.dumps,
)
def test_openshift_chooses_the_user_of_the_pod(
    helm: Helm, values: Object, api_versions: str, user: int | None
) -> None:
    text = helm(
        "template", "pryv-operator", CHART, f"--api-versions={api_versions}", values=values
    ).stdout
    spec = only([each for each in yaml.safe_load_all(text) if each], "Deployment")["spec"]
    context = spec["template"]["spec"]["securityContext"]
    assert context.get("runAsUser") == context.get("runAsGroup") == user
    assert context["runAsNonRoot"] is True


def test_no_rbac_is_created_on_request(helm: Helm) -> None:
    for values in ({}, {"watchNamespaces": ["a"], "metrics": {"authentication": True}}):
        objects = helm.rendered({**values, "rbac": {"create": False}})
        groups = [each["apiVersion"].partition("/")[0] for each in objects]
        assert "rbac.authorization.k8s.io" not in groups
        assert only(objects, "Deployment")


def test_probes(helm: Helm) -> None:
    made = container(helm.rendered())
    assert made["livenessProbe"]["httpGet"]["path"] == "/healthz"
    assert made["livenessProbe"]["failureThreshold"] == 6
    assert made["readinessProbe"]["httpGet"]["path"] == "/readyz"
    assert made["ports"] == [{"name": "http", "containerPort": 8080}]


def test_metrics_with_authentication_have_a_port_and_roles(helm: Helm) -> None:
    objects = helm.rendered({"metrics": {"authentication": True}, "watchNamespaces": ["acme"]})
    assert {"name": "metrics", "containerPort": 8443} in container(objects)["ports"]
    roles = {
        each["metadata"]["name"].rpartition("-metrics-")[2]: each["rules"]
        for each in objects
        if each["kind"] == "ClusterRole" and "-metrics-" in each["metadata"]["name"]
    }
    assert roles == {
        "auth": [
            {
                "apiGroups": ["authentication.k8s.io"],
                "resources": ["tokenreviews"],
                "verbs": ["create"],
            },
            {
                "apiGroups": ["authorization.k8s.io"],
                "resources": ["subjectaccessreviews"],
                "verbs": ["create"],
            },
        ],
        "reader": [{"nonResourceURLs": ["/metrics"], "verbs": ["get"]}],
    }
    binding = only(objects, "ClusterRoleBinding")
    assert binding["roleRef"]["name"].endswith("-metrics-auth")
    assert binding["subjects"][0]["name"] == "pryv-operator"


@pytest.mark.parametrize("authentication", [False, True])
def test_network_policy_restricts_the_operator(helm: Helm, authentication: bool) -> None:
    prometheus = {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "monitor"}}}
    objects = helm.rendered(
        {
            "networkPolicy": {"enabled": True, "metricsFrom": [prometheus]},
            "metrics": {"authentication": authentication},
        }
    )
    spec = only(objects, "NetworkPolicy")["spec"]
    pod = only(objects, "Deployment")["spec"]
    assert spec["podSelector"] == pod["selector"]
    port = "metrics" if authentication else "http"
    assert port in [each["name"] for each in container(objects)["ports"]]
    restricted = {"ports": [{"port": port}], "from": [prometheus]}
    probes = [{"ports": [{"port": "http"}]}] if authentication else []
    assert spec["ingress"] == [*probes, restricted]
    assert spec["egress"] == [
        {"ports": [{"port": 443}, {"port": 6443}]},
        {"ports": [{"port": 53, "protocol": "UDP"}, {"port": 53}]},
    ]
    helm.cluster.api.create(
        "/apis/networking.k8s.io/v1/namespaces/default/networkpolicies?dryRun=All",
        {**only(objects, "NetworkPolicy"), "metadata": {"name": "pryv-operator"}},
    )


def test_existing_service_account(helm: Helm) -> None:
    objects = helm.rendered({"serviceAccount": {"create": False, "name": "theirs"}})
    assert not [each for each in objects if each["kind"] == "ServiceAccount"]
    assert only(objects, "ClusterRoleBinding")["subjects"][0]["name"] == "theirs"


def test_crd_can_be_omitted(helm: Helm) -> None:
    assert "CustomResourceDefinition" not in [
        each["kind"] for each in helm.rendered({"crds": {"install": False}})
    ]


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"replicas": "2"}, "/replicas"),
        ({"replicas": -1}, "/replicas"),
        ({"leaseSeconds": 1}, "/leaseSeconds"),
        ({"image": {"name": "a"}}, "name"),
        ({"image": {"pullPolicy": "Sometimes"}}, "/image/pullPolicy"),
        ({"image": {"digest": "latest"}}, "/image/digest"),
        ({"image": {"tag": "1@sha256:0"}}, "/image/tag"),
        ({"openshift": "perhaps"}, "/openshift"),
        ({"podDisruptionBudget": {"minAvailable": "half"}}, "/podDisruptionBudget/minAvailable"),
        ({"livenessProbe": {"path": "/"}}, "path"),
        ({"fullnameOverride": "No"}, "/fullnameOverride"),
        ({"commonLabels": {"a": 1}}, "/commonLabels/a"),
        ({"replicaCount": 2}, "replicaCount"),
        ({"logFormat": "xml"}, "/logFormat"),
        ({"logLevel": "INFO"}, "/logLevel"),
        ({"allow": ["everything"]}, "/allow/0"),
        ({"admissionPolicy": {"refuse": []}}, "/admissionPolicy/refuse"),
        ({"networkPolicy": {"apiServerPorts": ["https"]}}, "/networkPolicy/apiServerPorts/0"),
        ({"clusterDNS": "kube-dns"}, "/clusterDNS"),
        ({"clusterDNS": "10.96.0.10.1"}, "/clusterDNS"),
        ({"watchNamespaces": "pryv"}, "/watchNamespaces"),
        ({"watchNamespaces": ["*"]}, "/watchNamespaces/0"),
        ({"watchNamespaces": ["a", "a"]}, "/watchNamespaces"),
        ({"podLabels": {"a": 1}}, "/podLabels/a"),
        ({"resources": {"claims": []}}, "claims"),
        ({"imagePullSecrets": ["login"]}, "/imagePullSecrets/0"),
        ({"crds": {"keep": "yes"}}, "/crds/keep"),
    ],
    ids=json.dumps,
)
def test_invalid_values_are_rejected(helm: Helm, values: Object, said: str) -> None:
    answer = helm("template", "pryv-operator", CHART, values=values, check=False)
    assert answer.returncode != 0
    assert said in answer.stderr


# What it does in a cluster


def test_install_creates_all_objects(installed: Helm) -> None:
    cluster = installed.cluster
    notes = installed("get", "notes", "pryv-operator", f"--namespace={OPERATOR_NAMESPACE}").stdout
    assert f"kubectl -n {OPERATOR_NAMESPACE} rollout status deployment/pryv-operator" in notes
    assert (
        get(cluster, "-n", OPERATOR_NAMESPACE, "deployment", "pryv-operator")["spec"]["replicas"]
        == 2
    )
    assert (
        get(cluster, "-n", OPERATOR_NAMESPACE, "serviceaccount", "pryv-operator")[
            "automountServiceAccountToken"
        ]
        is False
    )
    document = {
        "apiVersion": "pryv.io/v1alpha1",
        "kind": "PryvPlatform",
        "metadata": {"name": "a"},
        "spec": {"domain": "a.b"},
    }
    cluster.kubectl(
        "create", "-n", OPERATOR_NAMESPACE, "--dry-run=server", "-f-", stdin=json.dumps(document)
    )


@pytest.mark.parametrize(
    "values",
    [{}, {**EVERYTHING, "podAnnotations": {}, "runtimeClassName": ""}],
    ids=["defaults", "all"],
)
def test_pod_meets_the_restricted_pod_security_standard(helm: Helm, values: Object) -> None:
    template = only(helm.rendered(values), "Deployment")["spec"]["template"]
    with new_namespace(helm.cluster) as name:
        api, pods = helm.cluster.api, f"/api/v1/namespaces/{name}/pods?dryRun=All"
        api.patch(
            f"/api/v1/namespaces/{name}",
            {"metadata": {"labels": {"pod-security.kubernetes.io/enforce": "restricted"}}},
        )
        api.create(
            f"/api/v1/namespaces/{name}/serviceaccounts",
            {"metadata": {"name": template["spec"]["serviceAccountName"]}},
        )
        pod = {
            "apiVersion": "v1",
            "kind": "Pod",
            **template,
            "metadata": {**template["metadata"], "name": "one"},
        }
        api.create(pods, pod)
        del pod["spec"]["containers"][0]["securityContext"]["capabilities"]
        with pytest.raises(ApiError, match="violates PodSecurity"):
            api.create(pods, pod)


def test_root_file_system_is_read_only(helm: Helm) -> None:
    made = container(helm.rendered())
    assert made["securityContext"]["readOnlyRootFilesystem"] is True
    assert [mount["mountPath"] for mount in made["volumeMounts"]] == ["/tmp"]


@pytest.mark.long
def test_uninstall_keeps_crd_and_platforms(
    cluster: ControlPlane, own_helm: Helm, home: str
) -> None:
    install(own_helm, home)
    document = {
        "apiVersion": "pryv.io/v1alpha1",
        "kind": "PryvPlatform",
        "metadata": {"name": "a"},
        "spec": {"domain": "a.b"},
    }
    cluster.kubectl("create", "-n", "default", "-f-", stdin=json.dumps(document))
    own_helm("uninstall", "pryv-operator", f"--namespace={home}")
    assert get(cluster, "crd", CRD)["status"]["conditions"]
    assert get(cluster, "-n", "default", "pryvplatform", "a")["spec"] == {"domain": "a.b"}
    left = cluster.kubectl(
        "get", "-n", home, "deployment,serviceaccount", "-l", "app.kubernetes.io/name=pryv-operator"
    )
    assert left.stdout == ""

    install(own_helm, home)  # takes the CRD that it left back


def test_platforms_survive_upgrade_rollback_and_uninstall(
    cluster: ControlPlane, own_helm: Helm, home: str, tmp_path: Path
) -> None:
    """From the oldest chart. Nothing was released yet: it is that of the first commit."""
    shutil.unpack_archive(OLDEST, tmp_path, filter="data")
    own_helm("install", "pryv-operator", tmp_path / "pryv-operator", f"--namespace={home}")
    cluster.kubectl("wait", "--for=condition=Established", "--timeout=30s", f"crd/{CRD}")
    document = {
        "apiVersion": "pryv.io/v1alpha1",
        "kind": "PryvPlatform",
        "metadata": {"name": "a"},
        "spec": {"domain": "a.example.com"},
    }
    cluster.kubectl("create", "-n", home, "-f-", stdin=json.dumps(document))

    def identities() -> tuple[str, str]:
        """A platform or CRD that was deleted and created again would have another uid."""
        platform = get(cluster, "-n", home, "pryvplatform", "a")
        assert platform["spec"] == document["spec"]
        crd = get(cluster, "crd", CRD)
        return platform["metadata"]["uid"], crd["metadata"]["uid"]

    def today() -> bool:
        """Whether the CRD is today's: the oldest one declares less."""
        names = get(cluster, "crd", CRD)["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
        return "ownership" in names["properties"]["status"]["properties"]

    before = identities()
    assert not today()
    own_helm("upgrade", "pryv-operator", CHART, f"--namespace={home}")
    assert today()
    assert identities() == before
    budget = get(cluster, "-n", home, "poddisruptionbudget", "pryv-operator")
    assert budget["spec"]["maxUnavailable"] == 1

    own_helm("rollback", "pryv-operator", "1", f"--namespace={home}")
    assert identities() == before
    deployment = get(cluster, "-n", home, "deployment", "pryv-operator")
    assert "nodeSelector" not in deployment["spec"]["template"]["spec"]

    own_helm("upgrade", "pryv-operator", CHART, f"--namespace={home}")
    own_helm("uninstall", "pryv-operator", f"--namespace={home}")
    assert identities() == before
    left = cluster.kubectl(
        *("get", "-n", home, "deployment,serviceaccount,role,rolebinding,poddisruptionbudget"),
        *("-l", "app.kubernetes.io/name=pryv-operator", "-o", "name"),
    )
    assert left.stdout == ""
    roles = cluster.kubectl("get", "clusterrole,clusterrolebinding", "-o", "name")
    assert f"{home}-pryv-operator" not in roles.stdout


@pytest.mark.long
def test_another_release_adopts_the_crd_only_on_request(
    cluster: ControlPlane, own_helm: Helm, home: str
) -> None:
    install(own_helm, home)
    own_helm("uninstall", "pryv-operator", f"--namespace={home}")
    refused = own_helm("install", "again", CHART, f"--namespace={home}", check=False)
    assert refused.returncode != 0
    assert CRD in refused.stderr
    own_helm("install", "again", CHART, f"--namespace={home}", "--take-ownership")
    assert get(cluster, "-n", home, "deployment", "again-pryv-operator")


@pytest.mark.long
def test_uninstall_removes_the_crd_on_request(
    cluster: ControlPlane, own_helm: Helm, home: str
) -> None:
    install(own_helm, home, {"crds": {"keep": False}})
    own_helm("uninstall", "pryv-operator", f"--namespace={home}", "--wait")
    assert cluster.kubectl("get", "crd", CRD, "--ignore-not-found").stdout == ""


@pytest.mark.long
def test_upgrade_updates_the_crd(
    cluster: ControlPlane, own_helm: Helm, home: str, tmp_path: Path
) -> None:
    older = tmp_path / "older"
    shutil.copytree(CHART, older)
    template = older / "templates/crd.yaml"
    template.write_text(template.read_text().replace("    - pryv\n", "    - oldpryv\n"))
    own_helm("install", "pryv-operator", older, f"--namespace={home}")
    assert get(cluster, "crd", CRD)["spec"]["names"]["shortNames"] == ["oldpryv"]
    own_helm("upgrade", "pryv-operator", CHART, f"--namespace={home}")
    assert get(cluster, "crd", CRD)["spec"]["names"]["shortNames"] == ["pryv"]


# What it may do


def may(cluster: ControlPlane, home: str, verb: str, resource: str, namespace: str | None) -> bool:
    """Whether the operator's account has a permission (None: in all namespaces)."""
    name, _, subresource = resource.partition("/")
    plural, _, group = name.partition(".")
    asked = {
        "verb": verb,
        "group": group,
        "resource": plural,
        "subresource": subresource,
        "namespace": namespace or "",
    }
    account = f"system:serviceaccount:{home}:pryv-operator"
    review = {"spec": {"user": account, "groups": GROUPS, "resourceAttributes": asked}}
    answer = cluster.api.create("/apis/authorization.k8s.io/v1/subjectaccessreviews", review)
    return bool(answer["status"]["allowed"])


def gets_to(
    cluster: ControlPlane, home: str, verb: str, resource: str, namespace: str | None
) -> bool:
    """Like `_may`, but wait until the API server has observed the bindings."""
    return wait_until(
        lambda: may(cluster, home, verb, resource, namespace),
        f"leave to {verb} {resource}",
        seconds=30,
    )


def test_role_grants_exactly_what_the_operator_uses(helm: Helm) -> None:
    (role,) = operators(helm.rendered(), "ClusterRole")
    assert granted(role) == GRANTED


def test_namespaced_roles_grant_the_same_and_nothing_cluster_wide(helm: Helm) -> None:
    objects = helm.rendered({"watchNamespaces": ["acme", "beta"]})
    roles, bindings = operators(objects, "Role"), operators(objects, "RoleBinding")
    assert [role["metadata"]["namespace"] for role in roles] == ["acme", "beta"]
    assert all(granted(role) == GRANTED for role in roles)
    assert [binding["metadata"]["namespace"] for binding in bindings] == ["acme", "beta"]
    assert not operators(objects, "ClusterRole")
    assert not [each for each in objects if each["kind"] == "ClusterRoleBinding"]


def test_api_server_grants_permissions_in_all_namespaces(installed: Helm) -> None:
    cluster, home = installed.cluster, OPERATOR_NAMESPACE
    assert gets_to(cluster, home, "patch", "statefulsets.apps", None)
    assert gets_to(cluster, home, "patch", "pryvplatforms.pryv.io/status", None)
    assert gets_to(cluster, home, "create", "leases.coordination.k8s.io", home)
    for verb, resource in (
        ("patch", "pryvplatforms.pryv.io"),
        ("delete", "pryvplatforms.pryv.io"),
        ("deletecollection", "secrets"),
        ("update", "secrets"),
        ("patch", "pods"),
        ("create", "pods/exec"),
        ("get", "pods/log"),
        ("create", "roles.rbac.authorization.k8s.io"),
        ("impersonate", "serviceaccounts"),
        ("create", "serviceaccounts/token"),
        ("create", "leases.coordination.k8s.io"),
        ("list", "namespaces"),
        ("list", "nodes"),
    ):
        assert not may(cluster, home, verb, resource, "default"), f"{verb} {resource}"


@pytest.mark.parametrize(
    ("role", "allowed"),
    [
        ("view", {"get", "list", "watch"}),
        ("edit", {"get", "list", "watch", "create", "update", "patch", "delete"}),
        ("admin", {"get", "list", "watch", "create", "update", "patch", "delete"}),
    ],
)
def test_users_with_a_role_of_the_cluster_may_use_platforms(
    installed: Helm, namespace: str, role: str, allowed: set[str]
) -> None:
    """The roles are bound in one namespace, as a tenant's are."""
    cluster = installed.cluster
    cluster.kubectl(
        "create", "rolebinding", "anna", f"--clusterrole={role}", "--user=anna", "-n", namespace
    )

    def can(verb: str, resource: str, where: str = namespace, *flags: str) -> bool:
        asked = ("auth", "can-i", verb, resource, "--as=anna", "-n", where, *flags)
        return cluster.kubectl(*asked, check=False).stdout.strip() == "yes"

    wait_until(lambda: can("get", "pryvplatforms"), f"{role} to be extended", seconds=30)
    for verb in ("get", "list", "watch", "create", "update", "patch", "delete"):
        assert can(verb, "pryvplatforms") is (verb in allowed), verb
        assert not can(verb, "pryvplatforms", "default"), verb
    assert can("get", "pryvplatforms", namespace, "--subresource=status")
    # It records which Secrets and revisions are the operator's.
    assert not can("patch", "pryvplatforms", namespace, "--subresource=status")
    assert can("get", "secrets") is (role != "view")


@pytest.mark.long
def test_api_server_grants_permissions_only_in_watched_namespaces(
    cluster: ControlPlane, own_helm: Helm, home: str
) -> None:
    install(own_helm, home, {"watchNamespaces": ["default", "kube-public"]})
    for namespace in ("default", "kube-public"):
        assert gets_to(cluster, home, "get", "secrets", namespace)
    elsewhere: tuple[str | None, ...] = (home, "kube-system", None)
    for other in elsewhere:
        assert not may(cluster, home, "get", "secrets", other)
        assert not may(cluster, home, "list", "pryvplatforms.pryv.io", other)


# install.yaml


def test_install_yaml_is_up_to_date(helm: Helm) -> None:
    found = importlib.util.spec_from_file_location("generate", ROOT / "manifests/generate.py")
    assert found is not None
    assert found.loader is not None
    generate = importlib.util.module_from_spec(found)
    found.loader.exec_module(generate)
    stale = generate.stale_files(generate.from_chart(helm.cluster.binaries.helm))
    assert not stale, "run: python manifests/generate.py"


def test_install_yaml_is_admitted(installed: Helm) -> None:
    path = str(ROOT / "manifests/install.yaml")
    answer = installed.cluster.kubectl(
        "apply", "--server-side", "--force-conflicts", "--dry-run=server", "-f", path
    )
    assert len(answer.stdout.splitlines()) == len(
        [each for each in yaml.safe_load_all(Path(path).read_text()) if each]
    )


@pytest.mark.long
@pytest.mark.usefixtures("home")
@pytest.mark.parametrize("flags", [(), ("--server-side",)], ids=["client-side", "server-side"])
def test_install_yaml_can_be_applied(cluster: ControlPlane, flags: tuple[str, ...]) -> None:
    path = str(ROOT / "manifests/install.yaml")
    try:
        answer = cluster.kubectl("apply", *flags, "-f", path)
        assert answer.stderr == ""
        deployment = get(cluster, "-n", "pryv-system", "deployment", "pryv-operator")
        assert deployment["spec"]["template"]["spec"]["serviceAccountName"] == "pryv-operator"
        assert gets_to(cluster, "pryv-system", "list", "pryvplatforms.pryv.io", None)
        assert "Helm" not in json.dumps(deployment)
    finally:
        cluster.kubectl("delete", "-f", path, "--ignore-not-found", "--timeout=60s")
