"""What is kept over a restart is read as a whole, or ignored as a whole."""

from __future__ import annotations

import datetime as dt
import json
import random
import zlib
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pryv_operator.kube.work_queue import Key
from pryv_operator.reconcile import rest_records
from pryv_operator.reconcile.at_rest import PLURALS, KeptRest, Rest
from pryv_operator.reconcile.facts import encode_facts
from pryv_operator.reconcile.platform_metrics import (
    CertificateExpiry,
    ComponentReplicas,
    Observed,
    RolloutProgress,
)
from pryv_operator.reconcile.rest_records import (
    NotUsableError,
    OtherProgramError,
    decode_facts,
    decode_rests,
    encode_rests,
)

PROGRAM = "0123"
_names = st.text(max_size=20)
_counts = st.integers(0, 2**31 - 1)
_times = st.datetimes(
    min_value=dt.datetime(1971, 1, 1),
    max_value=dt.datetime(9998, 12, 31),
    timezones=st.just(dt.UTC),
)
_observed = st.builds(
    Observed,
    st.lists(
        st.builds(ComponentReplicas, _names, _names, _names, _counts, _counts), max_size=3
    ).map(tuple),
    st.none() | st.builds(RolloutProgress, st.none() | _times, _counts, _counts),
)
_certificates = st.lists(st.builds(CertificateExpiry, _names, _names, _times), max_size=2).map(
    tuple
)
_plurals = st.sampled_from(sorted(PLURALS))
_facts = st.builds(encode_facts, _observed, _certificates)
_rests = st.builds(
    Rest,
    st.lists(_plurals, max_size=4).map(tuple),
    st.lists(st.tuples(_plurals, _names), max_size=3).map(tuple),
    st.binary(min_size=16, max_size=16),
    st.floats(0, allow_infinity=False),
    _facts,
)
_digests = st.binary(min_size=16, max_size=16).map(bytes.hex)
kept_rests = st.dictionaries(st.builds(Key, _names, _names), st.builds(KeptRest, _rests, _digests))


def encoded(kept: dict[Key, KeptRest]) -> bytes:
    return encode_rests(PROGRAM, kept)


def meaning(kept: dict[Key, KeptRest]) -> dict[Key, object]:
    """One time can be written in several ways."""
    return {
        key: (replace(each.rest, facts=None), each.domain, decode_facts(each.rest))
        for key, each in kept.items()
    }


@given(kept_rests)
def test_what_is_written_is_read(kept: dict[Key, KeptRest]) -> None:
    found = decode_rests(encoded(kept), PROGRAM)
    assert meaning(found) == meaning(kept)
    assert decode_rests(encoded(found), PROGRAM) == found


@given(_observed, _certificates)
def test_facts_are_exact(observed: Observed, certificates: tuple[CertificateExpiry, ...]) -> None:
    """Metrics show times as numbers, which must be the same after a restart."""
    rest = Rest((), (), b"", 0.0, encode_facts(observed, certificates))
    assert decode_facts(rest) == (observed, certificates)
    for before, after in zip(certificates, decode_facts(rest)[1], strict=True):
        assert before.at.timestamp() == after.at.timestamp()


@given(kept_rests, st.data())
def test_any_edit_of_the_bytes_is_noticed(kept: dict[Key, KeptRest], data: st.DataObject) -> None:
    written = encoded(kept)
    begin = data.draw(st.integers(0, len(written)))
    end = data.draw(st.integers(begin, len(written)))
    edited = written[:begin] + data.draw(st.binary(max_size=4)) + written[end:]
    try:
        assert meaning(decode_rests(edited, PROGRAM)) == meaning(kept)
    except NotUsableError:
        assert edited != written


@given(st.binary())
def test_any_bytes_are_read_or_refused(data: bytes) -> None:
    with pytest.raises(NotUsableError):
        decode_rests(data, PROGRAM)


OBSERVED = Observed((ComponentReplicas("core", "co1", "core", 1, 1),), RolloutProgress(None, 1, 1))
EXPIRES = (CertificateExpiry("", "acme-tls", dt.datetime(2027, 1, 1, tzinfo=dt.UTC)),)
KEPT = KeptRest(
    Rest(
        ("pods", "services"),
        (("secrets", "smtp"),),
        b"f" * 16,
        1e9,
        encode_facts(OBSERVED, EXPIRES),
    ),
    "d" * 32,
)
ACME, BETA = Key("pryv", "acme"), Key("pryv", "beta")


def document() -> dict[str, Any]:
    data = encoded({ACME: KEPT, BETA: KEPT})
    found: dict[str, Any] = json.loads(zlib.decompress(data[16:]))
    return found


def packed(text: str) -> bytes:
    """Someone who knows how it is written could do this."""
    data = zlib.compress(text.encode())
    return rest_records._digest(data) + data


def test_the_form_is_strict() -> None:
    found = decode_rests(packed(json.dumps(document())), PROGRAM)
    assert meaning(found) == meaning({ACME: KEPT, BETA: KEPT})


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("namespace", None),
        ("namespace", 7),
        ("name", "acme"),  # twice
        ("name", "x" * 254),
        ("plurals", "pods"),
        ("plurals", ["nodes"]),
        ("others", [["secrets"]]),
        ("others", [["nodes", "one"]]),
        ("fingerprint", "f" * 31),
        ("fingerprint", "F" * 32),
        ("fingerprint", f"{'f' * 32}\n"),
        ("until", -1.0),
        ("until", "1"),
        ("until", True),
        ("until", float("nan")),
        ("until", float("inf")),
        ("domain", ""),
        ("facts", [[], None]),
        ("facts", [[["core", "co1", "core", -1, 1]], None, []]),
        ("facts", [[["core", "co1", "core", 1.5, 1]], None, []]),
        ("facts", [[], [None, 1], []]),
        ("facts", [[], None, [["", "acme-tls", "2027-01-01T00:00:00"]]]),
        ("facts", [[], None, [["", "acme-tls", 7]]]),
        ("facts", [[], None, [["", "acme-tls", "0001-01-01T00:00:00Z"]]]),
        ("facts", [[], None, [["", "acme-tls", "9999-12-31T23:59:59Z"]]]),
        ("further", 1),
    ],
)
def test_one_wrong_field_refuses_all(field: str, value: object) -> None:
    edited = document()
    edited["rests"][1][field] = value
    with pytest.raises(NotUsableError):
        decode_rests(packed(json.dumps(edited)), PROGRAM)


@pytest.mark.parametrize(
    "text",
    ["", "{}", "[]", "null", "{", f'{{"program":"{PROGRAM}"}}', "[" * 100_000, "1" * 5000],
)
def test_another_form_is_refused(text: str) -> None:
    with pytest.raises(NotUsableError):
        decode_rests(packed(text), PROGRAM)


def test_what_another_program_has_kept_is_ignored() -> None:
    with pytest.raises(OtherProgramError):
        decode_rests(encoded({ACME: KEPT}), "4567")


def test_what_is_kept_elsewhere_is_refused() -> None:
    with pytest.raises(NotUsableError):
        decode_rests(encoded({ACME: KEPT, BETA: KEPT}), PROGRAM, lambda key: key != BETA)


def test_a_small_object_that_unpacks_to_a_large_one_is_refused() -> None:
    data = zlib.compress(b" " * (rest_records._MOST_TEXT + 1))
    with pytest.raises(NotUsableError, match="too large"):
        decode_rests(rest_records._digest(data) + data, PROGRAM)


def fleet(count: int) -> dict[Key, KeptRest]:
    """Platforms of two cores: 40 components, two certificates, ten objects that they refer to."""
    chance = random.Random(1)
    components = tuple(
        ComponentReplicas("core", f"co{number % 4}", f"component-{number}", 1, 1)
        for number in range(40)
    )
    began = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)

    def one(number: int) -> KeptRest:
        at = began + dt.timedelta(microseconds=chance.randrange(10**15))
        others = tuple(("secrets", f"secret-{chance.randbytes(4).hex()}") for _ in range(10))
        observed = Observed(components, RolloutProgress(at, 40, 40))
        expiries = [CertificateExpiry("", f"tls-{number}-{each}", at) for each in range(2)]
        return KeptRest(
            Rest(
                tuple(sorted(PLURALS)),
                others,
                chance.randbytes(16),
                chance.random() * 1e9,
                encode_facts(observed, expiries),
            ),
            chance.randbytes(16).hex(),
        )

    return {Key(f"tenant-{number}", "acme"): one(number) for number in range(count)}


def test_the_objects_of_5000_platforms_stay_small() -> None:
    """Of the eight, each has an eighth of them. The API server accepts 1 MiB."""
    assert len(encoded(fleet(5000 // 8))) < 250_000


def test_what_does_not_fit_is_notkept_rests(monkeypatch: pytest.MonkeyPatch) -> None:
    kept = fleet(40)
    monkeypatch.setattr(rest_records, "MOST_BYTES", len(encoded(kept)) // 3)
    data = encoded(kept)
    assert len(data) <= rest_records.MOST_BYTES
    found = decode_rests(data, PROGRAM)
    assert 0 < len(found) < len(kept)
    assert meaning(found).items() <= meaning(kept).items()
