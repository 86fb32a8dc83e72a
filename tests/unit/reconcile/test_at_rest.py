"""A platform rests exactly as long as the watches show what its reconciliation has seen."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from pryv_operator.kube.known_objects import mark
from pryv_operator.kube.resources import CONFIG_MAPS, SECRETS, SERVICES
from pryv_operator.kube.work_queue import Key
from pryv_operator.reconcile.at_rest import AtRest, fraction
from pryv_operator.reconcile.followed import Followed, own_labels
from pryv_operator.reconcile.platform_client import Seen

ACME = Key("pryv", "acme")
OWN = own_labels("acme")


def followed() -> Followed:
    client: Any = None
    watches = Followed(client, [None], lambda _: None)
    for each in watches.reflectors:
        each.is_current = lambda: True  # type: ignore[method-assign]
    watches.set_platform(ACME, "5")
    return watches


def set_object(watches: Followed, plural: str, name: str, version: str | None, labels: Any) -> None:
    known = next(each.known for each in watches.reflectors if each.plural == plural)
    if version is None:
        known.remove("pryv", name)
    else:
        known.set("pryv", name, mark(name, version), labels)


def resting() -> tuple[AtRest, Followed]:
    watches = followed()
    set_object(watches, "services", "acme-reg", "7", OWN)
    set_object(watches, "secrets", "smtp", "8", ())
    at_rest = AtRest(watches)
    own = watches.own(SERVICES, ACME)
    assert own is not None
    others = {("secrets", "smtp"): mark("smtp", "8"), ("configmaps", "gone"): 0}
    at_rest.begin(ACME)
    at_rest.settle(ACME, Seen("5", {"services": own}, others), until=100.0)
    return at_rest, watches


def test_at_rest_until_it_is_due() -> None:
    at_rest, _ = resting()
    assert at_rest.until(ACME, 0.0) == 100.0
    assert at_rest.until(ACME, 100.0) is None
    assert at_rest.until(Key("pryv", "other"), 0.0) is None


CHANGES = st.sampled_from(
    [
        ("services", "acme-reg", "9", OWN),
        ("services", "acme-reg", None, OWN),
        ("services", "acme-new", "1", OWN),
        ("services", "acme-reg", "7", own_labels("other")),
        ("secrets", "smtp", "9", ()),
        ("secrets", "smtp", None, ()),
        ("configmaps", "gone", "1", ()),
    ]
)


@given(CHANGES)
def test_whatever_moves_ends_the_rest(moved: tuple[str, str, str | None, Any]) -> None:
    at_rest, watches = resting()
    set_object(watches, *moved)
    assert at_rest.until(ACME, 0.0) is None


def test_a_changed_platform_is_not_at_rest() -> None:
    at_rest, watches = resting()
    watches.set_platform(ACME, "6")
    assert at_rest.until(ACME, 0.0) is None
    watches.set_platform(ACME, None)
    assert at_rest.until(ACME, 0.0) is None


def test_what_others_have_does_not_matter() -> None:
    at_rest, watches = resting()
    set_object(watches, "services", "other-reg", "1", own_labels("other"))
    set_object(watches, "secrets", "foreign", "1", ())
    set_object(watches, "configmaps", "acme-config", "1", OWN)  # not read
    assert at_rest.until(ACME, 0.0) == 100.0


def test_without_a_current_view_nothing_is_at_rest() -> None:
    at_rest, watches = resting()
    for each in watches.reflectors:
        each.is_current = lambda: False  # type: ignore[method-assign]
    assert watches.own(SERVICES, ACME) is None
    assert watches.one(SECRETS, "pryv", "smtp") is None
    assert watches.count(CONFIG_MAPS, ACME) == 0
    assert at_rest.until(ACME, 0.0) is None


def test_while_the_watch_of_platforms_is_silent_nothing_is_at_rest() -> None:
    """A platform may have been changed, or deleted, without anybody noticing."""
    at_rest, watches = resting()
    watches._platforms_are_current = lambda: False
    assert watches.platform(ACME) is None
    assert at_rest.until(ACME, 0.0) is None
    assert watches.platforms() == [ACME], "it is still looked at periodically"
    watches._platforms_are_current = lambda: True
    assert at_rest.until(ACME, 0.0) == 100.0


def test_a_disturbed_platform_is_not_at_rest() -> None:
    at_rest, _ = resting()
    at_rest.disturb(ACME)
    assert at_rest.until(ACME, 0.0) is None
    at_rest.disturb(ACME)


def test_nothing_is_kept_of_platforms_that_are_not_reconciled_here() -> None:
    """Domains of platforms of other shards, or deleted ones, change for ever."""
    at_rest, _ = resting()
    for number in range(100):
        at_rest.disturb(Key("pryv", f"p{number}"))
        at_rest.forget(Key("pryv", f"p{number}"))
    assert not at_rest._undisturbed


def test_what_is_disturbed_while_it_is_reconciled_does_not_settle() -> None:
    """Another platform may have got its domain after that was looked at."""
    at_rest, watches = resting()
    own = watches.own(SERVICES, ACME)
    assert own is not None
    seen = Seen("5", {"services": own})
    at_rest.begin(ACME)
    assert at_rest.until(ACME, 0.0) is None
    at_rest.disturb(ACME)
    at_rest.settle(ACME, seen, until=100.0)
    assert at_rest.until(ACME, 0.0) is None
    at_rest.begin(ACME)
    at_rest.settle(ACME, seen, until=100.0)
    assert at_rest.until(ACME, 0.0) == 100.0
    at_rest.forget(ACME)
    assert not at_rest._rests
    assert not at_rest._undisturbed


@given(st.text(min_size=1), st.text(min_size=1))
def test_fractions_are_from_0_to_1(namespace: str, name: str) -> None:
    assert 0 <= fraction(Key(namespace, name)) < 1
