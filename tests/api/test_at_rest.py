"""What does not move costs nothing: counted in requests, on the real API server."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest

from tests.api.operator_process import OperatorProcess
from tests.api.platforms import MANAGED, PlatformUser
from tests.cluster.waiting import wait_until

#: StatefulSets have ControllerRevisions of their own, with the labels of their pods.
HISTORY = f"{MANAGED},pryv.io/purpose=history"


@pytest.fixture
def checking(operator: OperatorProcess) -> Iterator[OperatorProcess]:
    """The operator, which checks every second and reads everything only when it must."""
    with operator.started_with("--resync-seconds=1", "--full-resync-seconds=86400"):
        yield operator


def _rest(operator: OperatorProcess) -> None:
    """Wait until resyncs find that nothing has moved."""
    checks = operator.unneeded_reconciliations()

    def resting() -> bool:
        nonlocal checks
        before, done = checks, operator.reconciliations()
        wait_until(
            lambda: operator.unneeded_reconciliations() >= before + 3, "three checks", seconds=60
        )
        checks = operator.unneeded_reconciliations()
        return operator.reconciliations() == done

    wait_until(resting, "the operator to rest", seconds=60)


def _requests(operator: OperatorProcess) -> dict[str, str]:
    """Requests so far, by their labels; without the list of all platforms, which is rare."""
    pattern = re.compile(r"^pryv_operator_api_requests_total(\{.*\}) (\S+)$", re.MULTILINE)
    found = dict(pattern.findall(operator.text("/metrics")))
    return {
        labels: number
        for labels, number in found.items()
        if not ('resource="pryvplatforms"' in labels and 'verb="list"' in labels)
    }


@pytest.mark.parametrize("stopped", [False, True])
def test_a_resync_of_what_has_not_moved_sends_no_request(
    checking: OperatorProcess, user: PlatformUser, stopped: bool
) -> None:
    user.apply_platform(stopped=stopped)
    if stopped:
        user.wait_reason("Stopped")
    else:
        user.wait_ready()
    _rest(checking)
    requests = _requests(checking)
    checks = checking.unneeded_reconciliations()
    wait_until(lambda: checking.unneeded_reconciliations() >= checks + 10, "ten checks", seconds=60)
    assert _requests(checking) == requests


@pytest.mark.parametrize(
    ("kind", "name"),
    [
        ("service", "acme-reg-register"),
        ("deployment", "acme-reg-register"),
        ("networkpolicy", "acme-reg-redis"),
        ("controllerrevisions", ""),
    ],
)
def test_what_moves_ends_the_rest(
    checking: OperatorProcess, user: PlatformUser, kind: str, name: str
) -> None:
    user.apply_platform()
    user.wait_ready()
    _rest(checking)
    before = checking.reconciliations()
    name = name or user.list(kind, HISTORY)[0]["metadata"]["name"]
    user.patch(kind, name, {"metadata": {"labels": {"someone": "else"}}})
    wait_until(lambda: checking.reconciliations() > before, "a reconciliation", seconds=30)
    _rest(checking)


def test_a_changed_secret_that_is_referred_to_ends_the_rest(
    checking: OperatorProcess, user: PlatformUser
) -> None:
    user.secret("admin", key="one-secret-that-is-long-enough")
    user.apply_platform(
        secrets={"REGISTER_ADMIN_KEY": {"secretKeyRef": {"name": "admin", "key": "key"}}}
    )
    user.wait_ready()
    _rest(checking)
    before = user.get("deployment", "acme-reg-register")["metadata"]["generation"]
    user.secret("admin", key="two-secret-that-is-long-enough")
    wait_until(
        lambda: user.get("deployment", "acme-reg-register")["metadata"]["generation"] > before,
        "register to be patched",
        seconds=30,
    )


def test_everything_is_read_now_and_then(operator: OperatorProcess, user: PlatformUser) -> None:
    """A watch can lose events."""
    with operator.started_with("--resync-seconds=60", "--full-resync-seconds=1"):
        user.apply_platform()
        user.wait_ready()
        operator.wait_reconciliations(5)
