"""The certificate: what is asked of cert-manager."""

from __future__ import annotations

from pryv_operator.desired import certificates
from tests.unit.builders import DOMAIN, platform


def test_the_certificate_request_has_both_names() -> None:
    request = certificates.certificate_request(platform(tls={"issuerRef": {"name": "letsencrypt"}}))
    assert request is not None
    assert request["spec"] == {
        "secretName": "acme-tls",
        "dnsNames": [DOMAIN, f"*.{DOMAIN}"],
        "issuerRef": {"name": "letsencrypt", "kind": "Issuer", "group": "cert-manager.io"},
    }


def test_the_certificate_request_may_name_any_kind_of_issuer() -> None:
    request = certificates.certificate_request(
        platform(tls={"issuerRef": {"name": "a", "kind": "ClusterIssuer", "group": "acme.health"}})
    )
    assert request is not None
    assert request["spec"]["issuerRef"] == {
        "name": "a",
        "kind": "ClusterIssuer",
        "group": "acme.health",
    }


def test_name_of_the_secret_with_the_certificate() -> None:
    assert certificates.secret_name(platform(tls={"secretName": "wildcard"})) == "wildcard"
    assert certificates.secret_name(platform(tls={"issuerRef": {"name": "a"}})) == "acme-tls"
    assert certificates.secret_name(platform()) is None
    assert certificates.secret_name(platform(tls={"caBundle": "x"})) is None
    assert certificates.certificate_request(platform(tls={"secretName": "wildcard"})) is None
