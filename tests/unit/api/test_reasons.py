"""Every reason is declared once, reported somewhere, and never spelled out elsewhere."""

from __future__ import annotations

import ast
import re
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import pryv_operator
from pryv_operator.api.reasons import Reason, Scope

if TYPE_CHECKING:
    from collections.abc import Iterator

PACKAGE = Path(pryv_operator.__file__).parent
HEALTH = PACKAGE / "live/health.py"
#: Reported only as the ``reason`` of a pod or workload that the cluster wrote.
PASSED_THROUGH = {Reason.EVICTED, Reason.FAILED_DELETE}
#: Classes whose first argument is a reason.
REPORTERS = {
    "Finding", "Problem", "Waiting", "Advisory", "Explanation", "Announcement",
    "ArchiveError",
}  # fmt: skip


def sources() -> Iterator[Path]:
    return (path for path in PACKAGE.rglob("*.py") if path.name != "reasons.py")


def calls(path: Path) -> Iterator[ast.Call]:
    return (
        node
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call)
    )


def first_argument(call: ast.Call) -> ast.expr | None:
    named = {keyword.arg: keyword.value for keyword in call.keywords}
    return call.args[0] if call.args else named.get("reason")


def test_every_reason_is_reported_by_the_code() -> None:
    text = "\n".join(path.read_text(encoding="utf-8") for path in sources())
    unused = {
        reason
        for reason in Reason
        if not re.search(rf'\bReason\.{reason.name}\b|"{reason.value}"', text)
    }
    assert unused == PASSED_THROUGH


def test_no_reason_is_a_string_literal_or_the_name_of_a_class() -> None:
    """Literals are not found when a reason is renamed; class names change without notice."""
    for path in sources():
        for call in calls(path):
            name = call.func.id if isinstance(call.func, ast.Name) else ""
            reason = first_argument(call) if name in REPORTERS else None
            if reason is not None:
                assert not isinstance(reason, (ast.Constant, ast.JoinedStr)), (path, call.lineno)
                assert "__name__" not in ast.unparse(reason), (path, call.lineno)


def test_reasons_of_the_kubelet_are_declared() -> None:
    """Those that the health of pods singles out; ErrImagePull is reported as ImagePullBackOff."""
    form = r'"(Failed[A-Z]\w+|Err[A-Z]\w+|Invalid[A-Z]\w+|[A-Z]\w+BackOff|[A-Z]\w+Error)"'
    named = set(re.findall(form, HEALTH.read_text(encoding="utf-8")))
    assert {"FailedMount", "CrashLoopBackOff", "ErrImageNeverPull"} <= named
    assert named - {"ErrImagePull"} <= {str(reason) for reason in Reason}


@pytest.mark.parametrize("reason", Reason)
def test_a_reason_has_the_form_that_kubernetes_asks_for(reason: Reason) -> None:
    """metav1.Condition's pattern, its length, and our spelling."""
    assert re.fullmatch(r"[A-Z][A-Za-z0-9]{0,127}", reason)
    assert re.sub(r"_", "", reason.name) == reason.upper()
    for text in (reason.meaning, reason.remedy, reason.check):
        assert not text.endswith(".")
        assert text.count("`") % 2 == 0
    assert reason.meaning
    assert reason.check
    assert reason.remedy or reason.scope in (Scope.OUTCOME, Scope.EVENT)


@pytest.mark.parametrize("reason", Reason)
def test_a_check_prints_no_secret(reason: Reason) -> None:
    """``-o yaml`` and the like of a Secret print its data."""
    for command in re.findall("`([^`]+)`", reason.check):
        if re.search(r"\bget\b.*\bsecret", command):
            public = r"-o jsonpath='\{\.(metadata|data\.tls\\\.crt)\}'"
            assert not re.search(r"-o[ =]?(yaml|json)", re.sub(public, "", command)), command


def test_reasons_are_grouped_in_the_order_of_their_scopes() -> None:
    assert [scope for scope, _ in groupby(reason.scope for reason in Reason)] == list(Scope)
