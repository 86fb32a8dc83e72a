"""A platform, as the objects that are rendered for it see it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pryv_operator.api import labels_annotations as keys
from pryv_operator.api import names
from pryv_operator.api.kubernetes import Object
from pryv_operator.api.spec import PryvPlatformSpec


def is_cut_over_pending(annotations: Mapping[str, Any]) -> bool:
    """Whether a platform's annotations mark it as imported and not cut over."""
    return annotations.get(keys.CUT_OVER) == keys.CUT_OVER_PENDING


@dataclass(frozen=True)
class Platform:
    """A PryvPlatform. ``uid`` is empty offline: rendered objects then have no owner."""

    name: str
    namespace: str
    uid: str
    spec: PryvPlatformSpec
    #: Whether it was imported, and its users are still on the old machines (an annotation).
    cut_over_pending: bool = False

    def metadata(
        self, name: str, labels: dict[str, str] | None = None, *, owned: bool = True
    ) -> Object:
        """Metadata of one of the platform's objects; an owned one is deleted with the platform."""
        metadata: Object = {
            "name": name,
            "namespace": self.namespace,
            "labels": names.platform_labels(self.name) | (labels or {}),
        }
        if owned and self.uid:
            metadata["ownerReferences"] = [self.owner_reference()]
        return metadata

    def owner_reference(self) -> Object:
        """The owner reference by which the garbage collector deletes objects with the platform."""
        return {
            "apiVersion": keys.API_VERSION,
            "kind": keys.KIND,
            "name": self.name,
            "uid": self.uid,
            "controller": True,
            "blockOwnerDeletion": False,
        }

    @property
    def paused(self) -> bool:
        """Whether nothing may be applied (``spec.rollout.paused``)."""
        return bool(self.spec.rollout and self.spec.rollout.paused)

    @property
    def retains_data(self) -> bool:
        """Whether PVCs and generated Secrets outlive the platform (``spec.deletionPolicy``)."""
        return self.spec.deletion_policy != "Delete"
