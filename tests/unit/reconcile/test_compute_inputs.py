"""What is reported about the live objects that the inputs are computed from."""

from __future__ import annotations

import base64
from types import SimpleNamespace
from typing import Any, cast

import pytest

from pryv_operator.api import labels_annotations as keys
from pryv_operator.api.findings import Problem
from pryv_operator.live.live_objects import LiveObjects
from pryv_operator.pki.certificate import Certificate
from pryv_operator.reconcile.compute_inputs import (
    _certificate_in,
    _recreated_secrets,
    _unissued,
)
from pryv_operator.reconcile.snapshot import Snapshot
from tests.unit.builders import platform
from tests.unit.pki.chains import NOW, issue_chain, joined


@pytest.mark.parametrize("annotation", ["pryv.io/recreated", "pryv.io/made-anew"])
def test_recreated_secret_is_reported_until_acknowledged(annotation: str) -> None:
    """Under the annotation's earlier name too, and it names the one to remove."""
    metadata = {
        "name": "acme-generated-core-mail-key",
        "labels": {keys.PURPOSE: "generated"},
        "annotations": {annotation: "true"},
    }
    secret = {"kind": "Secret", "metadata": metadata}
    (warning,) = _recreated_secrets(platform(), LiveObjects({("Secret", metadata["name"]): secret}))
    assert warning.message.endswith(f"remove its annotation {annotation} to acknowledge")
    acknowledged = {**secret, "metadata": {**metadata, "annotations": {}}}
    live = LiveObjects({("Secret", str(metadata["name"])): acknowledged})
    assert not _recreated_secrets(platform(), live)


NAMES = ["a.test", "*.a.test"]
CHAIN = issue_chain(NAMES)


def certificate_in(chain: bytes, key: bytes) -> Any:
    """What is found in a TLS Secret with these files."""
    data = {"tls.crt": chain, "tls.key": key}
    secret = {"data": {name: base64.b64encode(each).decode() for name, each in data.items()}}
    snapshot = cast(Snapshot, SimpleNamespace(secrets={"acme": secret}, now=NOW))
    found, _ = _certificate_in("acme", NAMES, snapshot)
    return found


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
@pytest.mark.parametrize("line_break", ["\n", "\r\n"])
def test_certificate_in_any_encoding_is_decoded(encoding: str, line_break: str) -> None:
    chain, key = (text.replace("\n", line_break) for text in (joined(CHAIN), CHAIN[0].key_pem))
    found = certificate_in(chain.encode(encoding), key.encode(encoding))
    assert found == Certificate(chain, key)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_fault_in_any_encoding_is_found(encoding: str) -> None:
    chain = joined(CHAIN[:2]) + CHAIN[2].pem[:-10]
    text = chain.replace("\n", "\r\n").encode(encoding)
    found = certificate_in(text, CHAIN[0].key_pem.encode())
    assert isinstance(found, Problem)
    assert found.reason == "CertificateInvalid"
    assert "the 3rd CERTIFICATE block" in found.message


def test_encoding_without_a_mark_is_reported() -> None:
    found = certificate_in(joined(CHAIN).encode("utf-16-le"), CHAIN[0].key_pem.encode())
    assert isinstance(found, Problem)
    assert "save it as UTF-8" in found.message


@pytest.mark.parametrize(
    ("status", "issued"),
    [
        (None, False),
        ({}, False),
        ({"revision": 1}, True),
        ({"conditions": [{"type": "Ready", "status": "True"}]}, True),
        ({"conditions": [{"type": "Ready", "status": "False"}]}, False),
        ({"conditions": [{"type": "Issuing", "status": "True"}]}, False),
        # A renewal that fails: the Secret still holds what was issued before.
        ({"revision": 3, "conditions": [{"type": "Ready", "status": "False"}]}, True),
    ],
)
def test_a_secret_of_cert_manager_counts_once_it_is_issued(
    status: dict[str, Any] | None, issued: bool
) -> None:
    item = {"kind": "Certificate", "metadata": {"name": "acme-tls"}}
    live = LiveObjects({("Certificate", "acme-tls"): item | ({"status": status} if status else {})})
    for found in (live, LiveObjects({})):
        problem = _unissued(cast(Snapshot, SimpleNamespace(live=found)), "acme-tls")
        assert (problem is None) == (issued and found is live)
