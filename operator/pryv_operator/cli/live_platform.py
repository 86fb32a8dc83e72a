"""A live platform, as commands read it with the user's own credentials."""

from __future__ import annotations

from pydantic import ValidationError

from pryv_operator.api.findings import Problem
from pryv_operator.api.kubernetes import Object
from pryv_operator.api.platform import Platform, is_cut_over_pending
from pryv_operator.api.spec import PryvPlatformSpec
from pryv_operator.cli.cluster import Cluster, ClusterError
from pryv_operator.reconcile.computation import UnlimitedComputation
from pryv_operator.reconcile.template_sources import TemplateReader
from pryv_operator.templates.bundle import Bundle

#: Messages list at most so many fields.
_LISTED = 5


def platform_of(resource: Object) -> Platform:
    """The platform of a PryvPlatform.

    Raises:
        ClusterError: this version does not accept its spec.
    """
    metadata = resource["metadata"]
    try:
        spec = PryvPlatformSpec.model_validate(resource["spec"])
    except ValidationError as error:
        fields = ", ".join(
            ".".join(["spec", *map(str, each["loc"])])
            for each in error.errors(include_input=False, include_url=False)[:_LISTED]
        )
        raise ClusterError(
            f'PryvPlatform "{metadata["name"]}": not valid for this version: {fields}; '
            "use kubectl-pryv of the operator's version"
        ) from None
    return Platform(
        metadata["name"],
        metadata["namespace"],
        metadata["uid"],
        spec,
        cut_over_pending=is_cut_over_pending(metadata.get("annotations") or {}),
    )


async def read_bundle(
    cluster: Cluster, platform: Platform, release: str | None
) -> Bundle | Problem:
    """The templates of a platform, or what is wrong with them. ``release``: that of its status."""
    return await TemplateReader(UnlimitedComputation()).read(cluster.client, platform, release)
