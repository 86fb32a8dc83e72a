"""Creates trials, see ``rollout/trials.py``. They are deleted by ``reconcile/cleanup.py``."""

from __future__ import annotations

import logging
from collections.abc import Iterable

from pryv_operator.api.kubernetes import Object
from pryv_operator.kube.client import KubeClient
from pryv_operator.kube.errors import ConflictError, RejectedError
from pryv_operator.kube.log_context import of_component
from pryv_operator.rollout.decide import Workload
from pryv_operator.rollout.trials import Trials

log = logging.getLogger(__name__)


async def refused_trials(
    client: KubeClient, trials: Trials, workloads: Iterable[Object]
) -> frozenset[str]:
    """Names of the workloads whose missing trials the API server would refuse, by a dry run.

    Pod Security, a quota or a webhook may refuse a trial, or another pod may have its name. That
    must not block the rollout.
    """
    refused: set[str] = set()
    for workload in workloads:
        for pod in trials.missing([workload]):
            try:
                await client.create(pod, dry_run=True)
            except (ConflictError, RejectedError) as error:
                refused.add(workload["metadata"]["name"])
                _log(trials, pod, f"cannot be created: {error}")
    return frozenset(refused)


async def create_trials(client: KubeClient, trials: Trials, workloads: Iterable[Object]) -> None:
    """Create the missing trials of workloads.

    If one is refused although its dry run succeeded, the next reconciliation decides again.
    """
    for pod in trials.missing(workloads):
        try:
            await client.create(pod)
        except (ConflictError, RejectedError) as error:
            _log(trials, pod, f"is not created: {error}")


def log_given_up(trials: Trials, workloads: Iterable[Workload]) -> None:
    """Log which workloads are applied although their trials have not shown anything."""
    for each in workloads:
        if each.trial and each.trial.state == "GivenUp":
            platform = trials.platform
            text = "%s/%s: %s is applied without a trial of its new image: it could not run"
            log.warning(
                text,
                platform.namespace,
                platform.name,
                each.label,
                extra=of_component(each.label),
            )


def _log(trials: Trials, pod: Object, text: str) -> None:
    platform, name = trials.platform, pod["metadata"]["name"]
    log.warning('%s/%s: trial "%s" %s', platform.namespace, platform.name, name, text)
