"""Quantities are read as the Kubernetes client library reads them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from kubernetes.utils.quantity import parse_quantity as reference

from pryv_operator.api.quantity import parse_quantity

SUFFIXES = ("", *"numkMGTPE", "Ki", "Mi", "Gi", "Ti", "Pi", "Ei")
NUMBERS = st.from_regex(r"[+-]?([0-9]{1,12}(\.[0-9]{0,6})?|\.[0-9]{1,6})", fullmatch=True)


@given(NUMBERS, st.sampled_from(SUFFIXES))
def test_a_number_with_a_suffix(number: str, suffix: str) -> None:
    assert parse_quantity(number + suffix) == reference(number + suffix)


@given(NUMBERS, st.sampled_from("eE"), st.integers(-12, 12))
def test_a_number_with_an_exponent(number: str, letter: str, exponent: int) -> None:
    text = f"{number}{letter}{exponent}"
    assert parse_quantity(text) == reference(text)


@given(st.integers() | st.floats(-1e12, 1e12).map(lambda value: round(value, 3)))
def test_a_plain_number(number: float) -> None:
    assert parse_quantity(number) == parse_quantity(str(number))


@given(st.text(alphabet="0123456789.+-eEKMGTPnumki _", max_size=8))
def test_what_the_library_rejects_is_rejected(text: str) -> None:
    try:
        reference(text)
    except ValueError:
        with pytest.raises(ValueError, match="not a valid quantity"):
            parse_quantity(text)


@pytest.mark.parametrize("text", ["", "NaN", "Infinity", "1 Gi", "1_000", "Gi", "lots", "1ki", "٣"])
def test_what_is_no_quantity(text: str) -> None:
    with pytest.raises(ValueError, match="not a valid quantity"):
        parse_quantity(text)
