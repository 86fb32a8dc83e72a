"""A platform, as everything that is made for it sees it."""

from __future__ import annotations

from dataclasses import dataclass

from pryv_operator.api import labels_annotations as keys
from pryv_operator.api import names
from pryv_operator.api.kubernetes import Object
from pryv_operator.api.spec import PryvPlatformSpec


@dataclass(frozen=True)
class Platform:
    """A platform as its objects see it. ``uid`` is empty when rendering offline: then nothing has an owner."""

    name: str
    namespace: str
    uid: str
    spec: PryvPlatformSpec

    def metadata(
        self, name: str, labels: dict[str, str] | None = None, *, owned: bool = True
    ) -> Object:
        """Metadata of one of the platform's objects; an owned one goes when the platform goes."""
        metadata: Object = {
            "name": name,
            "namespace": self.namespace,
            "labels": names.platform_labels(self.name) | (labels or {}),
        }
        if owned and self.uid:
            metadata["ownerReferences"] = [self.owner_reference()]
        return metadata

    def owner_reference(self) -> Object:
        """The reference that lets the cluster's garbage collector do the clean-up."""
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
        """Whether nothing is to be applied for now."""
        return bool(self.spec.rollout and self.spec.rollout.paused)

    @property
    def retains_data(self) -> bool:
        """Whether claims and generated secrets outlive the platform."""
        return self.spec.deletion_policy != "Delete"
