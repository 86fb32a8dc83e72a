"""The records of the revision history in the status."""

from __future__ import annotations

from dataclasses import replace

import pytest

from pryv_operator.api.status import MAX_REVISION_RECORDS, PryvPlatformStatus, RevisionRecord
from pryv_operator.rollout.revision_records import RevisionRecords
from pryv_operator.rollout.revisions import Revision, parse_revisions
from tests.unit.rollout.recorded_revisions import revision_item

EARLIER = PryvPlatformStatus(revision=3)


def revision(number: int, uid: str = "", *, authentic: bool = True) -> Revision:
    item = revision_item(1)
    item["metadata"] |= {"name": f"acme-revision-{number}", "uid": uid or f"uid-{number}"}
    (found,) = parse_revisions([item])
    return replace(found, authentic=authentic)


def records(*numbers: int) -> RevisionRecords:
    return RevisionRecords(
        tuple(RevisionRecord(number=each, uid=f"uid-{each}") for each in numbers)
    )


def numbers_of(found: list[RevisionRecord]) -> list[int]:
    return [each.number for each in found]


def test_an_upgrade_takes_the_history_over_once() -> None:
    upgraded = RevisionRecords.of(EARLIER)
    history = [revision(1, authentic=False), revision(2)]
    assert all(upgraded.admits(each) for each in history)
    after = PryvPlatformStatus(revisions=upgraded.updated(history))
    assert numbers_of(after.revisions or []) == [1, 2]
    known, again = RevisionRecords.of(after), revision(1, "again")
    assert [known.is_recorded(each) for each in (history[0], again)] == [True, False]
    assert known.adopting([again]).is_recorded(again)


def test_an_adoption_does_not_forget_the_highest_number() -> None:
    """Otherwise old revisions of higher numbers count as newer, after the history was deleted."""
    before = PryvPlatformStatus(revisions=list(records(7, 12).entries or ()))
    for history in ([], [revision(3, "restored", authentic=False)]):
        adopted = RevisionRecords.of(before).adopting(history)
        assert adopted.highest == 12
        assert all(adopted.is_recorded(each) for each in history)
        after = PryvPlatformStatus(revisions=adopted.updated(history))
        assert RevisionRecords.of(after) == adopted
        assert not adopted.admits(revision(7, "again"))


@pytest.mark.parametrize("status", [EARLIER, PryvPlatformStatus()])
def test_an_adoption_records_what_exists(status: PryvPlatformStatus) -> None:
    adopted = RevisionRecords.of(status).adopting([revision(1), revision(2, authentic=False)])
    assert numbers_of(list(adopted.entries or ())) == [1, 2]


def test_a_new_resource_has_no_history_that_counts() -> None:
    new = RevisionRecords.of(PryvPlatformStatus())
    assert not new.is_recorded(revision(1))
    assert new.updated([revision(1, authentic=False)]) == []


def test_what_was_pruned_or_deleted_is_forgotten_but_the_highest_number() -> None:
    assert numbers_of(records(1, 2, 3).updated([revision(2)])) == [2, 3]
    assert records(1, 2, 3).highest == 3
    assert numbers_of(records(1, 2).updated([revision(1, "again", authentic=False)])) == [2]


def test_a_new_revision_is_recorded_if_it_is_authentic() -> None:
    assert numbers_of(records(1).updated([revision(1), revision(2)])) == [1, 2]
    assert numbers_of(records(1).updated([revision(1), revision(2, authentic=False)])) == [1]


def test_records_are_bounded() -> None:
    many = [revision(number + 1) for number in range(MAX_REVISION_RECORDS + 9)]
    for found in (RevisionRecords().updated(many), RevisionRecords().adopting(many).entries or ()):
        assert (len(found), found[-1].number) == (MAX_REVISION_RECORDS, MAX_REVISION_RECORDS + 9)


@pytest.mark.parametrize("known", [RevisionRecords(), records(7)])
def test_numbers_that_nobody_can_have_reached_do_not_count(known: RevisionRecords) -> None:
    """The next number would not fit into the API's."""
    history = [revision(7), revision(8), revision(9_223_372_036_854_775_807)]
    assert known.plausible(history) == (*history[:2],)
    assert known.adopting(history).highest == 8
