"""Which platforms refer to a changed Secret or ConfigMap."""

from __future__ import annotations

from pryv_operator.kube.work_queue import Key
from pryv_operator.reconcile.reference_index import References
from pryv_operator.reconcile.references import references_of
from tests.unit.builders import platform

ACME, OTHER, ELSEWHERE = Key("pryv", "acme"), Key("pryv", "other"), Key("elsewhere", "acme")
SMTP, WILDCARD = ("Secret", "smtp"), ("Secret", "wildcard")


def test_all_references_of_a_platform() -> None:
    of = platform(
        secrets={
            "REGISTER_ADMIN_KEY": {"generate": {}},
            "MAIL_SMTP_PASS": {"secretKeyRef": {"name": "smtp", "key": "password"}},
        },
        tls={"secretName": "wildcard"},
        templates={"archive": {"configMapKeyRef": {"name": "received", "key": "archive.tgz"}}},
    )
    assert references_of(of) == {SMTP, WILDCARD, ("ConfigMap", "received")}
    assert references_of(platform(tls={"issuerRef": {"name": "letsencrypt"}})) == {
        ("Secret", "acme-tls")
    }
    assert references_of(platform()) == frozenset()
    files = [
        {
            "role": "core",
            "configMapRef": {"name": "mine"},
            "items": [{"key": "a", "path": "pryv.yml"}],
        }
    ]
    assert references_of(platform(templates={"files": files})) == {("ConfigMap", "mine")}


def test_exactly_the_platforms_that_refer_to_an_object() -> None:
    index = References()
    index.set(ACME, frozenset({SMTP, WILDCARD}))
    index.set(OTHER, frozenset({SMTP}))
    index.set(ELSEWHERE, frozenset({SMTP}))
    assert sorted(index.platforms("pryv", *SMTP)) == [ACME, OTHER]
    assert index.platforms("pryv", *WILDCARD) == [ACME]
    assert index.platforms("pryv", "ConfigMap", "smtp") == []
    assert index.platforms("pryv", "Secret", "nothing") == []


def test_a_removed_reference_is_forgotten() -> None:
    index = References()
    index.set(ACME, frozenset({SMTP}))
    index.set(ACME, frozenset({WILDCARD}))
    assert index.platforms("pryv", *SMTP) == []
    index.forget(ACME)
    index.forget(OTHER)
    assert index.platforms("pryv", *WILDCARD) == []
