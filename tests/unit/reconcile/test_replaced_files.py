"""Replaced files of the templates: a changed original is reported until the replacement changes."""

from __future__ import annotations

import hashlib

import pytest

from pryv_operator.reconcile.replaced_files import ReplacedFiles, compare_replaced
from pryv_operator.rollout.revision_inputs import keyed_hash
from pryv_operator.templates.bundle import ReplacedFile

KEY = b"key"


def compared(
    original: bytes | None, replacement: bytes, before: ReplacedFiles | None = None
) -> ReplacedFiles:
    file = ReplacedFile("core", "core/conf/core.yml", original, replacement)
    return compare_replaced([file], before.recorded if before else (), KEY)


def reasons(found: ReplacedFiles) -> list[str]:
    return [each.reason for each in found.warnings]


def test_a_changed_original_is_reported_until_the_replacement_changes() -> None:
    first = compared(b"1", b"mine")
    assert not first.warnings
    for _ in range(3):
        changed = compared(b"2", b"mine", first)
        assert reasons(changed) == ["OriginalChanged"]
        assert '"core/conf/core.yml" of role core' in changed.warnings[0].message
        assert changed.recorded == first.recorded
    assert not compared(b"1", b"mine", changed).warnings, "it is as it was"
    adapted = compared(b"2", b"mine, adapted", changed)
    assert not adapted.warnings
    assert reasons(compared(b"3", b"mine, adapted", adapted)) == ["OriginalChanged"]


@pytest.mark.parametrize("before", [b"1", None])
def test_a_file_that_replaces_nothing_is_reported(before: bytes | None) -> None:
    assert reasons(compared(None, b"mine", compared(before, b"mine"))) == ["NothingReplaced"]


def test_an_original_that_appears_is_a_change() -> None:
    assert reasons(compared(b"1", b"mine", compared(None, b"mine"))) == ["OriginalChanged"]


def test_no_guess_can_be_verified_by_what_is_recorded() -> None:
    shown = repr(compared(b"a secret", b"another"))
    for text in (b"a secret", b"another"):
        assert text.decode() not in shown
        assert hashlib.sha256(text).hexdigest()[:16] not in shown


def test_equal_files_do_not_show() -> None:
    """Who may write one of them could verify a guess of the other."""
    one, other = (ReplacedFile("core", path, b"1", b"the same") for path in "ab")
    found = compare_replaced([one, other], (), KEY).recorded
    assert len({found[0].original, found[0].replacement, found[1].original}) == 3
    assert found[0].replacement != found[1].replacement


@pytest.mark.parametrize(
    ("original", "replacement", "reported"),
    [(b"1", b"mine", []), (b"2", b"mine", ["OriginalChanged"]), (b"2", b"adapted", [])],
)
def test_records_of_an_earlier_version_are_compared(
    original: bytes, replacement: bytes, reported: list[str]
) -> None:
    first = compared(b"1", b"mine")
    earlier = ReplacedFiles(
        tuple(
            each.model_copy(
                update={"original": keyed_hash(KEY, b"1"), "replacement": keyed_hash(KEY, b"mine")}
            )
            for each in first.recorded
        )
    )
    found = compared(original, replacement, earlier)
    assert reasons(found) == reported
    assert reasons(compared(original, replacement, found)) == reported
    assert found.recorded[0].replacement == compared(original, replacement).recorded[0].replacement
