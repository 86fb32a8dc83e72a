"""``kubectl-pryv diff -f``: what an edit of a platform would change."""

from __future__ import annotations

from pryv_operator.api.findings import Problem
from pryv_operator.api.kubernetes import Object
from pryv_operator.api.platform import Platform
from pryv_operator.cli.cluster import Cluster, ClusterError
from pryv_operator.cli.connection import MANAGER
from pryv_operator.cli.live_platform import platform_of, read_bundle
from pryv_operator.cli.terminal import report
from pryv_operator.desired.inputs import Inputs
from pryv_operator.kube.errors import ConflictError, RejectedError
from pryv_operator.offline.documents import Documents
from pryv_operator.offline.preview import placeholder_inputs
from pryv_operator.reconcile.service_addresses import recorded_addresses
from pryv_operator.reconcile.stored_status import stored_status
from pryv_operator.rollout.edit_difference import EditDifference, edit_difference

_FORBIDDEN = 403


async def compare_with_files(cluster: Cluster, name: str, documents: Documents) -> EditDifference:
    """What would change if the platform in the files were applied. Nothing is written.

    Raises:
        ClusterError: the API server rejects the edit, or one of the two cannot be used.
        OfflineError: one of the two cannot be rendered as it is configured.
    """
    if documents.platform.name != name:
        raise ClusterError(
            f'metadata.name: "{documents.platform.name}" in the files; pass the files of "{name}"'
        )
    for each in documents.warnings:
        report(f"warning: {each.message}")
    resource = await cluster.read_platform(name)
    spec = documents.platform.spec.model_dump(by_alias=True, exclude_unset=True, mode="json")
    edited = await _accepted(cluster, resource, spec)
    status = stored_status(resource)

    async def inputs(platform: Platform) -> Inputs:
        bundle = await read_bundle(cluster, platform, status.release)
        if isinstance(bundle, Problem):
            raise ClusterError(bundle.message)
        return placeholder_inputs(platform, bundle, recorded_addresses(status))

    before, after = await inputs(platform_of(resource)), await inputs(platform_of(edited))
    return edit_difference(before, after, (resource["spec"], edited["spec"]))


async def _accepted(cluster: Cluster, resource: Object, spec: Object) -> Object:
    """The resource with another spec, as the API server would store it."""
    try:
        return await cluster.client.replace_spec(resource, spec, MANAGER, dry_run=True)
    except ConflictError:
        raise ClusterError("changed by another client meanwhile; try again") from None
    except RejectedError as error:
        if error.status != _FORBIDDEN:
            raise
        report("warning: you may not update the platform, so the API server did not validate it")
        return {**resource, "spec": spec}
