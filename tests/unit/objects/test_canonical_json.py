"""Canonical JSON: the bytes of the reference implementation, as names of objects depend on them."""

from __future__ import annotations

import rfc8785
from hypothesis import given, settings
from hypothesis import strategies as st

from pryv_operator.objects.canonical_json import canonical_map, canonical_text
from tests.examples import examples

TEXT = st.text(max_size=20) | st.text('\x00\x1f\x7f"\\/\b\f\n\r\té\ue000\U00010000', max_size=8)


@settings(max_examples=examples(500))
@given(TEXT, st.dictionaries(TEXT, TEXT, max_size=6))
def test_equals_the_reference_implementation(text: str, texts: dict[str, str]) -> None:
    assert canonical_text(text).encode() == rfc8785.dumps(text)
    assert canonical_map(texts).encode() == rfc8785.dumps(texts)
