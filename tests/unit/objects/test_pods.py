"""Pod templates."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pryv_operator.api.kubernetes import Object
from pryv_operator.compose.model import ContainerPort, Mount, Port
from pryv_operator.objects import pods, profiles
from pryv_operator.objects.configuration import SecretNaming, configuration_of
from pryv_operator.objects.model import Component, File, FileMount
from pryv_operator.objects.services import external_services, internal_service
from pryv_operator.objects.workloads import workload
from tests.cluster.waiting import wait_until
from tests.unit.builders import component, platform, service, texts

CANARY = "canary-7f3a"
SERVICES = (
    "reverse_proxy", "core", "mfa", "preview", "hfs", "webhooks", "mongodb", "influxdb", "redis",
    "register", "dns", "mail", "app_web_auth3",
)  # fmt: skip
EMPTY: Object = {"spec": {"ports": []}}
STORES = ("mongodb", "influxdb", "redis")


def built(of: Component) -> Object:
    return workload(
        of,
        configuration_of(of, SecretNaming(b"key")),
        frozenset(),
    )


def template(of: Component) -> Object:
    return dict(built(of)["spec"]["template"])


def container(of: Component) -> Object:
    return dict(template(of)["spec"]["containers"][0])


@pytest.mark.parametrize("name", SERVICES)
def test_every_component_of_the_release_has_a_profile(name: str) -> None:
    assert name in profiles.KNOWN


@pytest.mark.parametrize("name", SERVICES)
def test_least_privileges(name: str) -> None:
    of = component(service(name, mounts=["x/log:/app/log"]))
    spec = template(of)["spec"]
    assert spec["automountServiceAccountToken"] is False
    assert spec["enableServiceLinks"] is False
    assert spec["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert not any(key in spec for key in ("hostNetwork", "hostPID", "hostIPC"))
    for each in (*spec["containers"], *spec["initContainers"]):
        assert each["securityContext"]["allowPrivilegeEscalation"] is False
        assert each["securityContext"]["capabilities"]["drop"] == ["ALL"]
        assert "privileged" not in each["securityContext"]


@pytest.mark.parametrize("name", [name for name in SERVICES if name != "webhooks"])
def test_probes(name: str) -> None:
    """Webhooks listens on no port."""
    found = container(component(name))
    assert {"startupProbe", "readinessProbe"} <= found.keys()
    # A store that answers late under load must not be killed.
    assert ("livenessProbe" in found) is (name not in STORES)


@pytest.mark.parametrize("name", ["core", "preview", "hfs", "webhooks", "mail", "mongodb", "redis"])
def test_components_that_ignore_term_have_a_pre_stop_hook(name: str) -> None:
    assert "sv " in " ".join(container(component(name))["lifecycle"]["preStop"]["exec"]["command"])


@pytest.mark.parametrize("name", SERVICES)
def test_what_is_replaced_by_another_pod_serves_until_its_clients_know(name: str) -> None:
    """Connections are refused, or lost, that reach a pod after its process has stopped."""
    of = component(name)
    hook = container(of).get("lifecycle", {}).get("preStop", {})
    waits = hook.get("sleep") == {"seconds": 5} or "sleep 5; sv" in str(hook.get("exec"))
    replaced_first = "rollingUpdate" in built(of)["spec"].get("strategy", {})
    assert waits is (replaced_first and internal_service(of) is not None)


@pytest.mark.parametrize("name", SERVICES)
def test_services_have_their_time_to_stop(name: str) -> None:
    """The kubelet counts the preStop hook into the grace period."""
    spec = template(component(name))["spec"]
    command = str(spec["containers"][0].get("lifecycle", {}).get("preStop", {}).get("exec"))
    seconds = sum(map(int, re.findall(r"(?:sleep|sv -w) (\d+)", command)))
    assert seconds <= spec["terminationGracePeriodSeconds"] - 10


@pytest.mark.parametrize("name", ["core", "mongodb", "influxdb", "redis"])
def test_a_store_is_a_stateful_set_of_one_that_can_always_be_replaced(name: str) -> None:
    found = built(component(name))
    assert found["kind"] == "StatefulSet"
    assert found["spec"]["replicas"] == 1
    assert found["spec"]["podManagementPolicy"] == "Parallel"
    assert "volumeClaimTemplates" not in found["spec"]


@pytest.mark.parametrize("name", ["mfa", "webhooks"])
def test_components_that_must_not_run_twice_are_recreated(name: str) -> None:
    assert built(component(name))["spec"]["strategy"] == {"type": "Recreate"}


def test_a_stateless_component_is_replaced_without_downtime() -> None:
    found = built(component("register"))
    assert found["kind"] == "Deployment"
    assert found["spec"]["strategy"]["rollingUpdate"] == {"maxSurge": 1, "maxUnavailable": 0}


@pytest.mark.parametrize("replicas", [None, 0, 3])
def test_replicas(replicas: int | None) -> None:
    """Omitted when not set: an autoscaler may decide."""
    assert (
        built(component("register", overrides={"replicas": replicas}))["spec"].get("replicas")
        == replicas
    )


def test_components_that_run_once_have_one_replica() -> None:
    assert [built(component(name))["spec"]["replicas"] for name in ("core", "mfa")] == [1, 1]


def test_a_stopped_platform_has_no_replicas() -> None:
    for name in ("register", "core", "mfa"):
        found = built(component(name, platform=platform(stopped=True)))
        assert found["spec"]["replicas"] == 0
        assert found["spec"]["template"] == built(component(name))["spec"]["template"]


@pytest.mark.parametrize("name", SERVICES)
def test_a_selector_matches_the_pod_template(name: str) -> None:
    found = built(component(name))
    assert (
        found["spec"]["selector"]["matchLabels"].items()
        <= found["spec"]["template"]["metadata"]["labels"].items()
    )


@given(
    st.dictionaries(
        st.sampled_from(["pryv.io/component", "pryv.io/platform", "a"]), st.just("user"), min_size=1
    )
)
def test_user_labels_do_not_change_labels_of_the_operator(labels: dict[str, str]) -> None:
    found = template(component("core", overrides={"labels": labels}))["metadata"]["labels"]
    assert found["pryv.io/component"] == "core"
    assert found["pryv.io/platform"] == "acme"
    assert found.get("a") == labels.get("a")


def test_files_are_mounted_where_the_compose_file_mounts_them() -> None:
    files = [
        File("nginx/conf/nginx.conf", "plain", secret=False),
        File("nginx/conf/secret/key.pem", CANARY, secret=True),
    ]
    of = component(
        service("reverse_proxy"), files=files, file_mounts=(FileMount("nginx/conf", "/app/conf"),)
    )
    spec = template(of)["spec"]
    assert {"name": "nginx-conf", "mountPath": "/app/conf", "readOnly": True} in spec["containers"][
        0
    ]["volumeMounts"]
    (volume,) = (each for each in spec["volumes"] if each["name"] == "nginx-conf")
    (config_map,) = (
        each["configMap"] for each in volume["projected"]["sources"] if "configMap" in each
    )
    (secret,) = (each["secret"] for each in volume["projected"]["sources"] if "secret" in each)
    assert [each["path"] for each in config_map["items"]] == ["nginx.conf"]
    assert [each["path"] for each in secret["items"]] == ["secret/key.pem"]
    assert CANARY not in set(texts(built(of)))


def test_a_secret_environment_variable_refers_to_a_secret() -> None:
    of = component(
        "core",
        environment=(("NUM_PROCS", "4"), ("KEY", CANARY)),
        secret_environment=frozenset({"KEY"}),
        files=[File(pods.environment_path("KEY"), CANARY, secret=True)],
    )
    environment = {each["name"]: each for each in container(of)["env"]}
    assert environment["NUM_PROCS"]["value"] == "4"
    assert environment["KEY"]["valueFrom"]["secretKeyRef"]["name"].startswith("acme-core-core-")
    assert CANARY not in set(texts(built(of)))


def test_the_environment_of_the_spec_overrides_the_compose_file() -> None:
    of = component(
        "core",
        environment=(("NUM_PROCS", "4"), ("B", "b")),
        overrides={"env": [{"name": "NUM_PROCS", "value": "2"}, {"name": "C", "value": "c"}]},
    )
    assert {each["name"]: each["value"] for each in container(of)["env"]} == {
        "NUM_PROCS": "2",
        "B": "b",
        "C": "c",
    }


def test_logs_go_to_the_output_and_are_bounded() -> None:
    spec = template(component(service("core", mounts=["core/log:/app/log"])))["spec"]
    (volume,) = (each for each in spec["volumes"] if each["name"] == "core-log")
    assert volume["emptyDir"]["sizeLimit"]
    (sidecar,) = spec["initContainers"]
    assert sidecar["restartPolicy"] == "Always"
    assert sidecar["volumeMounts"] == [{"name": "core-log", "mountPath": "/app/log"}]


@pytest.mark.parametrize("stop", [signal.SIGTERM, signal.SIGQUIT, signal.SIGINT, signal.SIGHUP])
def test_the_log_reader_ends_by_the_signal_that_its_image_declares(
    tmp_path: Path, stop: signal.Signals
) -> None:
    """The kubelet sends the image's STOPSIGNAL, to sidecars too: nginx' is QUIT."""
    spec = template(component(service("reverse_proxy", mounts=["nginx/log:/app/log"])))["spec"]
    command = [
        word.replace("/app/log", str(tmp_path)) for word in spec["initContainers"][0]["command"]
    ]
    (tmp_path / "access.log").write_text("a line\n")
    process = subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        start_new_session=True,
        # A shell cannot trap what is ignored when it starts, as in what runs in the background.
        preexec_fn=lambda: signal.signal(stop, signal.SIG_DFL),  # noqa: PLW1509
    )
    try:
        assert process.stdout
        assert process.stdout.readline() == b"a line\n"
        process.send_signal(stop)
        assert process.wait(timeout=15) == 0
    finally:
        # With what it had just begun, which ends with the container.
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.communicate()


def test_rotated_log_files_do_not_fill_the_volume(tmp_path: Path) -> None:
    """Services that rotate begin a file each day, `core.log.2026-11-26`, and retain 60 of them.

    Each may hold 64 MiB, so that the volume of 1 GiB got full, and the pod was evicted. Other files
    stay, however old.
    """
    days = [f"core.log.2026-11-{day:02}" for day in range(1, 31)]
    others = {"error.log", "state.json", "access.log"}
    for age, name in enumerate([*reversed(days), "sub/core.log.2026-10-31", *others]):
        file = tmp_path / name
        file.parent.mkdir(exist_ok=True)
        file.write_text("a line\n")
        os.utime(file, (1_800_000_000 - age * 86_400,) * 2)
    os.truncate(tmp_path / "access.log", 64 * 1024 * 1024)

    spec = template(component(service("core", mounts=["core/log:/app/log"])))["spec"]
    command = [
        word.replace("/app/log", str(tmp_path)) for word in spec["initContainers"][0]["command"]
    ]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    try:
        wait_until(
            lambda: sorted(file.name for file in tmp_path.rglob("*.log.*")) == days[-7:],
            "the removal of old files",
            seconds=15,
        )
    finally:
        process.terminate()
        process.wait(timeout=15)
    assert others == {file.name for file in tmp_path.iterdir() if file.name in others}
    assert (tmp_path / "access.log").stat().st_size == 0
    assert (tmp_path / "error.log").read_text() == "a line\n"


def test_host_paths_are_not_mounted() -> None:
    spec = template(component(service("core", mounts=["/srv/data:/app/x"])))["spec"]
    assert spec["volumes"] == spec["containers"][0]["volumeMounts"] == []


def test_images_come_from_the_registry_and_an_override_is_used_as_it_is() -> None:
    elsewhere = platform(
        imageRegistry="registry.acme.health/pryv", imagePullSecrets=[{"name": "login"}]
    )
    assert (
        container(component("core", platform=elsewhere))["image"]
        == "registry.acme.health/pryv/core:1.0"
    )
    assert template(component("core", platform=elsewhere))["spec"]["imagePullSecrets"] == [
        {"name": "login"}
    ]
    mine = component("core", platform=elsewhere, overrides={"image": "mine/core:2"})
    assert container(mine)["image"] == "mine/core:2"


def test_scheduling_fields_of_the_spec() -> None:
    wanted = {
        "nodeSelector": {"disk": "fast"},
        "tolerations": [{"key": "a", "operator": "Exists"}],
        "topologySpreadConstraints": [
            {"maxSkew": 1, "topologyKey": "zone", "whenUnsatisfiable": "DoNotSchedule"}
        ],
        "priorityClassName": "high",
        "affinity": {"nodeAffinity": {"a": "b"}},
    }
    found = template(
        component(
            "core",
            overrides={
                **wanted,
                "annotations": {"a": "b"},
                "resources": {"requests": {"cpu": "1"}},
            },
        )
    )
    assert found["spec"].items() >= wanted.items()
    assert found["metadata"]["annotations"] == {"a": "b"}
    assert found["spec"]["containers"][0]["resources"] == {"requests": {"cpu": "1"}}


def test_the_affinity_of_a_shared_pvc_is_added_to_the_users() -> None:
    mine = {
        "podAffinity": {
            "requiredDuringSchedulingIgnoredDuringExecution": [{"topologyKey": "zone"}]
        },
        "nodeAffinity": {},
    }
    of = component(service("hfs", mounts=["core/data:/app/data"]), overrides={"affinity": mine})
    found = pods.pod_template(
        of,
        configuration_of(of, SecretNaming(b"")),
        frozenset({"acme-co1-core-data"}),
    )
    terms = found["spec"]["affinity"]["podAffinity"][
        "requiredDuringSchedulingIgnoredDuringExecution"
    ]
    assert [each["topologyKey"] for each in terms] == ["zone", "kubernetes.io/hostname"]
    assert found["spec"]["affinity"]["nodeAffinity"] == {}


def test_port_names_are_valid_and_unique() -> None:
    of = component(
        service("dns", ports=[Port(53, 5353, "udp"), Port(65535, 65535, "tcp")]),
        upstream_ports=(9000, 65535),
    )
    ports = container(of)["ports"]
    assert all(len(each["name"]) <= 15 for each in ports)
    assert (
        len({each["name"] for each in ports})
        == len({(each["containerPort"], each["protocol"]) for each in ports})
        == len(ports)
    )


_protocols = st.sampled_from(["tcp", "udp"])
_published = st.dictionaries(
    st.tuples(st.integers(1, 9), _protocols), st.integers(1, 9), max_size=6
).map(lambda ports: {Port(host, number, protocol) for (host, protocol), number in ports.items()})


@given(_published, st.sets(st.builds(ContainerPort, st.integers(1, 9), _protocols), max_size=4))
def test_a_container_lists_each_port_once_and_services_find_it(
    published: set[Port], exposed: set[ContainerPort]
) -> None:
    """The API server merges ports by number and protocol, so none may be there twice."""
    of = component(
        replace(service("web", ports=sorted(published, key=str)), exposed_ports=tuple(exposed))
    )
    ports = container(of).get("ports", [])
    numbers = {(each["containerPort"], each["protocol"].lower()): each["name"] for each in ports}
    assert len(numbers) == len({*numbers.values()}) == len(ports)
    wanted = {(port.container, port.protocol) for port in published}
    assert numbers.keys() == wanted | {(port.number, port.protocol) for port in exposed}
    inner = internal_service(of)
    reached = {
        (each["targetPort"], each["protocol"].lower()) for each in (inner or EMPTY)["spec"]["ports"]
    }
    assert reached == {port for port in wanted if port[1] == "tcp"} | {
        (port.number, port.protocol) for port in exposed
    }
    external = external_services(of.platform, of.instance, [of])
    targets = {
        (each["port"], each["protocol"].lower(), each["targetPort"])
        for found in external
        for each in found["spec"]["ports"]
    }
    assert targets == {
        (port.host, port.protocol, numbers[(port.container, port.protocol)]) for port in published
    }


def test_a_tmpfs_is_memory() -> None:
    mounts = (
        Mount("", "/run", read_only=False, kind="tmpfs"),
        Mount("", "/app/Tmp", read_only=False, kind="tmpfs", size=1024),
    )
    of = component(replace(service("web"), mounts=mounts))
    volumes = {each["name"]: each["emptyDir"] for each in template(of)["spec"]["volumes"]}
    assert volumes == {
        "tmpfs-run": {"medium": "Memory"},
        "tmpfs-app-tmp": {"medium": "Memory", "sizeLimit": "1024"},
    }
    assert [each["mountPath"] for each in container(of)["volumeMounts"]] == ["/run", "/app/Tmp"]


@given(st.text(min_size=1, max_size=80))
def test_volumes_have_valid_names_whatever_the_paths(path: str) -> None:
    of = component(replace(service("web"), mounts=(Mount("", f"/{path}", False, kind="tmpfs"),)))
    (volume,) = template(of)["spec"]["volumes"]
    assert re.fullmatch(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?", volume["name"])


def test_host_aliases() -> None:
    assert template(component("core", host_aliases=(("10.0.0.1", ("a", "b")),)))["spec"][
        "hostAliases"
    ] == [{"ip": "10.0.0.1", "hostnames": ["a", "b"]}]


def test_a_compose_command_is_the_arguments_of_the_entry_point() -> None:
    """As core_router of 1.6 has it: its image has the entry point."""
    arguments = ("--core-audit", "core:3000")
    found = container(component(replace(service("core_router"), command=arguments)))
    assert found["args"] == list(arguments)
    assert "command" not in found


def test_a_compose_entry_point_is_the_command() -> None:
    of = replace(service("core_router"), entrypoint=("npm", "run"), command=("it",))
    found = container(component(of))
    assert (found["command"], found["args"]) == (["npm", "run"], ["it"])


@pytest.mark.parametrize(
    ("text", "escaped"),
    [("$(NAME)", "$$(NAME)"), ("a$$b", "a$$$$b"), ("$HOME", "$HOME"), ("5$", "5$")],
)
def test_kubernetes_expands_nothing_of_a_compose_file(text: str, escaped: str) -> None:
    of = component(replace(service("core"), command=(text,)), environment=(("A", text),))
    found = container(of)
    assert found["args"] == [escaped]
    assert {"name": "A", "value": escaped} in found["env"]
