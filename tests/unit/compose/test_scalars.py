"""Scalars as ``docker compose config`` prints them; its answers were taken from compose-go 2."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pryv_operator.compose.scalars import PlainScalar, printed


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("true", "true"),
        ("True", "true"),
        ("FALSE", "false"),
        ("yes", "yes"),
        ("on", "on"),
        ("=", "="),
        ("1", "1"),
        ("010", "8"),
        ("08", "8"),
        ("0o17", "15"),
        ("0x1f", "31"),
        ("-0x1F", "-31"),
        ("0b11", "3"),
        ("+5", "5"),
        ("1_000", "1000"),
        ("00", "0"),
        ("-0", "-0"),
        ("-0.0", "-0"),
        ("_1", "_1"),
        ("1.0", "1"),
        ("1.10", "1.1"),
        ("1.", "1"),
        (".5", "0.5"),
        ("-.5", "-0.5"),
        (".", "."),
        ("._5", "._5"),
        ("1e3", "1000"),
        ("1000000", "1000000"),
        ("1e6", "1e+06"),
        ("1234567.5", "1.2345675e+06"),
        ("123456.5", "123456.5"),
        ("0.0001", "0.0001"),
        ("0.00001", "1e-05"),
        ("1e999", "1e999"),
        ("18446744073709551615", "18446744073709551615"),
        ("-9223372036854775808", "-9223372036854775808"),
        ("+18446744073709551615", "1.8446744073709552e+19"),
        ("18446744073709551616", "1.8446744073709552e+19"),
        ("12:30:45", "12:30:45"),
        ("1.2.3", "1.2.3"),
        ("1 2", "1 2"),
        ("0x", "0x"),
        ("1e", "1e"),
        ("٣", "٣"),
        ("2001-1-2", "2001-01-02 00:00:00 +0000 UTC"),
        ("2001-02-30", "2001-02-30"),
        ("2001-12-14T21:59:43.10Z", "2001-12-14 21:59:43.1 +0000 UTC"),
        ("2001-12-14 1:2:3", "2001-12-14 01:02:03 +0000 UTC"),
        ("2001-12-14T1:2:3", "2001-12-14T1:2:3"),
        ("2001-12-14T21:59:43+02:00", "2001-12-14 21:59:43 +0200 +0200"),
    ],
)
def test_plain_scalars(text: str, shown: str) -> None:
    assert printed(PlainScalar(text)) == shown
    assert printed(text) == text


@given(st.integers(-(2**63), 2**64 - 1))
def test_integers_are_themselves(number: int) -> None:
    assert printed(PlainScalar(number)) == str(number)


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_floats_keep_their_value(number: float) -> None:
    shown = printed(PlainScalar(repr(number)))
    assert float(shown) == number
    assert math.copysign(1, float(shown)) == math.copysign(1, number)
    assert printed(PlainScalar(shown)) in (shown, str(int(number)))


@given(st.text(st.sampled_from("0123456789.eE+-_xob:TZ "), min_size=1))
def test_any_text_is_printed(text: str) -> None:
    assert type(printed(PlainScalar(text))) is str
