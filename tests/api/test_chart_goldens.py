"""What the chart renders for a matrix of values, compared with golden files.

`pytest tests/api/test_chart_goldens.py --update-golden` writes them. Each case is linted, and the
API server admits what is rendered.
"""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import pytest
import yaml

from tests.api.test_chart import CHART, EVERYTHING
from tests.cluster.binaries import ensure_binaries

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.cluster.control_plane import ControlPlane

Object = dict[str, Any]

GOLDEN = Path(__file__).parent / "golden_chart"
CHART_FILE = yaml.safe_load((CHART / "Chart.yaml").read_text())
#: Groups of other operators: the test cluster does not have their CRDs.
NOT_SERVED: Final = frozenset({"monitoring.coreos.com"})

#: Name → values. `everything` covers each value; the others are what people choose together.
CASES: Final[dict[str, Object]] = {
    "defaults": {},
    "everything": EVERYTHING,
    "watch-namespaces": {"watchNamespaces": ["default", "kube-public"]},
    "single-replica": {"replicas": 1},
    "high-availability": {
        "replicas": 3,
        "leaseSeconds": 10,
        "podDisruptionBudget": {"minAvailable": 2},
        "priorityClassName": "system-cluster-critical",
        "affinity": {
            "podAntiAffinity": {
                "requiredDuringSchedulingIgnoredDuringExecution": [
                    {
                        "topologyKey": "kubernetes.io/hostname",
                        "labelSelector": {
                            "matchLabels": {"app.kubernetes.io/instance": "pryv-operator"}
                        },
                    }
                ]
            }
        },
        "topologySpreadConstraints": [
            {
                "maxSkew": 1,
                "topologyKey": "topology.kubernetes.io/zone",
                "whenUnsatisfiable": "DoNotSchedule",
                "matchLabelKeys": ["pod-template-hash"],
            },
            {
                "maxSkew": 1,
                "topologyKey": "kubernetes.io/hostname",
                "whenUnsatisfiable": "ScheduleAnyway",
                "labelSelector": {"matchLabels": {"own": "selector"}},
            },
        ],
    },
    "openshift": {"openshift": True, "watchNamespaces": ["default"]},
    "air-gap": {
        "global": {"imageRegistry": "mirror.example.com:5000"},
        "imagePullSecrets": [{"name": "mirror-login"}],
        "image": {"digest": f"sha256:{'1' * 64}", "pullPolicy": "Always"},
    },
    "no-rbac": {
        "rbac": {"create": False},
        "serviceAccount": {"create": False, "name": "existing"},
        "crds": {"install": False},
        "metrics": {"authentication": True},
    },
    "tenants": {
        "watchNamespaces": ["default"],
        "rbac": {"aggregateClusterRoles": False},
        "admissionPolicy": {"enabled": True},
        "networkPolicy": {"enabled": True},
        "metrics": {"authentication": True},
    },
    "monitoring": {
        "metrics": {
            "authentication": True,
            "serviceMonitor": {"enabled": True, "labels": {"release": "prometheus"}},
            "prometheusRule": {"enabled": True, "namespace": "default"},
            "dashboard": {"enabled": True},
        },
    },
    "pod-monitor": {"metrics": {"podMonitor": {"enabled": True, "interval": "15s"}}},
    "own-names": {
        "fullnameOverride": "pryv",
        "serviceAccount": {"name": "pryv-runner"},
        "commonLabels": {"team": "health"},
        "commonAnnotations": {"example.com/owner": "health"},
    },
    "proxy": {
        "extraArgs": ["--resync-seconds=60"],
        "extraEnv": [{"name": "SSL_CERT_FILE", "value": "/etc/ca/ca.crt"}],
        "extraEnvFrom": [{"configMapRef": {"name": "proxy"}}],
        "extraVolumes": [{"name": "ca", "configMap": {"name": "{{ .Release.Name }}-ca"}}],
        "extraVolumeMounts": [{"name": "ca", "mountPath": "/etc/ca", "readOnly": True}],
        "extraObjects": [
            'apiVersion: v1\nkind: ConfigMap\nmetadata: {name: "{{ .Release.Name }}-ca"}\n',
        ],
        "hostAliases": [{"ip": "192.0.2.1", "hostnames": ["api.example.com"]}],
        "dnsConfig": {"options": [{"name": "ndots", "value": "2"}]},
    },
}


@pytest.fixture(scope="session")
def helm_program(cluster_echo: Callable[[str], None]) -> Path:
    """helm, without a control plane."""
    return ensure_binaries(cluster_echo).helm


def run_helm(helm: Path, folder: Path, *arguments: str | Path, values: Object) -> str:
    """What helm prints; fails with its messages."""
    done = subprocess.run(
        [helm, *arguments, "--values=-"],
        input=json.dumps(values),
        env={"HOME": str(folder)},
        check=False,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def render(helm: Path, folder: Path, case: str, namespace: str) -> list[Object]:
    """The objects of a case, with the CRD's spec, in helm's order."""
    text = run_helm(
        helm,
        folder,
        *("template", "pryv-operator", CHART, f"--namespace={namespace}"),
        values=CASES[case],
    )
    return [each for each in yaml.safe_load_all(text) if each]


def golden_text(objects: list[Object]) -> str:
    """Objects as a golden file shows them.

    Versions are replaced, so that a release changes no file. The CRD's spec, the dashboard and the
    alerts are files of their own, and omitted here.
    """
    for each in objects:
        if each["kind"] == "CustomResourceDefinition":
            del each["spec"]
        if each["kind"] == "PrometheusRule":
            del each["spec"]["groups"]
        if each["kind"] == "ConfigMap" and each["metadata"]["name"].endswith("-dashboard"):
            each["data"] = sorted(each["data"])
    text = yaml.safe_dump_all(objects, sort_keys=True, width=100, allow_unicode=True)
    return text.replace(CHART_FILE["version"], "VERSION")


@pytest.mark.parametrize("case", CASES)
def test_rendered_chart_is_as_in_the_golden_file(
    request: pytest.FixtureRequest, helm_program: Path, tmp_path: Path, case: str
) -> None:
    text = golden_text(render(helm_program, tmp_path, case, "pryv-system"))
    file = GOLDEN / f"{case}.yaml"
    if request.config.getoption("--update-golden"):
        GOLDEN.mkdir(exist_ok=True)
        file.write_text(text)
    assert file.is_file(), f"{file} is missing; write it with --update-golden"
    assert text == file.read_text(), f"{file} is stale; write it with --update-golden"


def test_every_golden_file_has_its_case() -> None:
    assert {file.stem for file in GOLDEN.iterdir()} == set(CASES)


def test_versions_of_chart_and_operator_are_the_same() -> None:
    """Goldens replace both at once."""
    assert CHART_FILE["version"] == CHART_FILE["appVersion"]


@pytest.mark.parametrize("case", CASES)
def test_chart_is_linted(helm_program: Path, tmp_path: Path, case: str) -> None:
    run_helm(helm_program, tmp_path, "lint", "--strict", CHART, values=CASES[case])


@pytest.mark.cluster
@pytest.mark.usefixtures("chart_kubeconfig")
@pytest.mark.parametrize("case", CASES)
def test_api_server_admits_what_is_rendered(
    control_plane: ControlPlane, helm_program: Path, tmp_path: Path, namespace: str, case: str
) -> None:
    """Every field is one of its kind's, and every expression of the policy compiles."""
    objects = render(helm_program, tmp_path, case, namespace)
    for each in objects:
        each["metadata"].setdefault("namespace", namespace)
        if each["kind"] == "Pod" and each["spec"]["serviceAccountName"] != "default":
            # A pod is admitted only beside its ServiceAccount, which a dry run does not create.
            account = each["spec"]["serviceAccountName"]
            control_plane.kubectl("create", "serviceaccount", account, "-n", namespace)
    served = [each for each in objects if each["apiVersion"].split("/")[0] not in NOT_SERVED]
    answer = control_plane.kubectl(
        *("apply", "--server-side", "--force-conflicts", "--dry-run=server", "--validate=strict"),
        "-f-",
        stdin=json.dumps({"apiVersion": "v1", "kind": "List", "items": served}),
    )
    assert len(answer.stdout.splitlines()) == len(served)
