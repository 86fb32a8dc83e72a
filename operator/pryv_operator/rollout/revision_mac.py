"""Which revisions the operator has recorded itself: each carries a MAC. Pure.

Who may write ControllerRevisions could otherwise plant a revision, and its pod templates would run
after a rollback. A MAC (HMAC-SHA256) covers the name, the platform's uid, what is recorded, and
every annotation of the operator. Its key is derived from the platform's hash key.

What is recorded is covered by its digest in an annotation, so that the metadata of a revision
suffice to verify it.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from pryv_operator.api import labels_annotations as keys
from pryv_operator.api.kubernetes import Object
from pryv_operator.live import diff
from pryv_operator.live.live_objects import LiveObjects
from pryv_operator.rollout.revision_record import recorded_workloads
from pryv_operator.rollout.revisions import Revision, compact_json
from pryv_operator.rollout.workloads import live_pod_template

#: The derived key is of no use anywhere else.
_PURPOSE: Final = b"pryv.io/revision-mac/v1"
#: What is covered. Absent ones do not count, so later versions may add some.
_COVERED: Final = (
    keys.DESIRED, keys.TEMPLATES, keys.REFERENCES, keys.BASIS, keys.INPUTS, keys.UNREADY,
    keys.MIGRATED, keys.BLOCKED, keys.COMPLETE, keys.NOT_RUN, keys.FAILED, keys.ATTEMPT,
    keys.RETRIED, keys.DATA_DIGEST,
)  # fmt: skip


@dataclass(frozen=True)
class RevisionSigner:
    """Signs and verifies the revisions of one platform. ``uid``: the platform's."""

    hash_key: bytes = field(repr=False)
    uid: str

    def mac(self, name: str, annotations: Mapping[str, str | None]) -> str:
        """The MAC of a revision with a name and these annotations; None is an absent one."""
        covered = {key: annotations[key] for key in _COVERED if annotations.get(key) is not None}
        text = compact_json([self.uid, name, covered])
        key = hmac.new(self.hash_key, _PURPOSE, hashlib.sha256).digest()
        return hmac.new(key, text.encode(), hashlib.sha256).hexdigest()

    def has_signed(self, revision: Object) -> bool:
        """Whether the metadata of a ControllerRevision are as the operator has written them."""
        metadata = revision["metadata"]
        annotations = metadata.get("annotations") or {}
        mac = str(annotations.get(keys.MAC, ""))
        return keys.DATA_DIGEST in annotations and hmac.compare_digest(
            mac.encode(), self.mac(metadata["name"], annotations).encode()
        )

    def has_recorded(self, revision: Object) -> bool:
        """The same of a ControllerRevision that was read with its data."""
        return self.has_signed(revision) and _matches_digest(revision, revision)

    def signed(self, revision: Object) -> Object:
        """A ControllerRevision with the digest of its data and its MAC."""
        metadata = revision["metadata"]
        annotations = {**metadata["annotations"], keys.DATA_DIGEST: data_digest(revision)}
        annotations[keys.MAC] = self.mac(metadata["name"], annotations)
        return {**revision, "metadata": {**metadata, "annotations": annotations}}

    def change(
        self, revision: Revision, annotations: Mapping[str, str | None]
    ) -> Mapping[str, str | None]:
        """A change of a revision's annotations, with the MAC that it has after it.

        One that is not authentic does not become so by a change.
        """
        if not revision.authentic:
            return annotations
        metadata = revision.item["metadata"]
        after = {**metadata["annotations"], **annotations}
        return {**annotations, keys.MAC: self.mac(metadata["name"], after)}


def data_digest(revision: Object) -> str:
    """The digest of what a ControllerRevision records.

    The API server writes 1.0 as 1, so both are the same.

    Raises:
        ValueError: it is nested too deeply.
    """
    try:
        numbers = json.loads(json.dumps(revision.get("data")), parse_float=_number)
        text = compact_json(numbers)
    except RecursionError:
        raise ValueError("nested too deeply") from None
    return hashlib.sha256(text.encode()).hexdigest()


def holds_signed_data(revision: Revision, item: Object) -> bool:
    """Whether a ControllerRevision, read with its data, records what the operator has signed."""
    return revision.authentic and _matches_digest(revision.item, item)


def take_over_annotations(revision: Object, live: LiveObjects) -> dict[str, str] | None:
    """What is added to an unsigned ControllerRevision before it is signed; None if it must not be.

    It may be signed when each pod template that it records is live: going back to it brings nothing
    that does not run anyway.
    """
    try:
        recorded = recorded_workloads(revision)
        runs = [_runs(name, workload, live) for name, workload in recorded.items()]
        return {keys.DATA_DIGEST: data_digest(revision)} if runs and all(runs) else None
    except (
        KeyError,
        TypeError,
        ValueError,
        AttributeError,
        IndexError,
        RecursionError,
        zlib.error,
    ):
        return None


def _matches_digest(metadata_of: Object, data_of: Object) -> bool:
    digest = (metadata_of["metadata"].get("annotations") or {}).get(keys.DATA_DIGEST)
    try:
        return bool(digest == data_digest(data_of))
    except ValueError:
        return False


def _runs(name: str, recorded: Object, live: LiveObjects) -> bool:
    existing = live.get(recorded["kind"], name)
    if existing is None:
        return False
    # The annotations of the record do not count: only its template is compared.
    workload = {"metadata": {}, "spec": recorded["spec"]}
    digest = diff.template_digest(recorded["spec"]["template"])
    return live_pod_template(workload, existing).digest == digest


def _number(text: str) -> int | float:
    value = float(text)
    return int(value) if value.is_integer() else value
