"""Certificates: from the private authority, from a user's Secret, and from cert-manager."""

from __future__ import annotations

import base64
import datetime as dt
from collections.abc import Callable, Iterator

import pytest
from cryptography import x509
from cryptography.x509.verification import PolicyBuilder, Store

from pryv_operator.pki import authority
from tests.api.operator_process import OperatorProcess
from tests.api.platforms import PlatformUser
from tests.api.test_main_job import COMPONENTS, rolled
from tests.cluster.control_plane import ControlPlane
from tests.cluster.waiting import wait_until

PROXIES = {name for name in COMPONENTS if name.endswith("reverse-proxy")}
NODE = {
    "reg/register",
    "reg/dns",
    "reg/mail",
    "co1/core",
    "co1/mfa",
    "co1/preview",
    "co1/hfs",
    "co1/webhooks",
}
NAMES = ["pryv.acme.test", "*.pryv.acme.test"]


def test_private_authority_is_created_and_trusted(shared_platform: PlatformUser) -> None:
    shared_platform.apply_and_wait()
    ca = certificates(shared_platform, "acme-private-ca-1")[0]
    chain = certificates(shared_platform, "acme-private-tls-1")
    verifier = (
        PolicyBuilder().store(Store([ca])).build_server_verifier(x509.DNSName("co1.pryv.acme.test"))
    )
    verifier.verify(chain[0], chain[1:])
    for component in NODE:
        spec = template(shared_platform, component)
        (container,) = spec["containers"]
        assert {"name": "NODE_EXTRA_CA_CERTS", "value": "/etc/pryv/authority/ca.crt"} in container[
            "env"
        ], component
        assert mounted(shared_platform, spec, "/etc/pryv/authority")["ca.crt"].startswith(
            "-----BEGIN CERTIFICATE-----"
        )
    conf = mounted(shared_platform, template(shared_platform, "co1/reverse-proxy"), "/app/conf")
    assert conf["secret/pryv.acme.test-bundle.crt"] == text(
        shared_platform, "acme-private-tls-1", "tls.crt"
    )
    assert conf["secret/pryv.acme.test-key.pem"] == text(
        shared_platform, "acme-private-tls-1", "tls.key"
    )
    assert "BEGIN DH PARAMETERS" in conf["secret/dhsecure.pem"]
    (warning,) = [
        each
        for each in shared_platform.get("pryvplatform", "acme")["status"]["warnings"]
        if each["reason"] == "PrivateCertificate"
    ]
    assert "acme-private-ca-1" in warning["message"]


@pytest.mark.long
def test_paused_platform_creates_no_authority(
    user: PlatformUser, operator: OperatorProcess
) -> None:
    issuer = make_issuer()
    tls_secret(user, "mine", authority.issue_certificate(issuer, NAMES, now()))
    user.apply_platform(tls={"secretName": "mine", "caBundle": issuer.pem})
    user.wait_ready()
    user.wait_steady()
    secrets, events = user.resource_versions("secrets"), len(user.events())
    user.apply_platform(rollout={"paused": True})
    user.wait_reason("Paused")
    user.reconcile()
    before = user.get("pryvplatform", "acme")
    # It is looked at as often as any other platform.
    operator.wait_reconciliations(
        2 * len(user.control_plane.api.get("/apis/pryv.io/v1alpha1/pryvplatforms")["items"]),
        seconds=120,
    )
    assert user.get("pryvplatform", "acme") == before
    user.reconcile()
    assert user.get("pryvplatform", "acme")["status"] == before["status"]
    assert moved(secrets, user.resource_versions("secrets")) == {"PryvPlatform/acme"}
    since = sorted((each["eventTime"], each["reason"]) for each in user.events())[events:]
    assert {reason for _, reason in since} == {"Paused", "PrivateCertificate"}
    user.apply_platform(rollout={"paused": False})
    user.wait_ready()
    assert events_about(user, "acme-private-ca-1") == 1


def moved(before: dict[str, str], after: dict[str, str]) -> set[str]:
    return {name for name in before | after if before.get(name) != after.get(name)}


@pytest.mark.long
def test_unreadable_authority_is_ignored(user: PlatformUser, shared_platform: PlatformUser) -> None:
    shared_platform.apply_and_wait()
    user.apply(
        {
            "apiVersion": "v1",
            "kind": "Secret",
            "type": "kubernetes.io/tls",
            "metadata": {
                "name": "acme-private-ca-1",
                "labels": shared_platform.get("secret", "acme-private-ca-1")["metadata"]["labels"],
            },
            "stringData": {"tls.crt": "rubbish", "tls.key": "rubbish"},
        }
    )
    user.apply_platform()
    user.adopt()
    user.wait_ready()
    user.wait_steady()
    ca = certificates(user, "acme-private-ca-2")[0]
    chain = certificates(user, "acme-private-tls-1")
    verifier = (
        PolicyBuilder().store(Store([ca])).build_server_verifier(x509.DNSName("co1.pryv.acme.test"))
    )
    verifier.verify(chain[0], chain[1:])
    assert text(user, "acme-private-ca-1", "tls.crt") == "rubbish"
    assert events_about(user, "acme-private-ca-2") == 1
    assert events_about(user, "acme-private-ca-1") == 0


def events_about(user: PlatformUser, secret: str) -> int:
    """The number of events about a generated Secret."""
    return sum(
        each["reason"] == "CertificateIssued" and f'Secret "{secret}": issued' in each["message"]
        for each in user.events()
    )


@pytest.mark.long
def test_missing_certificate_blocks_only_the_reverse_proxies(user: PlatformUser) -> None:
    issuer = make_issuer()
    user.apply_platform(tls={"secretName": "mine", "caBundle": issuer.pem})
    condition = user.wait_reason("WaitingForCertificate")
    assert 'Secret "mine"' in condition["message"]
    user.wait_pods(COMPONENTS - PROXIES)
    tls_secret(user, "mine", authority.issue_certificate(issuer, NAMES, now()))
    user.wait_ready()
    before = user.pods()
    assert before.keys() == COMPONENTS
    assert mounted(user, template(user, "co1/core"), "/etc/pryv/authority")["ca.crt"] == issuer.pem
    # A renewed one rolls the reverse proxies, and nothing else.
    tls_secret(user, "mine", authority.issue_certificate(issuer, NAMES, now()))
    user.wait_rolled(before, PROXIES)
    user.wait_steady()
    assert rolled(before, user.pods()) == PROXIES
    # Taken away again: what runs keeps running.
    pods = user.pods()
    user.delete("secret", "mine")
    user.wait_reason("WaitingForCertificate")
    assert user.pods() == pods


@pytest.mark.long
def test_role_can_have_its_own_certificate(user: PlatformUser) -> None:
    issuer = make_issuer()
    tls_secret(user, "mine", authority.issue_certificate(issuer, NAMES, now()))
    web = {"static": {"tls": {"secretName": "web"}}}
    user.apply_platform(tls={"secretName": "mine"}, roles=web)
    user.wait_reason("WaitingForCertificate")
    user.wait_pods(COMPONENTS - {"sw/reverse-proxy"})
    pair = authority.issue_certificate(issuer, ["sw.pryv.acme.test", "mfa.pryv.acme.test"], now())
    tls_secret(user, "web", pair)
    user.wait_ready()
    assert not [
        each
        for each in user.get("pryvplatform", "acme")["status"]["warnings"]
        if each["reason"] == "CertificateNames"
    ]
    before = user.pods()
    assert (
        mounted(user, template(user, "sw/reverse-proxy"), "/app/conf")[
            "secret/pryv.acme.test-bundle.crt"
        ]
        == pair.chain
    )
    tls_secret(user, "web", authority.issue_certificate(issuer, ["sw.pryv.acme.test"], now()))
    user.wait_rolled(before, {"sw/reverse-proxy"})
    user.wait_steady()
    assert rolled(before, user.pods()) == {"sw/reverse-proxy"}
    assert "mfa.pryv.acme.test" in user.wait_warning("CertificateNames")


@pytest.mark.long
def test_unusable_certificate_is_reported(user: PlatformUser) -> None:
    issuer = make_issuer()
    good, other = (authority.issue_certificate(issuer, NAMES, now()) for _ in range(2))
    user.apply(
        {
            "apiVersion": "v1",
            "kind": "Secret",
            "type": "kubernetes.io/tls",
            "metadata": {"name": "mine"},
            "stringData": {"tls.crt": good.chain, "tls.key": other.key},
        }
    )
    user.apply_platform(tls={"secretName": "mine"})
    condition = user.wait_reason("CertificateInvalid")
    assert 'Secret "mine"' in condition["message"]
    user.wait_pods(COMPONENTS - PROXIES)
    tls_secret(user, "mine", authority.issue_certificate(issuer, ["pryv.acme.test"], now()))
    user.wait_ready()
    assert "*.pryv.acme.test" in user.wait_warning("CertificateNames")


@pytest.mark.long
def test_issuer_without_cert_manager_is_reported(user: PlatformUser) -> None:
    user.apply_platform(tls={"issuerRef": {"name": "letsencrypt"}})
    condition = user.wait_reason("CertManagerNotInstalled")
    assert "cert-manager" in condition["message"]
    user.wait_pods(COMPONENTS - PROXIES)


CERT_MANAGER = {
    "apiVersion": "apiextensions.k8s.io/v1",
    "kind": "CustomResourceDefinition",
    "metadata": {"name": "certificates.cert-manager.io"},
    "spec": {
        "group": "cert-manager.io",
        "scope": "Namespaced",
        "names": {"kind": "Certificate", "plural": "certificates", "singular": "certificate"},
        "versions": [
            {
                "name": "v1",
                "served": True,
                "storage": True,
                "subresources": {"status": {}},
                "schema": {
                    "openAPIV3Schema": {
                        "type": "object",
                        "x-kubernetes-preserve-unknown-fields": True,
                    }
                },
            }
        ],
    },
}


@pytest.fixture
def cert_manager(control_plane: ControlPlane) -> Iterator[Callable[[], None]]:
    """Install the CRD of cert-manager's Certificate, without cert-manager itself."""
    api, definitions = control_plane.api, "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
    served = "/apis/cert-manager.io/v1/certificates"

    def install() -> None:
        api.create(definitions, CERT_MANAGER)
        wait_until(
            lambda: api.answer("GET", served)[0] == 200, "Certificates to be served", seconds=60
        )

    yield install
    api.delete(f"{definitions}/certificates.cert-manager.io")
    wait_until(lambda: api.answer("GET", served)[0] == 404, "Certificates to be gone", seconds=60)


@pytest.mark.long
def test_certificate_of_an_issuer_is_requested_and_followed(
    user: PlatformUser, cert_manager: Callable[[], None]
) -> None:
    issuer = make_issuer()
    asked = {"issuerRef": {"name": "letsencrypt"}, "caBundle": issuer.pem}
    user.apply_platform(tls=asked)
    user.wait_reason("CertManagerNotInstalled")
    cert_manager()
    user.wait_reason("WaitingForCertificate")
    user.wait_pods(COMPONENTS - PROXIES)
    assert user.get("certificate", "acme-tls")["spec"] == {
        "secretName": "acme-tls",
        "dnsNames": NAMES,
        "issuerRef": {"name": "letsencrypt", "kind": "Issuer", "group": "cert-manager.io"},
    }
    # Of whoever is faster than cert-manager.
    tls_secret(user, "acme-tls", authority.issue_certificate(make_issuer(), NAMES, now()))
    user.reconcile()
    assert "is not issued yet" in user.wait_reason("WaitingForCertificate")["message"]
    assert user.pods().keys() == COMPONENTS - PROXIES
    tls_secret(user, "acme-tls", authority.issue_certificate(issuer, NAMES, now()))
    issue(user)
    user.wait_ready()
    user.wait_steady()
    before = user.pods()
    assert before.keys() == COMPONENTS
    renewed = authority.issue_certificate(issuer, NAMES, now())
    tls_secret(user, "acme-tls", renewed)
    user.wait_rolled(before, PROXIES)
    user.wait_steady()
    assert rolled(before, user.pods()) == PROXIES
    conf = mounted(user, template(user, "co1/reverse-proxy"), "/app/conf")
    assert conf["secret/pryv.acme.test-bundle.crt"] == renewed.chain
    user.apply_platform()
    user.wait_ready()
    user.wait_steady()
    assert user.find("certificate", "acme-tls") is None
    assert text(user, "acme-tls", "tls.crt") == renewed.chain


@pytest.mark.long
def test_uninstalled_cert_manager_is_reported_and_nothing_is_deleted(
    user: PlatformUser, cert_manager: Callable[[], None]
) -> None:
    issuer = make_issuer()
    cert_manager()
    tls_secret(user, "acme-tls", authority.issue_certificate(issuer, NAMES, now()))
    user.apply_platform(tls={"issuerRef": {"name": "letsencrypt"}, "caBundle": issuer.pem})
    user.wait_reason("WaitingForCertificate")
    issue(user)
    user.wait_ready()
    user.wait_steady()
    before = user.pods()
    user.control_plane.kubectl("delete", "crd", "certificates.cert-manager.io", "--wait=true")
    user.reconcile()
    user.wait_reason("CertManagerNotInstalled")
    assert user.pods() == before
    cert_manager()
    user.reconcile()
    user.wait_reason("WaitingForCertificate")
    issue(user)
    user.wait_ready()
    assert user.pods() == before


def issue(user: PlatformUser) -> None:
    """What cert-manager reports once it has filled the Secret."""
    ready = {"type": "Ready", "status": "True", "reason": "Ready"}
    status = {"revision": 1, "conditions": [ready]}
    user.patch("certificate", "acme-tls", {"status": status}, subresource="status")
    user.reconcile()


def now() -> dt.datetime:
    return dt.datetime.now(dt.UTC)


def make_issuer() -> authority.IssuedCertificate:
    pair = authority.issue_authority("tests", "pryv.acme.test", now())
    issued = authority.parse_issued("tests-1", pair.chain, pair.key)
    assert issued
    return issued


def tls_secret(user: PlatformUser, name: str, pair: object) -> None:
    user.apply(
        {
            "apiVersion": "v1",
            "kind": "Secret",
            "type": "kubernetes.io/tls",
            "metadata": {"name": name},
            "stringData": {"tls.crt": pair.chain, "tls.key": pair.key},
        }
    )


def text(user: PlatformUser, secret: str, key: str) -> str:
    return base64.b64decode(user.get("secret", secret)["data"][key]).decode()


def certificates(user: PlatformUser, secret: str) -> list[x509.Certificate]:
    return x509.load_pem_x509_certificates(text(user, secret, "tls.crt").encode())


def template(user: PlatformUser, component: str) -> dict[str, object]:
    """The pod spec of a component."""
    name = "acme-" + component.replace("/", "-")
    workload = user.find("deployment", name) or user.get("statefulset", name)
    return workload["spec"]["template"]["spec"]  # type: ignore[no-any-return]


def mounted(user: PlatformUser, spec: dict[str, object], target: str) -> dict[str, str]:
    """The files that a container has below a mount path: path → text."""
    (container,) = spec["containers"]  # type: ignore[misc]
    (mount,) = (each for each in container["volumeMounts"] if each["mountPath"] == target)
    (volume,) = (each for each in spec["volumes"] if each["name"] == mount["name"])
    found: dict[str, str] = {}
    for source in volume["projected"]["sources"]:
        kind, part = next(iter(source.items()))
        data = user.get(kind, part["name"])["data"]
        for item in part["items"]:
            raw = data[item["key"]]
            found[item["path"]] = base64.b64decode(raw).decode() if kind == "secret" else raw
    return found
