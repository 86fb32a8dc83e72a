"""What is expected of a platform, and how facts about the cluster are judged."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest
from cryptography.hazmat.primitives.serialization import Encoding

from pryv_operator.api.crd import definition
from pryv_operator.checks import certificates, cluster, expected, platform, rows, services
from pryv_operator.checks.declarations import Check
from pryv_operator.checks.expected import Image, Storage
from pryv_operator.checks.rows import Status
from pryv_operator.desired.state import compute_desired
from pryv_operator.offline.preview import placeholder_inputs, render_files
from pryv_operator.pki.certificate import Certificate
from pryv_operator.templates.builtin import load_release
from tests.unit.builders import DOMAIN
from tests.unit.builders import platform as a_platform
from tests.unit.pki.chains import NOW as CHAIN_NOW
from tests.unit.pki.chains import issue, issue_chain, joined

BUNDLE = load_release()
NOW = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)


def ports(**spec: Any) -> list[tuple[str, int]]:
    """Instance and TCP port of what is checked."""
    inputs = placeholder_inputs(a_platform(**spec), BUNDLE)
    desired = compute_desired(inputs)
    published = expected.published_ports(desired, inputs.platform.name)
    servers = expected.expected_web_servers(inputs, desired, frozenset(), published)
    found = expected.ports_of(zone(**spec), servers)
    return [(title.partition(" ")[0], port) for title, _, port in found]


def test_ports_are_those_that_the_release_publishes() -> None:
    """Pryv's DNS server speaks UDP only, and static has no port 80."""
    web = [("reg", 443), ("reg", 80), ("co1", 443), ("co1", 80)]
    assert sorted(ports()) == sorted([*web, ("sw", 443)])


@pytest.mark.parametrize(
    ("given", "found"),
    [
        (True, "issued by a trusted authority, but strict"),
        (False, "no trusted authority; the last"),
    ],
)
def test_trust_of_a_certificate_without_the_extensions_of_public_ones(
    given: bool, found: str
) -> None:
    """As companies' own authorities issue them; OpenSSL takes them."""
    names = (DOMAIN, f"*.{DOMAIN}")
    leaf, issuing, intermediate, root = issue_chain(names)
    other = issue("root")
    roots = [(root if given else other).certificate.public_bytes(Encoding.DER)]
    certificate = Certificate(joined([leaf, issuing, intermediate]), leaf.key_pem)
    wanted = expected.CertificateSecret("tls", names)
    row = certificates.secret_rows(wanted, certificate, roots, CHAIN_NOW)[-1]
    assert (row.check, row.status) == (Check.CERTIFICATE_TRUST, Status.WARN)
    assert row.found.startswith(found)


def test_port_53_is_checked_by_tcp_if_it_is_published() -> None:
    published = {"acme-reg": frozenset({443, 53})}
    settings = {"dns": {"nameserver": [{"name": "dns1.x.test", "ip": "203.0.113.1"}]}}
    found = expected.expected_zone("x.test", settings, frozenset({"203.0.113.1"}), published)
    assert expected.ports_of(found, []) == [("dns1.x.test", "203.0.113.1", 53)]


@pytest.mark.parametrize(
    ("host", "reached", "status"),
    [
        ("smtp.mail.svc.cluster.local", False, Status.SKIPPED),
        ("smtp.mail.svc", False, Status.SKIPPED),
        ("smtp.mail.svc.cluster.local", True, Status.FAIL),
        ("smtp.acme.test", False, Status.FAIL),
        ("svc.acme.test", False, Status.FAIL),
    ],
)
def test_a_mail_server_inside_the_cluster_is_not_judged_from_outside(
    host: str, reached: bool, status: Status
) -> None:
    settings = expected.MailSettings("no-reply@acme.test", host=host, port=25)
    answer = services.MailAnswer(error="connecting: timed out", reached=reached)
    (row,) = services.mail_rows(settings, answer, None)
    assert row.status is status


def zone(**spec: Any) -> expected.Zone:
    inputs = placeholder_inputs(a_platform(**spec), BUNDLE)
    desired = compute_desired(inputs)
    invented = {each.cluster_ip for each in inputs.addresses.values() if each.cluster_ip}
    known = expected.known_addresses(inputs, desired, invented)
    settings = expected.register_settings(render_files(inputs).by_role)
    assert expected.expected_service_information(settings)["register"] == f"https://reg.{DOMAIN}"
    published = expected.published_ports(desired, inputs.platform.name)
    return expected.expected_zone(DOMAIN, settings, known, published)


def test_zone_has_the_configured_addresses_and_no_placeholder() -> None:
    found = zone(
        roles={
            "reg-master": {"address": "203.0.113.10"},
            "core": {"instances": [{"name": "co1", "address": "203.0.113.21"}, {"name": "co2"}]},
        }
    )
    addresses = {each.name: each.address for each in found.hosts}
    assert addresses[f"reg.{DOMAIN}"] == addresses[f"access.{DOMAIN}"] == "203.0.113.10"
    assert addresses[f"co1.{DOMAIN}"] == "203.0.113.21"
    assert addresses[f"co2.{DOMAIN}"] is None
    assert addresses[f"sw.{DOMAIN}"] is None
    assert [(each.name, each.address) for each in found.name_servers] == [
        (f"dns1.{DOMAIN}", "203.0.113.10")
    ]


def test_mail_is_expected_only_if_it_is_activated() -> None:
    off: dict[str, Any] = {"EMAIL_ACTIVATION": {"welcome": False}}
    assert expected.expected_mail(off) is None
    on = {
        "EMAIL_ACTIVATION": {"welcome": True},
        "EMAIL_SENDER": {"address": "a@b.test"},
        "EMAIL_SMTP_SETTINGS": {
            "host": "m.test",
            "secure": True,
            "auth": {"user": "u", "pass": "p"},
        },
    }
    found = expected.expected_mail(on)
    assert found is not None
    assert (found.server, found.implicit_tls, found.user) == ("m.test:465", True, "u")
    assert "pass" not in repr(found) or "password" not in repr(found)


@pytest.mark.parametrize(
    ("version", "status"),
    [
        ("v1.36.3", Status.OK),
        ("v1.31.9", Status.FAIL),
        ("v1.32.0-eks-1", Status.OK),
        ("x", Status.WARN),
    ],
)
def test_kubernetes_version(version: str, status: Status) -> None:
    assert cluster.kubernetes_version({"gitVersion": version}).status is status


def test_custom_resource() -> None:
    own = definition()
    assert cluster.custom_resource(own, own).status is Status.OK
    assert cluster.custom_resource(None, own).status is Status.FAIL
    other = {"spec": {"versions": [{"name": "v1alpha1", "schema": {"openAPIV3Schema": {}}}]}}
    assert cluster.custom_resource(other, own).status is Status.WARN


def lease(age: float, holder: str = "pod-1") -> dict[str, Any]:
    renewed = (NOW - dt.timedelta(seconds=age)).isoformat().replace("+00:00", "Z")
    return {
        "metadata": {"namespace": "pryv-system"},
        "spec": {"holderIdentity": holder, "renewTime": renewed, "leaseDurationSeconds": 15},
    }


@pytest.mark.parametrize(
    ("leases", "status"),
    [([], Status.FAIL), ([lease(3)], Status.OK), ([lease(600)], Status.FAIL),
     ([lease(600), lease(2)], Status.OK), ([lease(1, "")], Status.FAIL)],
)  # fmt: skip
def test_operator(leases: list[dict[str, Any]], status: Status) -> None:
    assert cluster.operator(leases, NOW).status is status


@pytest.mark.parametrize(
    ("names", "enabled", "status"),
    [(["calico-node"], True, Status.OK), (["kube-flannel-ds"], True, Status.FAIL),
     (["kindnet"], True, Status.WARN), (None, True, Status.WARN), ([], False, Status.SKIPPED)],
)  # fmt: skip
def test_network_policies(names: list[str] | None, enabled: bool, status: Status) -> None:
    assert cluster.network_policies(names, enabled=enabled).status is status


def storage_class(name: str, *, default: bool = False, **fields: Any) -> dict[str, Any]:
    marks = {"storageclass.kubernetes.io/is-default-class": "true"} if default else {}
    return {"metadata": {"name": name, "annotations": marks}, "provisioner": "p", **fields}


GOOD = {"allowVolumeExpansion": True, "volumeBindingMode": "WaitForFirstConsumer"}


@pytest.mark.parametrize(
    ("asked", "classes", "status"),
    [(None, [storage_class("a", default=True, **GOOD)], Status.OK),
     (None, [storage_class("a", **GOOD)], Status.FAIL),
     ("a", [storage_class("a", **GOOD)], Status.OK),
     ("a", [storage_class("a")], Status.WARN),
     ("b", [storage_class("a", **GOOD)], Status.FAIL),
     ("a", None, Status.SKIPPED)],
)  # fmt: skip
def test_storage(asked: str | None, classes: list[Any] | None, status: Status) -> None:
    (row,) = cluster.storage_rows(Storage(asked, ("acme-x",)), classes, {})
    assert row.status is status


def test_conditions_with_the_remedy_of_their_reason() -> None:
    conditions = [
        {"type": "Ready", "status": "False", "reason": "SecretNotFound", "message": "m"},
        {"type": "Stalled", "status": "True", "reason": "SecretNotFound", "message": "m"},
        {"type": "Paused", "status": "True", "reason": "Paused", "message": "m"},
        {"type": "ConfigRendered", "status": "True", "reason": "Rendered", "message": "m"},
    ]
    found = platform.status_rows(
        {
            "metadata": {"generation": 1},
            "status": {"observedGeneration": 1, "conditions": conditions},
        }
    )
    assert [row.status for row in found] == [Status.FAIL, Status.FAIL, Status.WARN, Status.OK]
    assert found[0].remedy == "create the Secret that the message names"
    assert platform.status_rows({"metadata": {"generation": 1}})[0].status is Status.FAIL


def test_what_nodes_did_counts_more_than_the_registry() -> None:
    image = Image("r.test/a:1", ("co1/core",), ())
    pod: dict[str, Any] = {
        "metadata": {"name": "p"},
        "spec": {"containers": [{"name": "c", "image": image.image}]},
        "status": {"containerStatuses": [{"name": "c", "imageID": "sha256:1", "state": {}}]},
    }
    answer = services.RegistryAnswer(404)
    assert services.image_row(image, [pod], answer).status is Status.OK
    failing = {"name": "c", "imageID": "", "state": {"waiting": {"reason": "ErrImagePull"}}}
    pod["status"]["containerStatuses"] = [failing]
    assert services.image_row(image, [pod], answer).status is Status.FAIL
    assert services.image_row(image, [], answer).status is Status.FAIL


def test_text_and_document() -> None:
    found = [rows.fail(Check.HOST, "reg.a", "wrong"), rows.ok(Check.OPERATOR, "leader", "fine")]
    ordered = rows.in_order(found)
    text = rows.text(ordered)
    assert text.index("The cluster") < text.index("DNS")
    assert f"→ {Check.HOST.remedy}" in text
    assert text.endswith("1 ok, 1 fail\n")
    assert rows.document(ordered)["summary"] == {"ok": 1, "warn": 0, "fail": 1, "skipped": 0}
    assert rows.has_failed(found)


def test_every_check_is_described_without_a_final_dot() -> None:
    for check in Check:
        assert check.tests
        assert check.remedy
        assert not check.tests.endswith(".")
