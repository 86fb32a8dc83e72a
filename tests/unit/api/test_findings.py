"""Several findings as one."""

from __future__ import annotations

from pryv_operator.api.findings import Problem, joined


def test_joined_findings_have_the_first_reason_and_all_messages() -> None:
    found = joined(
        (Problem("A", "one"), Problem("B", "two"), Problem("A", "three"), Problem("A", "one"))
    )
    assert found == Problem("A", "one; three; two")
