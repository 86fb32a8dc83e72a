"""Platforms with one domain: each is told of the other, and told again when that changes."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from pryv_operator.kube.work_queue import Key
from pryv_operator.reconcile.domains import Domains, read_domains, shared_domain_warnings
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


async def test_the_domains_of_all_platforms_are_known_before_they_are_reconciled() -> None:
    """Or a warning would go at each start, and come again."""

    class Platforms:
        async def list_reduced(self, _: Any, namespace: str | None, reduce: Any) -> list[Any]:
            assert namespace is None
            items = [{"metadata": each._asdict(), "spec": {"domain": "a.io"}} for each in KEYS[:2]]
            return [reduce(item) for item in items]

    client: Any = Platforms()
    domains = Domains(lambda _: None)
    await read_domains(client, [None], domains)
    assert domains.sharing(KEYS[0]) == {KEYS[1]}


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
