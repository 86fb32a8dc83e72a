"""When a certificate next asks for a reconciliation."""

from __future__ import annotations

import datetime as dt

from hypothesis import given
from hypothesis import strategies as st

from pryv_operator.reconcile.next_moment import next_moment

NOW = dt.datetime(2026, 11, 27, tzinfo=dt.UTC)


def days(number: float) -> dt.timedelta:
    return dt.timedelta(days=number)


def test_renewal_then_warning_then_expiry() -> None:
    expiry = NOW + days(90)
    assert next_moment([expiry], NOW) == expiry - days(30)
    assert next_moment([expiry], expiry - days(30)) == expiry - days(14)
    assert next_moment([expiry], expiry - days(1)) == expiry
    assert next_moment([expiry], expiry) is None
    assert next_moment([], NOW) is None


@given(st.lists(st.integers(-100, 400)))
def test_the_first_of_several_and_never_now(offsets: list[int]) -> None:
    expiries = [NOW + days(each) for each in offsets]
    found = next_moment(expiries, NOW)
    later = [found_one for each in expiries if (found_one := next_moment([each], NOW))]
    assert found == min(later, default=None)
    assert found is None or found > NOW
