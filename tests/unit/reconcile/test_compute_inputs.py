"""What is reported about the live objects that the inputs are computed from."""

from __future__ import annotations

import pytest

from pryv_operator.api import labels_annotations as keys
from pryv_operator.live.live_objects import LiveObjects
from pryv_operator.reconcile.compute_inputs import _recreated_secrets


@pytest.mark.parametrize("annotation", ["pryv.io/recreated", "pryv.io/made-anew"])
def test_recreated_secret_is_reported_until_acknowledged(annotation: str) -> None:
    """Under the annotation's earlier name too, and it names the one to remove."""
    metadata = {
        "name": "acme-generated-core-mail-key",
        "labels": {keys.PURPOSE: "generated"},
        "annotations": {annotation: "true"},
    }
    secret = {"kind": "Secret", "metadata": metadata}
    (warning,) = _recreated_secrets(LiveObjects({("Secret", metadata["name"]): secret}))
    assert warning.message.endswith(f"remove its annotation {annotation} to acknowledge")
    acknowledged = {**secret, "metadata": {**metadata, "annotations": {}}}
    assert not _recreated_secrets(LiveObjects({("Secret", str(metadata["name"])): acknowledged}))
