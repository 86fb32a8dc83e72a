"""A platform serves people: registration, data of every kind, DNS, mail, and the audit trail."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

import pytest

from tests.cluster.waiting import wait_until
from tests.e2e.outside import CERTIFICATE, Outside
from tests.e2e.platforms import Platform

_HERE: Final = Path(__file__).parent
_JOURNEY: Final = _HERE / "journey.js"


@pytest.fixture(scope="module")
def seen(two_cores: Platform, outside: Outside) -> Any:
    """What a person and their applications saw."""
    return outside.node(_JOURNEY, two_cores.domain)


def test_data_of_every_kind_come_back(two_cores: Platform, seen: Any) -> None:
    spec = two_cores.get("pryvplatform", two_cores.name)["spec"]
    assert seen["name"] == spec["variables"]["PLATFORM_NAME"]
    assert seen["events"] == 3
    assert seen["attachment"] == "attached"
    assert seen["points"] == [[0, 70], [60, 71.5]]
    assert seen["duration"] == 60


def test_accounts_are_found_by_dns(outside: Outside, two_cores: Platform, seen: Any) -> None:
    account = f"{seen['username']}.{two_cores.domain}"
    assert outside.run("dig", "+short", account, "CNAME").split() == [f"{seen['core']}."]
    assert outside.run("dig", "+short", f"nobody.{two_cores.domain}") == ""


def test_a_mail_welcomes_in_the_persons_language(
    outside: Outside, two_cores: Platform, seen: Any
) -> None:
    def received() -> list[dict[str, Any]]:
        address = f"<{seen['username']}@example.org>"
        return [mail for mail in outside.mails() if mail["to"] == [address]]

    wait_until(lambda: bool(received()), "the mail to arrive", seconds=30)
    (mail,) = received()
    assert mail["from"].startswith(f"<noreply@{two_cores.domain}>")
    assert f"Bonjour {seen['username']}" in mail["text"]


def test_audit_records_are_in_the_pods_log(two_cores: Platform, seen: Any) -> None:
    pod = f"{two_cores.name}-{seen['core'].partition('.')[0]}-core-0"
    log = two_cores.kubectl("logs", pod, "--container=audit").stdout
    assert '"action":"accesses.create"' in log


def test_the_web_pages_are_served(outside: Outside, two_cores: Platform) -> None:
    url = f"https://sw.{two_cores.domain}/access/register.html"
    options = ("--silent", "--fail", "--cacert", CERTIFICATE)
    assert "<title>Sign in</title>" in outside.run("curl", *options, url)
