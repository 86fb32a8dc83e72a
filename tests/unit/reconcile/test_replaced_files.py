"""Replaced files of the templates: a changed original is reported until the replacement changes."""

from __future__ import annotations

import hashlib

import pytest

from pryv_operator.reconcile.replaced_files import ReplacedFiles, compare_replaced
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
