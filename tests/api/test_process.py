"""The process: its options, its end, and the namespaces that it watches."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

from pryv_operator.cli.main import operator as operator_command
from tests.api.fixtures import install_chart
from tests.api.operator_process import OperatorProcess
from tests.api.platforms import PlatformUser
from tests.cluster.control_plane import ControlPlane
from tests.cluster.simulated_nodes import SimulatedNodes
from tests.cluster.waiting import wait_until


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([], "pass either --kubeconfig FILE or --in-cluster"),
        (["--kubeconfig=/no/such/file"], "credentials of the cluster cannot be read"),
        (["--in-cluster"], "credentials of the cluster cannot be read"),
        (["--in-cluster", "--cluster-dns=somewhere"], '"somewhere" is not an IP address'),
        (["--in-cluster", "--listen=here"], '"here" is not ADDRESS:PORT'),
    ],
)
def test_invalid_options_are_reported_with_the_remedy(arguments: list[str], said: str) -> None:
    done = CliRunner().invoke(operator_command, ["run", *arguments])
    assert done.exit_code == 2
    assert said in " ".join(done.stderr.replace("│", " ").split())
    assert "Traceback" not in done.stderr


def test_sigterm_is_an_orderly_end(user: PlatformUser, operator: OperatorProcess) -> None:
    user.apply_platform()
    assert operator.status("/healthz") == 200
    written = len(operator.log)
    assert operator.stop() == 0  # in the middle of a first install
    assert "INFO    stopping" in operator.log[written:]
    operator.start()
    user.wait_ready()


@pytest.mark.long
def test_after_a_kill_it_continues(user: PlatformUser, operator: OperatorProcess) -> None:
    user.apply_platform()
    operator.restart(abruptly=True)
    user.wait_ready()


@pytest.mark.long
def test_limited_to_namespaces_it_does_nothing_elsewhere(
    control_plane: ControlPlane,
    simulated_nodes: SimulatedNodes,
    chart_kubeconfig: Path,
    namespace: str,
    operator: OperatorProcess,
) -> None:
    """With rights in its namespaces only, and without the operator that watches all."""
    operator.stop()
    names = (namespace, f"{namespace}-too", f"{namespace}-other")
    for name in names[1:]:
        control_plane.kubectl("create", "namespace", name)
    mine, too, elsewhere = (PlatformUser(control_plane, name) for name in names)
    watched = f"--set=watchNamespaces={{{','.join(names[:2])}}}"
    kubeconfig = install_chart(
        control_plane, "pryv-operator-narrow", watched, "--set=crds.install=false"
    )
    narrow = OperatorProcess(
        control_plane,
        kubeconfig,
        *(f"--namespace={name}" for name in names[:2]),
        name="pryv-operator-narrow",
    )
    narrow.start()
    try:
        elsewhere.apply_platform()
        for user in (mine, too):
            user.apply_platform()
            user.wait_ready()
            user.reconcile()
            user.kubectl("delete", "networkpolicy", "acme-reg-redis")
            wait_until(
                lambda: user.find("networkpolicy", "acme-reg-redis"),  # noqa: B023
                "what was deleted",
                seconds=60,
            )
        assert not elsewhere.list("services,secrets,configmaps")
        assert "status" not in elsewhere.get("pryvplatform", "acme")
        assert "Traceback" not in narrow.log
        assert "Forbidden" not in narrow.log
    finally:
        narrow.stop()
        for user in (mine, too, elsewhere):
            user.delete_all()
        operator.start()
        for name in names[1:]:
            control_plane.api.delete(f"/api/v1/namespaces/{name}")
