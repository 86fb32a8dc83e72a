"""kubectl-pryv and `helm test` where pods are real: logs of containers, ports that answer."""

from __future__ import annotations

import json
import sys
import tarfile
from pathlib import Path
from typing import Any, Final

import pytest

from tests.cluster.control_plane import SERVICE_RANGE
from tests.cluster.kind.cluster import KindCluster, OnMachine
from tests.cluster.waiting import wait_until
from tests.e2e.conftest import OPERATOR
from tests.e2e.outside import CERTIFICATE, Outside
from tests.e2e.person import register
from tests.e2e.platforms import Platform

#: It creates accesses, which are audited.
_JOURNEY: Final = Path(__file__).parent / "journey.js"
_PLUGIN: Final = str(Path(sys.executable).parent / "kubectl-pryv")


def plugin(platform: Platform, *arguments: str, **options: Any) -> str:
    """What a command prints in the platform's namespace."""
    where = f"--namespace={platform.namespace}"
    done = platform.cluster.run(_PLUGIN, *arguments, where, check=False, **options)
    assert done.returncode == 0, done.stdout + done.stderr
    return str(done.stdout)


def test_helm_test_has_the_operator_reconcile(installed: KindCluster) -> None:
    where = f"--namespace={OPERATOR}"
    assert "Phase:" in installed.helm("test", "pryv-operator", where, "--timeout=3m").stdout
    log = installed.kubectl("logs", where, "pryv-operator-test").stdout
    assert "deleted" in log
    assert installed.kubectl("get", "pryvplatforms", where, "--output=name").stdout == ""


def test_status_shows_what_runs(two_cores: Platform) -> None:
    shown = json.loads(plugin(two_cores, "status", two_cores.name, "--output=json"))
    assert shown["ready"] is True
    text = plugin(two_cores, "status", two_cores.name)
    assert "co2" in text
    assert "NotReady" not in text


def test_logs_are_of_output_files_and_audit_trail(two_cores: Platform, outside: Outside) -> None:
    seen = outside.node(_JOURNEY, two_cores.domain)
    output = plugin(two_cores, "logs", two_cores.name, "register", "--tail=-1")
    assert output
    files = plugin(two_cores, "logs", two_cores.name, "reverse-proxy", "--files", "--tail=-1")
    assert seen["username"] in files
    audit = plugin(two_cores, "logs", two_cores.name, "core", "--audit", "--tail=-1")
    assert '"action":"accesses.create"' in audit


def test_logs_follow_what_is_written(two_cores: Platform, outside: Outside, tmp_path: Path) -> None:
    """Also in a pod that replaces the first one."""
    where = f"--namespace={two_cores.namespace}"
    target = ("sw/reverse-proxy", "--files", "--follow", "--tail=0")
    written = tmp_path / "log"

    def seen(word: str) -> bool:
        url = f"https://sw.{two_cores.domain}/{word}"
        outside.run("curl", "--silent", "--output", "/dev/null", "--cacert", CERTIFICATE, url)
        return word in written.read_text()

    with written.open("w") as log:
        following = two_cores.cluster.start(
            _PLUGIN, "logs", two_cores.name, *target, where, stdout=log
        )
    try:
        wait_until(lambda: seen("before"), "the request in the log", seconds=60)
        label = "pryv.io/instance=sw,pryv.io/component=reverse-proxy"
        two_cores.kubectl("delete", "pod", f"--selector={label}")
        two_cores.wait_ready()
        wait_until(lambda: seen("after"), "the request to the new pod in the log", seconds=60)
    finally:
        following.terminate()
        following.wait(10)


def test_report_has_no_personal_data_unless_asked(
    two_cores: Platform, outside: Outside, tmp_path: Path
) -> None:
    person = register(outside, two_cores.domain)
    person.read()

    def content(name: str, *options: str) -> bytes:
        file = tmp_path / name
        plugin(two_cores, "report", two_cores.name, f"--output={file}", *options)
        with tarfile.open(file) as tar:
            found = [tar.extractfile(member) for member in tar.getmembers()]
            return b"".join(each.read() for each in found if each is not None)

    without, with_logs = content("report.tgz"), content("logs.tgz", "--logs")
    assert person.username.encode() not in without
    assert len(with_logs) > len(without)
    secrets = json.loads(two_cores.kubectl("get", "secrets", "--output=json").stdout)["items"]
    values = {value for each in secrets for value in (each.get("data") or {}).values()}
    assert values
    for value in values:
        assert value.encode() not in without + with_logs


def test_check_of_a_platform_that_works(two_cores: Platform, tmp_path: Path) -> None:
    """From outside of the cluster, with a route to the addresses of Services."""
    cluster = two_cores.cluster
    if isinstance(cluster.place, OnMachine):
        pytest.skip("routes are only set in a network of our own")
    (node,) = json.loads(cluster.kubectl("get", "nodes", "--output=json").stdout)["items"]
    address = node["status"]["addresses"][0]["address"]
    cluster.run("ip", "route", "replace", SERVICE_RANGE, "via", address)
    authority = tmp_path / "authority.pem"
    spec = two_cores.get("pryvplatform", two_cores.name)["spec"]
    authority.write_text(spec["tls"]["caBundle"])
    options = (f"--resolver={two_cores.address('reg', udp=True)}", f"--ca-file={authority}")
    shown = json.loads(plugin(two_cores, "check", two_cores.name, *options, "--output=json"))
    rows: dict[str, set[str]] = {}
    for row in shown["rows"]:
        rows.setdefault(row["check"], set()).add(row["status"])
    for check in ("Delegation", "HostAddress", "DnsServer", "CertificateServed", "Port"):
        assert rows[check] == {"ok"}, check
    for check in ("ServiceInformation", "Image", "Operator", "Condition"):
        assert rows[check] == {"ok"}, check
    # A name of the cluster's DNS; and a test cluster's own network plugin and storage.
    assert rows["MailServer"] == {"skipped"}
    assert rows["NetworkPolicies"] == {"warn"}
    assert "fail" not in set.union(*rows.values())


def test_diff_of_an_edit_names_the_pods_that_would_roll(
    two_cores: Platform, tmp_path: Path
) -> None:
    resource = two_cores.get("pryvplatform", two_cores.name)
    resource["spec"]["variables"]["PLATFORM_NAME"] = "Acme, edited"
    edited = tmp_path / "platform.yaml"
    edited.write_text(json.dumps(resource))
    options = (f"--namespace={two_cores.namespace}", f"--filename={edited}")
    done = two_cores.cluster.run(_PLUGIN, "diff", two_cores.name, *options, check=False)
    assert done.returncode == 1, done.stderr
    assert '+    "name": "Acme, edited"' in done.stdout
    assert "reg/register" in done.stdout
    assert "mongodb" not in done.stdout
