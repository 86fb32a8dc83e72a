"""A fight about a field: restored at once a few times, then rarely, and reported meanwhile."""

from __future__ import annotations

import datetime as dt
import itertools

from hypothesis import given
from hypothesis import strategies as st

from pryv_operator.live.drift import Drift
from pryv_operator.reconcile.field_conflicts import FieldConflicts

START = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)
DRIFT = Drift("Deployment", "acme-reg-mail", "spec.replicas", "other-tool")


def at(seconds: float) -> dt.datetime:
    return START + dt.timedelta(seconds=seconds)


@given(st.lists(st.floats(0.1, 899), min_size=4, max_size=40))
def test_a_fight_is_reported_and_restored_rarely(pauses: list[float]) -> None:
    conflicts, time, restored = FieldConflicts(), 0.0, list[float]()
    for pause in pauses:
        time += pause
        if not conflicts.observe([DRIFT], at(time)):
            restored.append(time)
        assert bool(conflicts.warnings) is (len(restored) >= 3)
    assert len(restored) >= 3
    later = restored[2:]
    assert all(after - before >= 300 for before, after in itertools.pairwise(later))
    (warning,) = conflicts.warnings
    for word in ("other-tool", "acme-reg-mail", "spec.replicas"):
        assert word in warning.message


def test_an_edit_now_and_then_is_restored_at_once() -> None:
    conflicts = FieldConflicts()
    for number in range(10):
        assert not conflicts.observe([DRIFT], at(number * 900))
        assert not conflicts.warnings


def test_fields_are_counted_apart() -> None:
    conflicts = FieldConflicts()
    for number in range(9):
        drift = Drift("Deployment", "acme-reg-mail", f"spec.{number % 3}", "kubectl-edit")
        assert not conflicts.observe([drift], at(number))


def test_a_fight_is_over_after_a_while() -> None:
    conflicts = FieldConflicts()
    for number in range(9):
        conflicts.observe([DRIFT], at(number))
    conflicts.observe([], at(890))
    assert conflicts.warnings, "it does not come and go with each drift"
    conflicts.observe([], at(910))
    assert not conflicts.warnings
