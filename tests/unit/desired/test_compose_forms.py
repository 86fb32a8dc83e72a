"""What compose files of received templates ask for is in the objects, or named in a warning."""

from __future__ import annotations

import base64
import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pryv_operator.api.kubernetes import Object
from pryv_operator.desired.state import Desired, compute_desired
from pryv_operator.templates.bundle import Bundle
from tests.unit.builders import DOMAIN, inputs, platform, workloads
from tests.unit.desired.test_received import CLUSTER, received


def of(
    body: str,
    service: str = "web",
    beside: str = "",
    top: str = "",
    overrides: Object | None = None,
    **files: str,
) -> Desired:
    """The desired state with one service in role core; ``files`` by path, ``__`` is a slash.

    ``overrides`` are those of ``web``.
    """
    if not body.startswith("image: "):
        body = f"image: a:1\n{body}"
    lines = "".join(f"    {line}\n" for line in body.splitlines())
    compose = f"services:\n  {service}:\n{lines}{beside}{top}"
    role = {"pryv.yml": compose.encode()}
    role |= {path.replace("__", "/"): text.encode() for path, text in files.items()}
    bundle = received(CLUSTER)
    bundle = replace(bundle, roles={**bundle.roles, "core": role})
    if overrides is None:
        return compute_desired(inputs(bundle=bundle))
    return compute_desired(
        inputs(platform(roles={"core": {"components": {"web": overrides}}}), bundle=bundle)
    )


def spec(found: Desired, name: str = "web") -> Object:
    assert found.problems == found.waiting == ()
    pod: Object = workloads(found)[f"acme-co1-{name}"]["spec"]["template"]["spec"]
    return pod


def mounted(found: Desired, name: str = "web") -> dict[str, str]:
    """Path in the container → text of each file that is mounted there."""
    pod = spec(found, name)
    volumes = {each["name"]: each for each in pod["volumes"]}
    objects = {(each["kind"], each["metadata"]["name"]): each for each in found.objects}
    files: dict[str, str] = {}
    for mount in pod["containers"][0]["volumeMounts"]:
        for source in volumes[mount["name"]].get("projected", {"sources": []})["sources"]:
            for kind, key in (("ConfigMap", "configMap"), ("Secret", "secret")):
                for item in source.get(key, {"items": []})["items"]:
                    text = objects[(kind, source[key]["name"])]["data"][item["key"]]
                    text = base64.b64decode(text).decode() if kind == "Secret" else text
                    if "subPath" not in mount:
                        files[f"{mount['mountPath']}/{item['path']}"] = text
                    elif mount["subPath"] == item["path"]:
                        files[mount["mountPath"]] = text
    return files


def warned(found: Desired, reason: str) -> list[str]:
    return [each.message for each in found.warnings if each.reason == reason]


def pvc_names(found: Desired) -> set[str]:
    return {
        each["metadata"]["name"]
        for each in found.objects
        if each["kind"] == "PersistentVolumeClaim" and "-co1-" in each["metadata"]["name"]
    }


# Single files


@pytest.mark.parametrize(
    "volume",
    [
        "- ./redis/conf/my.conf:/etc/app.conf",
        "- ./redis/conf/my.conf:/etc/app.conf:ro,z",
        "- ${PRYV_CONF_ROOT}/pryv/redis/conf/my.conf:/etc/app.conf:Z",
        "- {type: bind, source: redis/conf/my.conf, target: /etc/app.conf, read_only: true}",
    ],
)
def test_a_single_file_is_mounted_as_a_file(volume: str) -> None:
    found = of(f"volumes:\n{volume}", redis__conf__my__conf="", **{"redis/conf/my.conf": "a\n"})
    assert mounted(found) == {"/etc/app.conf": "a\n"}
    assert pvc_names(found) == set()
    assert warned(found, "NothingToMount") == []


def test_a_file_of_the_roles_own_folder_is_mounted() -> None:
    found = of("volumes: ['./my file.conf:/x/y.conf']", **{"my file.conf": "a\n"})
    assert mounted(found) == {"/x/y.conf": "a\n"}


def test_a_single_file_with_a_secret_is_in_a_secret() -> None:
    found = of("volumes: ['./web/conf/a:/a']", web__conf__a="CORE_SYSTEM_KEY", web__conf__b="b")
    (text,) = mounted(found).values()
    assert text.startswith("generated-")
    assert text not in json.dumps([each for each in found.objects if each["kind"] != "Secret"])


def test_a_file_inside_of_a_mounted_folder_is_in_that_folder() -> None:
    """The folder is read-only, so nothing could be mounted at a path that it does not have."""
    found = of(
        "volumes: ['./web/conf/:/app/conf/', './x/conf/new:/app/conf/sub/new', "
        "'./x/conf/old:/app/conf/old']",
        web__conf__old="replaced", web__conf__kept="kept", x__conf__new="new", x__conf__old="old",
    )  # fmt: skip
    assert mounted(found) == {
        "/app/conf/kept": "kept",
        "/app/conf/old": "old",
        "/app/conf/sub/new": "new",
    }
    paths = [each["mountPath"] for each in spec(found)["containers"][0]["volumeMounts"]]
    assert paths == ["/app/conf"]


def test_a_changed_single_file_restarts_the_component() -> None:
    one, two = (of("volumes: ['./web/conf/a:/a']", web__conf__a=text) for text in ("1", "2"))
    assert spec(one) != spec(two)


@given(st.lists(st.sampled_from(["a", "b", "c/d"]), unique=True, min_size=1), st.booleans())
def test_every_file_is_mounted_by_its_folder_or_alone(names: list[str], alone: bool) -> None:
    files = {f"web/conf/{name}": f"text of {name}" for name in names}
    volumes = (
        [f"./web/conf/{name}:/app/conf/{name}" for name in names]
        if alone
        else ["./web/conf:/app/conf"]
    )
    found = of(f"volumes: {json.dumps(volumes)}", **files)
    assert mounted(found) == {f"/app/conf/{name}": f"text of {name}" for name in names}


@pytest.mark.parametrize("volume", ["./web/html:/html:ro", "./web/conf/a.conf:/app/conf/a.conf:ro"])
def test_what_the_templates_do_not_have_is_named(volume: str) -> None:
    (message,) = warned(of(f"volumes: ['{volume}']"), "NothingToMount")
    assert message.startswith('core/pryv.yml: service "web": "web/')


# Certificates


@pytest.mark.parametrize(
    "volumes",
    [
        ["./nginx/conf/:/app/conf/:ro"],
        ["./nginx/conf/a.conf:/app/conf/a.conf", "./nginx/conf/secret/:/app/conf/secret/:ro"],
        [
            "./nginx/conf/a.conf:/app/conf/a.conf",
            "./nginx/conf/secret/dh.pem:/app/conf/secret/dh.pem",
        ],
        [
            "./nginx/conf/:/app/conf/",
            f"./nginx/conf/secret/{DOMAIN}-bundle.crt:/app/conf/secret/{DOMAIN}-bundle.crt",
            f"/etc/ssl/key.pem:/app/conf/secret/{DOMAIN}-key.pem",
        ],
    ],
)  # fmt: skip
def test_the_certificate_is_where_nginx_reads_it(volumes: list[str]) -> None:
    files = {"nginx/conf/a.conf": "a", "nginx/conf/secret/dh.pem": "dh"}
    found = of(f"volumes: {json.dumps(volumes)}", "reverse_proxy", **files)
    assert mounted(found, "reverse-proxy") == {
        "/app/conf/a.conf": "a",
        "/app/conf/secret/dh.pem": "dh",
        f"/app/conf/secret/{DOMAIN}-bundle.crt": "the chain\n",
        f"/app/conf/secret/{DOMAIN}-key.pem": "the key\n",
    }
    assert pvc_names(found) == set()


def test_a_pvc_around_the_certificate_stays_one() -> None:
    found = of("volumes: ['./nginx/data:/app']", "reverse_proxy")
    assert pvc_names(found) == {"acme-co1-nginx-data"}
    assert set(mounted(found, "reverse-proxy")) == {
        f"/app/conf/secret/{DOMAIN}-bundle.crt",
        f"/app/conf/secret/{DOMAIN}-key.pem",
    }


# State


def test_the_records_of_core_audit_are_on_a_pvc() -> None:
    """Releases before 1.7 mount the folder that the host's syslog writes."""
    found = of("volumes: ['/var/log/pryv/audit/pryvio_core/:/app/data/']", "core_audit")
    assert pvc_names(found) == {"acme-co1-core-audit-data"}
    (message,) = warned(found, "HostPathNotMounted")
    assert 'a PersistentVolumeClaim is mounted at "/app/data"' in message


@pytest.mark.parametrize(
    "volumes", ["", "volumes: ['/var/x:{path}']", "volumes: ['./{name}/data:{path}']"]
)
@pytest.mark.parametrize(
    ("name", "image", "path", "port"),
    [
        ("mongo", "docker.io/pryvio/mongodb:1.9.2", "/app/data", 27017),
        ("db", "mongo:7", "/data/db", 27017),
        ("tsdb", "influxdb:1.7.8", "/var/lib/influxdb", 8086),
        ("cache", "registry.example.com/x/pryv-redis@sha256:00", "/app/data", 6379),
    ],
)
def test_a_renamed_store_keeps_its_state_and_is_not_published(
    name: str, image: str, path: str, port: int, volumes: str
) -> None:
    found = of(
        f"image: {image}\n{volumes.format(name=name, path=path)}\nports: ['{port}:{port}']", name
    )
    (mount,) = spec(found, name)["containers"][0]["volumeMounts"]
    assert (mount["mountPath"], len(pvc_names(found))) == (path, 1)
    workload = workloads(found)[f"acme-co1-{name}"]
    assert workload["kind"] == "StatefulSet"
    assert warned(found, "UnknownService") == []
    assert len(warned(found, "StoreNotPublished")) == 1
    assert "acme-co1" not in {each["metadata"]["name"] for each in found.services}
    (pvc,) = (each for each in found.objects if each["metadata"]["name"] in pvc_names(found))
    expected = "5Gi" if port == 6379 else "20Gi"
    assert pvc["spec"]["resources"]["requests"]["storage"] == expected


def test_a_renamed_core_keeps_its_data() -> None:
    found = of("image: docker.io/pryvio/core:1.9.2", "api")
    assert pvc_names(found) == {"acme-co1-api-data"}
    assert workloads(found)["acme-co1-api"]["kind"] == "StatefulSet"


@pytest.mark.parametrize(
    ("volume", "top"),
    [
        ("/srv/core", ""),
        ("core_data", "volumes: {core_data: }\n"),
        ("$PRYV_CONF_ROOT/elsewhere/core", ""),
    ],
)
def test_the_data_of_core_are_one_pvc_wherever_the_machine_had_them(volume: str, top: str) -> None:
    beside = f"  core: {{image: b, volumes: ['{volume}:/app/data']}}\n"
    found = of(f"volumes: ['{volume}:/app/data']", "hfs", beside, top)
    assert pvc_names(found) == {"acme-co1-core-data"}
    for name in ("core", "hfs"):
        claims = [each.get("persistentVolumeClaim") for each in spec(found, name)["volumes"]]
        assert {"claimName": "acme-co1-core-data"} in claims


def test_a_read_only_mount_of_state_is_read_only() -> None:
    beside = "  core: {image: b, volumes: ['./core/data:/app/data']}\n"
    found = of("volumes: ['./core/data:/app/data:ro']", "preview", beside)
    (mount,) = spec(found, "preview")["containers"][0]["volumeMounts"]
    assert mount == {"name": "core-data", "mountPath": "/app/data", "readOnly": True}


@pytest.mark.parametrize(
    ("name", "source", "target", "claim"),
    [
        ("mongodb", "/srv/mongo", "/data/db", "host-srv-mongo"),
        ("mongodb", "/srv/backup/", "/app/backup", "host-srv-backup"),
        ("mongodb", "/srv/pryv.io", "/var/lib/mongodb", "host-srv-pryv-io-"),
        ("influxdb", "/var/influx", "/var/lib/influxdb2", "host-var-influx"),
        ("redis", "/data", "/data", "host-data"),
        ("redis", "~/redis", "/var/redis", "host-redis-"),
        ("redis", "/srv/" + "long/" * 40, "/var/redis", "host-srv-long-"),
        ("core", "/mnt/att", "/mnt/attachments", "host-mnt-att"),
        ("core", "$PRYV_CONF_ROOT/att", "/mnt/attachments", "host-pryv-conf-root-att-"),
        ("core_audit", "/var/log/pryv/audit", "/app/audit-data", "host-var-log-pryv-audit"),
    ],
)
def test_a_host_folder_that_a_component_with_state_writes_to_is_a_pvc(
    name: str, source: str, target: str, claim: str
) -> None:
    found = of(f"volumes: ['{source}:{target}']", name)
    label = name.replace("_", "-")
    mounts = spec(found, label)["containers"][0]["volumeMounts"]
    assert target in {each["mountPath"] for each in mounts if not each.get("readOnly")}
    (host,) = (each for each in pvc_names(found) if each != f"acme-co1-{label}-data")
    assert host.startswith(f"acme-co1-{label}-{claim}")
    assert len(host) < 100
    assert host.endswith(claim) or claim.endswith("-")
    (message,) = warned(found, "HostPathNotMounted")
    assert f'a PersistentVolumeClaim is mounted at "{target}"; copy the data to it' in message


def test_different_host_folders_are_different_pvcs() -> None:
    volumes = ["/srv/a-b:/1", "/srv/a/b:/2", "/srv/A/b:/3", "/data:/4", "~/data:/5", "/x:/app/data"]
    found = of(f"volumes: {json.dumps(volumes)}", "redis")
    assert len(pvc_names(found)) == len(volumes)


def test_services_that_mount_the_same_host_folder_share_its_pvc() -> None:
    beside = "  backup: {image: b, volumes: ['/srv/backup:/in:ro']}\n"
    found = of("volumes: ['/srv/backup:/app/backup']", "mongodb", beside)
    (mount,) = spec(found, "backup")["containers"][0]["volumeMounts"]
    assert mount == {"name": "mongodb-host-srv-backup", "mountPath": "/in", "readOnly": True}


@pytest.mark.parametrize(
    "volume",
    [
        "/dev/log:/dev/log-host",
        "/etc/localtime:/etc/localtime",
        "/etc/ssl/certs:/certs",
        "/var/run/docker.sock:/docker.sock",
        "/run/x:/x",
        "/:/host",
        "/srv/mongod.conf:/data/mongod.conf",
        "/srv/x:/etc/x",
        "/srv/ro:/data/db:ro",
        "/srv/app:/app",
        "/srv/secret:/app/conf/secret",
    ],
)
def test_what_is_no_data_of_a_store_gets_no_pvc(volume: str) -> None:
    found = of(f"volumes: ['{volume}', './mongodb/conf:/app/conf']", "mongodb", mongodb__conf__a="")
    assert pvc_names(found) == {"acme-co1-mongodb-data"}


@pytest.mark.parametrize(
    "body", ["tmpfs: /app/data", "volumes: [{type: tmpfs, target: /app/data}]"]
)
def test_a_tmpfs_in_the_place_of_state_is_named(body: str) -> None:
    found = of(body, "redis")
    assert pvc_names(found) == {"acme-co1-redis-data"}
    (message,) = warned(found, "TmpfsNotMounted")
    assert message.startswith('core/pryv.yml: service "redis": the tmpfs at "/app/data" is not')
    assert warned(of("tmpfs: /tmp", "redis"), "TmpfsNotMounted") == []


OWN_DATA = ["./web/data:/var/lib/postgresql/data", "./data:/data", "mine:/data"]


@pytest.mark.parametrize("volume", OWN_DATA)
def test_a_component_with_its_own_data_never_has_two_pods(volume: str) -> None:
    found = of(f"volumes: ['{volume}']", top="volumes: {mine: }\n")
    workload = workloads(found)["acme-co1-web"]
    assert (workload["kind"], workload["spec"]["replicas"]) == ("Deployment", 1)
    assert workload["spec"]["strategy"] == {"type": "Recreate"}


@pytest.mark.parametrize("volume", [None, *OWN_DATA])
@pytest.mark.parametrize("replicas", [0, 1, 2])
def test_replicas_of_a_component_with_its_own_data(volume: str | None, replicas: int) -> None:
    body = f"volumes: ['{volume}']" if volume else ""
    found = of(body, top="volumes: {mine: }\n", overrides={"replicas": replicas})
    refused = ["NotScalable"] if volume and replicas == 2 else []
    assert [each.reason for each in found.problems] == refused


def test_a_component_on_the_data_of_core_may_be_scaled_and_is_recreated() -> None:
    beside = "  core: {image: b, volumes: ['./core/data:/app/data']}\n"
    found = of("volumes: ['./core/data:/data']", beside=beside, overrides={"replicas": 2})
    assert workloads(found)["acme-co1-web"]["spec"]["replicas"] == 2
    assert workloads(found)["acme-co1-web"]["spec"]["strategy"] == {"type": "Recreate"}


# Ports and names


def test_exposed_ports_are_reached_inside_only() -> None:
    found = of("expose: [3000, '4000-4001/udp', none]")
    (inner,) = (each for each in found.services if each["metadata"]["name"] == "acme-co1-web")
    assert [(each["port"], each["protocol"]) for each in inner["spec"]["ports"]] == [
        (3000, "TCP"), (4000, "UDP"), (4001, "UDP"),
    ]  # fmt: skip
    assert "acme-co1" not in {each["metadata"]["name"] for each in found.services}
    (policy,) = (
        each
        for each in found.objects
        if each["kind"] == "NetworkPolicy" and each["metadata"]["name"] == "acme-co1-web"
    )
    assert policy["spec"]["ingress"] == []
    assert warned(found, "UnknownComposeKey") == [
        'core/pryv.yml: "services.web.expose[2]" is ignored'
    ]


def test_a_port_that_docker_chooses_is_named() -> None:
    found = of("ports: ['8080']")
    (message,) = warned(found, "PortNotPublished")
    assert message.startswith('core/pryv.yml: service "web": port 8080 has no port of the host')
    assert "acme-co1-web" in {each["metadata"]["name"] for each in found.services}


@pytest.mark.parametrize(
    ("port", "reason"),
    [
        ("127.0.0.1:1-2:1-2", "PortNotPublished"),
        ("'[::1]:1-2:1-2/udp'", "PortNotPublished"),
        ("{target: 1, published: 1, host_ip: '::1'}", "PortNotPublished"),
        ("203.0.113.77:1-2:1-2", "PortPublishedWider"),
        ("{target: 1, published: 1, host_ip: 203.0.113.77}", "PortPublishedWider"),
    ],
)
def test_addresses_of_the_host_are_named_in_every_form(port: str, reason: str) -> None:
    found = of(f"ports:\n- {port}")
    published = {
        each["port"]
        for service in found.services
        if service["metadata"]["name"].startswith("acme-co1")
        for each in service["spec"]["ports"]
        if service["metadata"]["name"] != "acme-co1-web"
    }
    assert len(warned(found, reason)) == (1 if port.startswith("{") else 2)
    assert bool(published) is (reason == "PortPublishedWider")


def test_ports_that_files_name_by_an_alias_are_reached() -> None:
    beside = (
        "  core: {image: b, networks: [front], links: ['web:site'], volumes: ['./c/conf:/c']}\n"
    )
    found = of(
        "networks: {front: {aliases: [pages]}}", "web", beside,
        c__conf__a="http://site:8001 http://pages:8002 http://web:8003 http://other:8004",
    )  # fmt: skip
    (inner,) = (each for each in found.services if each["metadata"]["name"] == "acme-co1-web")
    assert [each["port"] for each in inner["spec"]["ports"]] == [8001, 8002, 8003]
    names = {name for each in spec(found, "core")["hostAliases"] for name in each["hostnames"]}
    assert {"web", "site", "pages"} <= names


@pytest.mark.parametrize("beside", ["", "  other: {image: b, ports: ['203.0.113.7:80:81']}\n"])
def test_one_port_of_the_host_leads_to_one_port(beside: str) -> None:
    second = "" if beside else ", '80:81'"
    found = of(f"ports: ['80:80'{second}]", beside=beside)
    (problem,) = found.problems
    assert problem.reason == "InvalidComposeFile"
    assert problem.message.startswith("core/pryv.yml: port 80/tcp is published twice")


# Variables


def test_variables_of_the_machine_are_named() -> None:
    found = of("environment: {A: 'x$PATH', B: , C: '${D:-d}'}")
    assert spec(found)["containers"][0]["env"] == [
        {"name": "A", "value": "x"},
        {"name": "C", "value": "d"},
    ]
    assert warned(found, "UnsetComposeVariable") == [
        f'core/pryv.yml: services.web.environment: "{name}" is a variable of the machine, which is '
        "unset in pods; write the value itself"
        for name in ("PATH", "B")
    ]


def test_a_variable_of_the_machine_in_a_secret_is_not_named() -> None:
    """No message names what a secret contains."""
    bundle: Bundle = received(CLUSTER)
    compose = b"services:\n  web:\n    image: a:1\n    environment: ['KEY=CORE_SYSTEM_KEY']\n"
    bundle = replace(bundle, roles={**bundle.roles, "core": {"pryv.yml": compose}})
    for secret in ("a$PATH", "a${PATH:-b}", "${PATH?b}"):
        found: Any = compute_desired(
            replace(inputs(platform(), bundle=bundle), secrets={"CORE_SYSTEM_KEY": secret})
        )
        assert "PATH" not in json.dumps([str(each) for each in (*found.problems, *found.warnings)])
