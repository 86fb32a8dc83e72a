"""A platform serves people: registration, data of every kind, DNS, mail, and the audit trail."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final

import pytest

from tests.cluster.kind.cluster import KindCluster
from tests.cluster.waiting import wait_until
from tests.e2e.images.build import ensure_archive
from tests.e2e.outside import SMTP_HOST, Outside, start_outside

_HERE: Final = Path(__file__).parent
_ROOT: Final = _HERE.parents[1]
_JOURNEY: Final = _HERE / "journey.js"
_NAMESPACE: Final = "journey"
_DOMAIN: Final = "journey.test"
_READY_SECONDS: Final = 600
_PLATFORM: Final = {
    "apiVersion": "pryv.io/v1alpha1",
    "kind": "PryvPlatform",
    "metadata": {"name": "acme", "namespace": _NAMESPACE},
    "spec": {
        "domain": _DOMAIN,
        "variables": {
            "PLATFORM_NAME": "Acme",
            "EMAIL_ACTIVATION": {"welcome": True, "resetPassword": True},
            "EMAIL_SENDER": {"name": "Acme", "address": f"noreply@{_DOMAIN}"},
            "EMAIL_SMTP_SETTINGS": {"host": SMTP_HOST, "port": 25, "secure": False},
        },
    },
}


@pytest.fixture(scope="module")
def outside(cluster: KindCluster, cluster_echo: Callable[[str], None]) -> Outside:
    """The outside of the platforms; the nodes have the stand-ins for Pryv's images."""
    cluster.load(ensure_archive(cluster_echo))
    return start_outside(cluster)


@pytest.fixture(scope="module")
def operator(cluster: KindCluster) -> Iterator[None]:
    """The operator as a process of this machine."""
    crds = str(_ROOT / "crds")
    cluster.kubectl("apply", "--server-side", "--force-conflicts", f"--filename={crds}")
    code = (
        f"import sys; sys.path.insert(0, {str(_ROOT / 'operator')!r});"
        "from pryv_operator.cli.main import operator; operator()"
    )
    options = ("run", f"--kubeconfig={cluster.kubeconfig}", "--listen=127.0.0.1:0")
    process = cluster.start(sys.executable, "-c", code, *options)
    yield
    process.terminate()
    process.wait(30)


@pytest.fixture(scope="module")
def platform(cluster: KindCluster, outside: Outside, operator: None) -> Iterator[Outside]:
    """A platform that is Ready, and the outside that has met it."""
    cluster.kubectl("create", "namespace", _NAMESPACE)
    cluster.kubectl("apply", "--filename=-", stdin=json.dumps(_PLATFORM))
    where = f"--namespace={_NAMESPACE}"
    ready = ("--for=condition=Ready", f"--timeout={_READY_SECONDS}s")
    cluster.kubectl("wait", where, "pryvplatform/acme", *ready, seconds=_READY_SECONDS + 10)
    outside.meet(_NAMESPACE, "acme", _DOMAIN)
    yield outside
    cluster.kubectl("delete", where, "pryvplatform/acme", "--timeout=90s")
    cluster.kubectl("delete", "namespace", _NAMESPACE, "--wait=false")


@pytest.fixture(scope="module")
def seen(platform: Outside) -> Any:
    """What a person and their applications saw."""
    return platform.node(_JOURNEY, _DOMAIN)


def test_data_of_every_kind_come_back(seen: Any) -> None:
    assert seen["name"] == "Acme"
    assert seen["events"] == 3
    assert seen["attachment"] == "attached"
    assert seen["points"] == [[0, 70], [60, 71.5]]
    assert seen["duration"] == 60


def test_accounts_are_found_by_dns(platform: Outside, seen: Any) -> None:
    account = f"{seen['username']}.{_DOMAIN}"
    assert platform.run("dig", "+short", account, "CNAME").split() == [f"co1.{_DOMAIN}."]
    assert platform.run("dig", "+short", f"nobody.{_DOMAIN}") == ""


def test_a_mail_welcomes_in_the_persons_language(platform: Outside, seen: Any) -> None:
    def received() -> list[dict[str, Any]]:
        address = f"<{seen['username']}@example.org>"
        return [mail for mail in platform.mails() if mail["to"] == [address]]

    wait_until(lambda: bool(received()), "the mail to arrive", seconds=30)
    (mail,) = received()
    assert mail["from"].startswith(f"<noreply@{_DOMAIN}>")
    assert f"Bonjour {seen['username']}" in mail["text"]


def test_audit_records_are_in_the_pods_log(
    cluster: KindCluster, platform: Outside, seen: Any
) -> None:
    where = (f"--namespace={_NAMESPACE}", "--container=audit")
    log = cluster.kubectl("logs", "acme-co1-core-0", *where).stdout
    assert '"action":"accesses.create"' in log


def test_the_web_pages_are_served(platform: Outside) -> None:
    url = f"https://sw.{_DOMAIN}/access/register.html"
    options = ("--silent", "--fail", "--cacert", "/tmp/authority.pem")
    assert "<title>Sign in</title>" in platform.run("curl", *options, url)
