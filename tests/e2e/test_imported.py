"""Installations of docker-compose, imported as docs/migrate.md says, serve people with their own
templates and images.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import pytest
import yaml

from tests.cluster.kind.cluster import KindCluster
from tests.e2e.conftest import wildcard
from tests.e2e.images.older import stand_in_of
from tests.e2e.outside import CERTIFICATE, PUBLIC_EVENT_TYPES, Outside
from tests.e2e.person import register
from tests.e2e.platforms import Platform
from tests.unit.pki.chains import Link

#: Variables that name old machines: "Publish the new platform" of docs/migrate.md.
_OLD_MACHINES: Final = (
    "DNS_CUSTOM_ENTRIES",
    "DNS_ROOT_DOMAIN_A_RECORD",
    "NAME_SERVER_ENTRIES",
    "REG_MASTER_VPN_IP_ADDRESS",
)
_SLAVES_REDIS: Final = "reg-slave/redis/conf/redis.conf"


@dataclass(frozen=True)
class Leader:
    """A leader's folder, of its release."""

    release: str
    folder: Path

    def names(self, variable: str) -> bool:
        """Whether a template uses a variable."""
        files = (file for file in self.folder.glob("data/**/*") if file.is_file())
        return any(variable.encode() in file.read_bytes() for file in files)

    @property
    def images(self) -> set[str]:
        """What its compose files name."""
        texts = [file.read_text() for file in self.folder.glob("data/*/pryv.yml")]
        return {image for text in texts for image in re.findall(r'image:\s*"?([^"\s]+)', text)}

    @property
    def roles(self) -> list[str]:
        """Those with templates."""
        return sorted(file.parent.name for file in self.folder.glob("data/*/pryv.yml"))


@pytest.fixture(params=["1.6.12-cluster", "2019-seed-era", "1.7.3-single-node"], scope="module")
def leader(
    request: pytest.FixtureRequest, shared_pryv: Path, tmp_path_factory: pytest.TempPathFactory
) -> Leader:
    """An installation with its values filled in."""
    source = shared_pryv / "releases" / request.param
    folder = tmp_path_factory.mktemp("leader") / "config-leader"
    for origin in (source / "config-leader", source / "filled"):
        if origin.is_dir():
            shutil.copytree(origin, folder, dirs_exist_ok=True, copy_function=shutil.copyfile)
    return Leader(request.param, folder)


@pytest.fixture(scope="module")
def imported(
    leader: Leader,
    installed: KindCluster,
    outside: Outside,
    authority: Link,
    tmp_path_factory: pytest.TempPathFactory,
    cluster_echo: Callable[[str], None],
) -> Iterator[Platform]:
    """It runs here: imported, published, and Ready; the client has met it."""
    if not installed.is_of_kind:
        pytest.skip("needs the containers of the nodes")
    namespace = f"imported-{leader.release.replace('.', '-')}"
    moved = tmp_path_factory.mktemp("import") / "moved"
    command = ("import", str(leader.folder), f"--output={moved}", f"--namespace={namespace}")
    program = str(Path(sys.executable).with_name("kubectl-pryv"))
    subprocess.run([program, *command, "--name=acme"], check=True, capture_output=True, timeout=120)
    resource = yaml.safe_load((moved / "platform.yaml").read_text())
    _publish(resource["spec"], authority)
    if leader.names("EVENT_TYPES_URL"):
        resource["spec"]["variables"]["EVENT_TYPES_URL"] = PUBLIC_EVENT_TYPES
    platform = Platform(installed, namespace, resource["spec"]["domain"])
    installed.name_images({image: stand_in_of(image) for image in leader.images})
    cluster_echo(f"kubectl apply: the imported installation of {leader.release}")
    installed.kubectl("create", "namespace", namespace)
    if "reg-slave" in leader.roles:
        platform.apply(_corrected_redis(leader))
        resource["spec"]["templates"]["files"] = [
            {
                "role": "reg-slave",
                "configMapRef": {"name": "acme-files"},
                "items": [{"key": "redis.conf", "path": "redis/conf/redis.conf"}],
            }
        ]
    platform.apply(wildcard(authority, platform.domain))
    for name in ("secrets.yaml", "templates.yaml"):
        platform.kubectl("apply", "--filename=-", stdin=(moved / name).read_text())
    platform.apply(resource)
    platform.wait_ready()
    outside.meet(platform, authority.pem, "single" if "singlenode" in leader.roles else "reg")
    yield platform
    platform.delete()


def _publish(spec: dict[str, Any], authority: Link) -> None:
    """The addresses of the old machines go; the certificate is of this cluster's authority."""
    roles = spec["roles"].values()
    for each in [*roles, *(instance for role in roles for instance in role.get("instances", []))]:
        each.pop("address", None)
        each.pop("dnsAddress", None)
    variables = spec["variables"]
    for name in _OLD_MACHINES:
        variables.pop(name, None)
    spec["tls"] = {"secretName": "wildcard", "caBundle": authority.pem}


def _corrected_redis(leader: Leader) -> dict[str, Any]:
    """The file of the second name server's redis, as "Replace single files" of the same page."""
    text = (leader.folder / "data" / _SLAVES_REDIS).read_text()
    assert "\nreplica-read-only yes" in text
    corrected = text.replace("\nreplica-read-only yes", "\nreplica-read-only no")
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": "acme-files"},
        "data": {"redis.conf": corrected},
    }


@pytest.mark.long
def test_a_person_keeps_data_of_every_kind(
    leader: Leader, imported: Platform, outside: Outside
) -> None:
    person = register(outside, imported.domain)
    found = person.read()
    assert (found["events"], found["attachment"]) == (2, "attached")
    assert found["points"] == [[0, 70], [60, 71.5]]
    account = f"{person.username}.{imported.domain}"
    assert outside.run("dig", "+short", account, "CNAME").split() == [f"{found['core']}."]
    if "reg-slave" in leader.roles:
        server = f"@{imported.address('reg-slave', udp=True)}"
        names = outside.run("dig", "+short", account, "CNAME", server).split()
        assert names == [f"{found['core']}."]


@pytest.mark.long
def test_calls_are_recorded(leader: Leader, imported: Platform, outside: Outside) -> None:
    """By the router, to the syslog of its host, as those compose files say."""
    if "core_router" not in (leader.folder / "data" / leader.roles[0] / "pryv.yml").read_text():
        pytest.skip("its core has no router")
    person = register(outside, imported.domain, "co1")
    core = person.read()["core"].partition(".")[0]
    deployment = f"deployment/{imported.name}-{core}-core-router"
    log = imported.kubectl("logs", deployment, "--container=audit").stdout
    assert f'"host":"{person.username}.{imported.domain}"' in log


@pytest.mark.long
def test_the_sign_in_page_is_served(imported: Platform, outside: Outside) -> None:
    url = f"https://sw.{imported.domain}/access/register.html"
    options = ("--silent", "--fail", "--cacert", CERTIFICATE)
    assert "<title>Sign in</title>" in outside.run("curl", *options, url)
