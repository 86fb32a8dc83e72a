"""The audit trail: a record of each call, over a restart of core, on a disk that is bounded."""

from __future__ import annotations

import subprocess
from typing import Final

import pytest

from tests.cluster.waiting import wait_until
from tests.e2e.outside import Outside
from tests.e2e.person import register
from tests.e2e.platforms import Platform, now
from tests.e2e.traffic import traffic

_POD: Final = "acme-co1-core-0"
_MIB: Final = 1024 * 1024
#: The kubelet's own limits: five files of 10 MiB, which it looks at every 10 s.
_KUBELET_KEEPS: Final = 60 * _MIB
#: Where the sidecar that shows a pod's log files cuts them.
_CUT_AT: Final = 64 * _MIB
_FLOOD: Final = f"""
const socket = require('dgram').createSocket('udp4');
const record = Buffer.alloc(8000, 'flood ');
let left = {100 * _MIB} / record.length;
const send = () => left-- > 0 ? socket.send(record, 5514, '127.0.0.1', () => setImmediate(send)) : socket.close();
send();
"""  # noqa: E501


def test_each_answered_call_has_its_record(outside: Outside, two_cores: Platform) -> None:
    """Before, while and after core is restarted."""
    person = register(outside, two_cores.domain, "co1")
    call = {
        "name": "core",
        "url": f"https://{person.username}.{two_cores.domain}/access-info",
        "address": two_cores.address("co1"),
        "headers": {"Authorization": person.token},
    }
    before = two_cores.pods()
    follow = (*_kubectl(two_cores), "logs", "--follow", "--container=audit", _POD)
    with two_cores.cluster.start(*follow, stdout=subprocess.PIPE) as old:
        with traffic(outside, [call]) as seen:
            two_cores.annotate("pryv.io/restart", f"co1/core@{now()}")
            two_cores.wait_changed(("co1/core",), before)
        written = old.communicate(timeout=60)[0]
    missed = seen.missed["core"]
    answered = missed.sent - missed.failed
    assert answered
    assert missed.failed, "core was not away: the test has not seen its restart"

    def recorded() -> int:
        new = two_cores.kubectl("logs", "--container=audit", _POD).stdout
        return (written + new).count("getAccessInfo")

    wait_until(lambda: recorded() >= answered, f"{answered} records", seconds=30, every=1)


@pytest.mark.long
def test_a_flood_of_records_fills_no_disk(two_cores: Platform) -> None:
    cluster = two_cores.cluster
    if not cluster.is_of_kind:
        pytest.skip("needs the containers of the nodes")
    flood = ("exec", "--stdin", _POD, "--container=core", "--", "node", "-")
    two_cores.kubectl(*flood, stdin=_FLOOD)
    pod = two_cores.get("pod", _POD)
    folder = f"/var/log/pods/{two_cores.namespace}_{_POD}_{pod['metadata']['uid']}/audit"

    def kept() -> int:
        node = pod["spec"]["nodeName"]
        return int(cluster.docker("exec", node, "du", "-sb", folder).stdout.split()[0])

    wait_until(lambda: kept() > _MIB, "records to be written", seconds=60, every=1)
    wait_until(lambda: kept() < _KUBELET_KEEPS, "the kubelet to rotate", seconds=120, every=1)


@pytest.mark.long
def test_log_files_are_cut_and_written_on(outside: Outside, two_cores: Platform) -> None:
    """Those of nginx, which keeps them open and never rotates them."""
    (name,) = two_cores.pods_of(two_cores.pods(), "sw/reverse-proxy")
    pod = two_cores.pods()[name]
    file = "/app/log/static.access.log"

    def inside(script: str) -> str:
        options = ("exec", pod, "--container=reverse-proxy", "--", "sh", "-c", script)
        return two_cores.kubectl(*options).stdout

    inside(f"head -c {_CUT_AT + _MIB} /dev/zero >>{file}")
    wait_until(lambda: int(inside(f"wc -c <{file}")) < _MIB, "it to be cut", seconds=60, every=1)
    marker = f"after-{now()}"
    options = ("--silent", "--insecure", "--output", "/dev/null")
    outside.run("curl", *options, f"https://sw.{two_cores.domain}/access/{marker}")

    def told() -> bool:
        log = two_cores.kubectl("logs", pod, "--all-containers", "--since=120s").stdout
        return marker in log and marker in inside(f"cat {file}")

    wait_until(told, "the next request to be in the file and in the log", seconds=60, every=1)


def _kubectl(platform: Platform) -> tuple[str, str]:
    return str(platform.cluster.binaries.kubectl), f"--namespace={platform.namespace}"
