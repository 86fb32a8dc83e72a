"""Own templates: archives of every generation become running platforms."""

from __future__ import annotations

import base64
import gzip
import io
import json
import shutil
import tarfile
from pathlib import Path
from typing import Any

import pytest

from tests.api.platforms import PlatformUser
from tests.api.test_tls import mounted, template
from tests.cluster.waiting import wait_until

CLUSTERS = ("1.6.12-cluster", "1.9.2-cluster")
SINGLE_NODES = ("1.7.3-single-node", "1.9.2-single-node")
#: The one that is tried without --long.
OFTEN = "1.9.2-single-node"
#: What each says of itself (TEMPLATE_VERSION; there was none in 2019).
RELEASES = {
    "1.6.12-cluster": "1.6.12",
    "1.9.2-cluster": "1.9.0",
    "1.7.3-single-node": "1.7.3",
    "1.9.2-single-node": "1.9.0",
    "2019-seed-era": "2019",
}


def archive(folder: Path, top: str) -> bytes:
    """A leader's folder as an archive of the kind that Pryv distributes."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as tar:
        tar.add(folder, f"{top}/config-leader")
    return packed.getvalue()


def config_map(user: PlatformUser, name: str, content: bytes) -> None:
    user.apply(
        {
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": {"name": name},
            "binaryData": {"archive.tgz": base64.b64encode(content).decode()},
        }
    )


FROM = {"archive": {"configMapKeyRef": {"name": "received", "key": "archive.tgz"}}}


@pytest.mark.parametrize(
    "release",
    [OFTEN, *(pytest.param(each, marks=pytest.mark.long) for each in RELEASES if each != OFTEN)],
)
def test_received_archive_becomes_a_running_platform(
    user: PlatformUser, shared_pryv: Path, release: str
) -> None:
    folder = shared_pryv / "releases" / release / "config-leader"
    config_map(user, "received", archive(folder, "received"))
    roles: dict[str, Any] = {"singlenode": {}} if release in SINGLE_NODES else {}
    user.apply_platform(templates=FROM, roles=roles, variables=filled_in(shared_pryv, release))
    user.wait_ready()
    assert user.get("pryvplatform", "acme")["status"]["release"] == RELEASES[release]
    components = {name.split("/", 1)[1] for name in user.pods()}
    assert {"reverse-proxy", "core", "register", "dns", "redis", "mongodb"} <= components
    conf = mounted(
        user, template(user, "single/reverse-proxy" if roles else "co1/reverse-proxy"), "/app/conf"
    )
    assert any("pryv.acme.test" in text for text in conf.values())


def filled_in(shared_pryv: Path, release: str) -> dict[str, Any]:
    """The variables that a user still has to set, without those that the operator computes."""
    return {}


@pytest.mark.long
def test_invalid_archive_is_reported_and_others_continue(user: PlatformUser) -> None:
    config_map(user, "received", gzip.compress(b"no tar at all" * 100))
    user.apply_platform(templates=FROM)
    user.apply_platform("other", domain="other.acme.test")
    condition = user.wait_not_ready()
    assert "archive.tgz" in condition["message"], condition
    assert condition["reason"].startswith("Archive"), condition
    user.wait_ready("other")
    assert not [name for name in user.pods() if not name]


@pytest.mark.long
def test_created_config_map_resolves_the_problem(user: PlatformUser, shared_pryv: Path) -> None:
    user.apply_platform(templates=FROM)
    condition = user.wait_reason("TemplatesNotFound")
    assert 'ConfigMap "received"' in condition["message"]
    config_map(
        user,
        "received",
        archive(shared_pryv / "releases" / "1.9.2-cluster" / "config-leader", "reg-master"),
    )
    user.wait_ready()


@pytest.mark.long
def test_own_template_files(user: PlatformUser) -> None:
    compose = (
        "services:\n  {name}:\n    image: registry.acme.test/{name}:1\n"
        "    volumes:\n    - ./{name}/conf/:/app/conf/:ro\n"
    )
    texts = {name: compose.replace("{name}", name) for name in ("register", "core", "web")}
    user.apply(
        {
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": {"name": "mine"},
            "data": {f"{name}.yml": text for name, text in texts.items()}
            | {"conf": '{"name": {{ PLATFORM_NAME | tojson }}}'},
        }
    )
    files = [
        {
            "role": role,
            "configMapRef": {"name": "mine"},
            "items": [{"key": f"{name}.yml", "path": "pryv.yml"}],
        }
        for role, name in (("reg-master", "register"), ("core", "core"), ("static", "web"))
    ]
    files[0]["items"] += [{"key": "conf", "path": "register/conf/register.json.j2"}]
    user.apply_platform(templates={"files": files}, variables={"PLATFORM_NAME": 'Acme "Health"'})
    user.wait_ready()
    assert user.pods().keys() == {"reg/register", "co1/core", "sw/web"}
    conf = mounted(user, template(user, "reg/register"), "/app/conf")["register.json"]
    assert json.loads(conf) == {"name": 'Acme "Health"'}
    warnings = {each["reason"] for each in user.get("pryvplatform", "acme")["status"]["warnings"]}
    assert "UnknownService" in warnings


def test_one_file_of_the_built_in_release_is_replaced(user: PlatformUser) -> None:
    text = "port 6379\nmaxmemory 100mb\n"
    user.apply(
        {
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": {"name": "mine"},
            "data": {"redis.conf": text},
        }
    )
    files = replaced("reg-master", "redis.conf", "redis/conf/redis.conf")
    user.apply_platform(templates={"files": files})
    user.wait_ready()
    assert "co1/core" in user.pods()
    assert redis_conf(user) == text
    status = user.get("pryvplatform", "acme")["status"]
    assert not {"OriginalChanged", "NothingReplaced"} & {
        each["reason"] for each in status.get("warnings", [])
    }
    files[0]["items"][0]["path"] = "redis/conf/redsi.conf"
    user.apply_platform(templates={"files": files})
    assert "redsi.conf" in user.wait_warning("NothingReplaced")
    assert redis_conf(user) != text


@pytest.mark.long
def test_one_file_of_an_archive_is_replaced_and_its_original_changes(
    user: PlatformUser, shared_pryv: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "config-leader"
    shutil.copytree(shared_pryv / "releases" / OFTEN / "config-leader", folder)
    original = next(folder.glob("data/singlenode/redis/conf/redis.conf"))
    config_map(user, "received", archive(folder, "received"))
    user.apply(
        {
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": {"name": "mine"},
            "data": {"redis.conf": "# mine\n" + original.read_text()},
        }
    )
    files = replaced("singlenode", "redis.conf", "redis/conf/redis.conf")
    user.apply_platform(templates={**FROM, "files": files}, roles={"singlenode": {}})
    user.wait_ready()
    assert redis_conf(user, "single").startswith("# mine")

    original.write_text("# theirs\n" + original.read_text())
    config_map(user, "received", archive(folder, "received"))
    assert "redis/conf/redis.conf" in user.wait_warning("OriginalChanged")
    assert redis_conf(user, "single").startswith("# mine")
    user.patch("configmap", "mine", {"data": {"redis.conf": "# mine 2\n" + original.read_text()}})

    def reasons() -> set[str]:
        warnings = user.get("pryvplatform", "acme")["status"].get("warnings", [])
        return {each["reason"] for each in warnings}

    wait_until(lambda: "OriginalChanged" not in reasons(), "no warning", seconds=60)


def replaced(role: str, key: str, path: str) -> list[dict[str, Any]]:
    """Files of the ConfigMap ``mine``."""
    items = [{"key": key, "path": path}]
    return [{"role": role, "configMapRef": {"name": "mine"}, "items": items}]


def redis_conf(user: PlatformUser, instance: str = "reg") -> str:
    pod = template(user, f"{instance}/redis")
    (container,) = pod["containers"]  # type: ignore[misc]
    target = next(
        each["mountPath"] for each in container["volumeMounts"] if "conf" in each["mountPath"]
    )
    return mounted(user, pod, target)["redis.conf"]


@pytest.mark.long
def test_content_of_an_archive_in_a_secret_is_only_in_secrets(
    user: PlatformUser, shared_pryv: Path
) -> None:
    content = archive(shared_pryv / "releases" / "1.6.12-cluster" / "config-leader", "received")
    data = {"archive.tgz": base64.b64encode(content).decode()}
    user.apply(
        {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "received"}, "data": data}
    )
    user.apply_platform(
        templates={"archive": {"secretKeyRef": {"name": "received", "key": "archive.tgz"}}}
    )
    user.wait_ready()
    assert "server_name" not in user.kubectl("get", "configmaps", "-o", "json")
    assert "server_name" in "".join(
        mounted(user, template(user, "co1/reverse-proxy"), "/app/conf").values()
    )
    environment = [
        each for container in template(user, "co1/core")["containers"] for each in container["env"]
    ]  # type: ignore[union-attr]
    assert [each for each in environment if each["name"] == "NUM_PROCS" and "valueFrom" in each]
