"""Import of an existing installation: the rendered files equal those of its leader."""

from __future__ import annotations

import base64
import json
import os
import re
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import hjson
import pytest
import yaml
from typer.testing import CliRunner

from pryv_operator.cli.plugin import plugin
from pryv_operator.pki import authority
from tests.api.platforms import PlatformUser
from tests.api.test_addresses import balance
from tests.api.test_tls import make_issuer, mounted, now, template
from tests.cluster.waiting import wait_until

MOVED = (
    "1.6.12-cluster",
    "1.9.2-cluster",
    "1.9.2-single-node",
    "1.7.3-single-node",
    "2019-seed-era",
)
#: These run with the templates they were imported with: their components find what the leader gave.
OWN_TEMPLATES = ("1.6.12-cluster", "1.7.3-single-node", "2019-seed-era")
_READ_ONLY = re.compile(r"(?:\$\{PRYV_CONF_ROOT\}/pryv|\.)/(?P<source>.+?)/?:(?P<target>/.+?)/?:ro")
_READERS: dict[str, Callable[[str], Any]] = {
    ".json": json.loads,
    ".yml": yaml.safe_load,
    ".hjson": hjson.loads,
}


@pytest.mark.long
@pytest.mark.parametrize("release", MOVED)
def test_imported_installation_becomes_ready(
    user: PlatformUser, shared_pryv: Path, tmp_path: Path, release: str
) -> None:
    source = shared_pryv / "releases" / release
    folder = source / "config-leader"
    if (
        release == "2019-seed-era"
    ):  # the reference data keeps what was filled in beside what was shipped
        folder = filled(source, tmp_path)
    out = tmp_path / "out"
    done = CliRunner().invoke(
        plugin,
        [
            "import",
            str(folder),
            "--output",
            str(out),
            "--name",
            "acme",
            "--namespace",
            user.namespace,
        ],
    )
    assert done.exit_code == 0, done.output
    assert oct((out / "secrets.yaml").stat().st_mode & 0o777) == "0o600"
    user.kubectl("apply", *(f"-f{file}" for file in sorted(out.glob("*.yaml"), reverse=True)))
    user.wait_ready()
    visible = (
        user.kubectl("get", "pryvplatforms,configmaps,deployments,statefulsets", "-o", "json")
        + (out / "platform.yaml").read_text()
    )
    for item in user.list("secrets", labels=None):
        if item["metadata"]["name"].startswith("acme-secrets"):
            for text in item["data"].values():
                assert base64.b64decode(text).decode() not in visible
    assert ("templates:" in (out / "platform.yaml").read_text()) == (release in OWN_TEMPLATES)
    if release in OWN_TEMPLATES:
        compare(user, source / "expected", (out / "report.md").read_text())


def compare(user: PlatformUser, expected: Path, report: str) -> None:
    """Every mounted file equals the leader's, in bytes or, if reported, in meaning."""
    workloads = [item["metadata"]["labels"] for item in user.list("deployments,statefulsets")]
    compared = set()
    for role, component, folder, target in read_only(expected):
        files = {
            str(file.relative_to(folder)): file.read_text()
            for file in folder.rglob("*")
            if file.is_file()
        }
        for labels in workloads:
            if (labels["pryv.io/role"], labels["pryv.io/component"]) != (role, component):
                continue
            found = mounted(
                user, template(user, f"{labels['pryv.io/instance']}/{component}"), target
            )
            assert files.keys() <= found.keys()
            for path, given in files.items():
                name = f"{role}/{folder.relative_to(expected / role)}/{path}"
                compared.add(name)
                if found[path] != given:
                    read = _READERS[Path(path).suffix]
                    assert read(found[path]) == read(given), name
                    assert name in report
    assert {labels["pryv.io/role"] for labels in workloads} == {
        folder.name for folder in expected.iterdir()
    }
    there = {
        str(file.relative_to(expected))
        for file in expected.rglob("*")
        if file.is_file() and file.name != "pryv.yml"
    }
    assert there == compared


def read_only(expected: Path) -> Iterator[tuple[str, str, Path, str]]:
    """The mounts of all components: role, component, folder of the leader, mount path."""
    for file in sorted(expected.glob("*/pryv.yml")):
        for service, said in yaml.safe_load(file.read_text())["services"].items():
            for volume in said.get("volumes", ()):
                if match := _READ_ONLY.fullmatch(volume):
                    yield (
                        file.parent.name,
                        service.replace("_", "-"),
                        file.parent / match["source"],
                        match["target"],
                    )


def filled(source: Path, folder: Path) -> Path:
    """The leader's folder of 2019 with values filled in."""
    made = folder / "leader"
    for origin in (source / "config-leader", source / "filled"):
        for file in origin.rglob("*"):
            if file.is_file():
                target = made / file.relative_to(origin)
                target.parent.mkdir(parents=True, exist_ok=True)
                target.write_bytes(file.read_bytes())
    return made


# The cut-over, as docs/migrate.md tells it

MIGRATE = Path(__file__).parents[2] / "docs/migrate.md"
#: What these need is not here: outside resolvers and machines, and (exec) a kubelet.
_NOT_TRIED = ("dig ", "curl ", "ssh ", "kubectl exec ")


def cut_over_commands() -> list[str]:
    section = MIGRATE.read_text().partition("\n## Cut over\n")[2].partition("\n## ")[0]
    return re.findall(r"^ *\$ (.+)$", section, re.MULTILINE)


def move_pod() -> str:
    """The file move.yaml of the walkthrough."""
    (text,) = re.findall(r"cat > move.yaml <<'EOF'\n(.+?\n)EOF\n", MIGRATE.read_text(), re.DOTALL)
    return str(text)


def test_cut_over_as_docs_say(user: PlatformUser, shared_pryv: Path, tmp_path: Path) -> None:
    leader = tmp_path / "config-leader"
    shutil.copytree(shared_pryv / "releases/1.9.2-cluster/config-leader", leader)
    folder = leader / "data/core/nginx/conf/secret"
    pair = authority.issue_certificate(make_issuer(), ["pryv-cluster192.example.org"], now())
    for name, text in (("bundle.crt", pair.chain), ("key.pem", pair.key)):
        folder.chmod(0o755)
        (folder / f"pryv-cluster192.example.org-{name}").write_text(text)
    out = tmp_path / "moved"
    arguments = ["import", str(leader), "--output", str(out), "--name", "acme"]
    done = CliRunner().invoke(plugin, arguments)
    assert done.exit_code == 0, done.output
    apply = re.search(r"^kubectl apply.+$", (out / "report.md").read_text(), re.MULTILINE)
    assert apply
    shell = Shell(user, tmp_path)
    (tmp_path / "move.yaml").write_text(move_pod())
    shell.run(f"cd moved && {apply[0]}")

    user.wait_ready(seconds=180)
    assert user.condition("CutOver")["reason"] == "CutOverPending"
    assert "the stores are empty" in user.condition("CutOver")["message"]
    assert "no client reaches reg, " in user.condition("CutOver")["message"]
    assert "CutOverPending" in user.kubectl("get", "pryv")

    publish(out / "platform.yaml")
    for command in cut_over_commands():
        if command.startswith(_NOT_TRIED):
            continue
        output = shell.run(command, check=not command.startswith("grep"))
        if command.startswith("grep"):
            assert "REG_MASTER_VPN_IP_ADDRESS" in output
            assert "spec.roles" not in output
            forget_old_machines(out / "platform.yaml")
        if command == "kubectl apply -f moved/platform.yaml":
            names = ("acme-reg", "acme-reg-udp", "acme-co1", "acme-co2", "acme-sw")
            for index, name in enumerate(names, start=1):
                wait_until(lambda name=name: is_load_balancer(user, name), name, seconds=30)
                balance(user, name, ip=f"203.0.113.{index}")
        if command.startswith("kubectl get pryvplatform acme -o jsonpath"):
            assert dict(line.split() for line in output.splitlines()) == {
                "reg": "203.0.113.1",
                "co1": "203.0.113.3",
                "co2": "203.0.113.4",
                "sw": "203.0.113.5",
            }
    wait_until(lambda: "CutOverPending" not in user.kubectl("get", "pryv"), "cut over", seconds=30)
    assert not [
        each
        for each in user.get("pryvplatform", "acme")["status"]["warnings"]
        if each["reason"] in ("CutOverPending", "NotReachableFromOutside")
    ]


class Shell:
    """Runs commands as a user does, with ``kubectl`` for the user's namespace."""

    def __init__(self, user: PlatformUser, folder: Path) -> None:
        self._folder = folder
        (folder / "bin").mkdir()
        wrapper = folder / "bin/kubectl"
        cluster = user.control_plane
        wrapper.write_text(
            f"#!/bin/sh\nexec {cluster.binaries.kubectl} --kubeconfig={cluster.kubeconfig} "
            f'--namespace={user.namespace} "$@"\n'
        )
        wrapper.chmod(0o755)

    def run(self, command: str, *, check: bool = True) -> str:
        path = f"{self._folder / 'bin'}:{os.environ['PATH']}"
        done = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", command],
            cwd=self._folder,
            env=os.environ | {"PATH": path},
            capture_output=True,
            text=True,
            check=False,
        )
        assert not check or done.returncode == 0, (command, done.stdout, done.stderr)
        return done.stdout


def is_load_balancer(user: PlatformUser, service: str) -> bool:
    return bool(user.get("service", service)["spec"]["type"] == "LoadBalancer")


def publish(file: Path) -> None:
    """Step 2: no addresses of old machines, Services of type LoadBalancer."""
    resource = yaml.safe_load(file.read_text())
    roles = resource["spec"]["roles"]
    del roles["reg-slave"]
    for role in roles.values():
        role.pop("address", None)
        role["service"] = {"type": "LoadBalancer"}
        for instance in role.get("instances", ()):
            del instance["address"]
    file.write_text(yaml.safe_dump(resource))


def forget_old_machines(file: Path) -> None:
    resource = yaml.safe_load(file.read_text())
    for name in ("NAME_SERVER_ENTRIES", "DNS_ROOT_DOMAIN_A_RECORD", "REG_MASTER_VPN_IP_ADDRESS"):
        del resource["spec"]["variables"][name]
    file.write_text(yaml.safe_dump(resource))
