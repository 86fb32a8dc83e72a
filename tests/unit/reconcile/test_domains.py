"""Platforms with one domain: each is told of the other, and told again when that changes."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from pryv_operator.kube.work_queue import Key
from pryv_operator.reconcile.domains import Domains, shared_domain_warnings
from tests.unit.builders import platform

KEYS = [Key(namespace, name) for namespace in ("pryv", "other") for name in ("acme", "zeta")]
CHANGES = st.lists(st.tuples(st.sampled_from(KEYS), st.sampled_from(["a.io", "b.io", None])))


@given(CHANGES)
def test_every_platform_whose_warnings_change_is_notified(
    changes: list[tuple[Key, str | None]],
) -> None:
    notified, known = set[Key](), dict[Key, str]()
    domains = Domains(notified.add)
    for key, domain in changes:
        before = {each: domains.sharing(each) for each in KEYS}
        notified.clear()
        domains.set(key, domain)
        known.pop(key, None)
        if domain:
            known[key] = domain
        for each in KEYS:
            expected = {
                other
                for other in known
                if other != each and each in known and known[other] == known[each]
            }
            assert domains.sharing(each) == expected
            if each != key and expected != before[each]:
                assert each in notified
        assert key not in notified


@given(CHANGES)
def test_the_digest_stands_for_all_platforms_with_the_domain(
    changes: list[tuple[Key, str | None]],
) -> None:
    domains = Domains(lambda _: None)
    seen: dict[str, frozenset[Key]] = {}
    for key, domain in changes:
        domains.set(key, domain)
        for each in domains.known():
            found = domains.sharing(each) | {each}
            assert seen.setdefault(domains.digest(each), found) == found
        again = Domains(lambda _: None)
        for each in reversed(KEYS):
            if each in domains.known():
                again.set(each, domains._domains[each])
        assert all(again.digest(each) == domains.digest(each) for each in KEYS)


def test_a_platform_of_another_namespace_is_not_named() -> None:
    found = shared_domain_warnings(
        platform(), frozenset({Key("pryv", "zeta"), Key("secret-place", "hidden")})
    )
    assert [each.reason for each in found] == ["DomainInUse"] * 2
    text = " ".join(each.message for each in found)
    assert '"zeta"' in text
    assert "another namespace" in text
    assert "hidden" not in text
    assert "secret-place" not in text
    assert not shared_domain_warnings(platform(), frozenset())
