"""Trials: what the pods show that pull new images before old pods are stopped. Pure.

A workload whose old pod stops before the new one starts is tried while it serves, once its step is
next: ``rollout/decide.py`` names it, ``rollout/execute.py`` creates the pod.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from typing import Final

from pryv_operator.api.kubernetes import Object
from pryv_operator.api.platform import Platform
from pryv_operator.desired.state import WorkloadPlan
from pryv_operator.live.health import is_pulled, pull_failure
from pryv_operator.objects.trial import images, trial_pod
from pryv_operator.rollout.decide import Trial

#: A trial that no node has room for is given up: the old pod may have to make room for the new one.
UNSCHEDULED_LIMIT: Final = dt.timedelta(seconds=60)


@dataclass(frozen=True)
class Trials:
    """What is known of the trials of a platform.

    ``pods``: those that the operator has created. ``began``: when the rollout of the revision
    began, or was retried. ``not_admitted``: names of the workloads whose trial the API server does
    not let the operator create.
    """

    platform: Platform
    began: dt.datetime
    now: dt.datetime
    pods: tuple[Object, ...] = field(default=(), repr=False)
    not_admitted: frozenset[str] = frozenset()

    def desired_pod(self, workload: Object) -> Object:
        """The trial of a desired workload."""
        return trial_pod(self.platform, workload, self.began)

    def live_pod(self, desired: Object) -> Object | None:
        """The live pod of a trial; one with other images is not it."""
        name, expected = desired["metadata"]["name"], images(desired["spec"])
        return next(
            (
                pod
                for pod in self.pods
                if pod["metadata"]["name"] == name and expected <= images(pod["spec"])
            ),
            None,
        )

    def missing(self, workloads: Iterable[Object]) -> list[Object]:
        """The trials of desired workloads that have to be created."""
        desired = map(self.desired_pod, workloads)
        return [each for each in desired if self.live_pod(each) is None]

    def obsolete(self, workloads: Iterable[Object]) -> tuple[Object, ...]:
        """The live pods, except for the trials of these desired workloads."""
        needed = {self.desired_pod(each)["metadata"]["name"] for each in workloads}
        return tuple(
            pod
            for pod in self.pods
            if pod["metadata"]["name"] not in needed
            and not pod["metadata"].get("deletionTimestamp")
        )


def gets_new_image(plan: WorkloadPlan, desired: Object, live: Object | None) -> bool:
    """Whether a workload that stops before it is started gets an image that it does not have."""
    if live is None or not plan.stops_first or plan.scaled_to_zero:
        return False
    new, old = (images(each["spec"]["template"]["spec"]) for each in (desired, live))
    return not new <= old


def observed_trial(
    plan: WorkloadPlan, desired: Object, live: Object | None, *, serves: bool, trials: Trials | None
) -> Trial | None:
    """The trial that a workload needs before it gets its desired template; None: it needs none.

    What does not serve needs none, as nothing is lost when it is stopped; but a trial that has
    begun is finished.
    """
    if trials is None or not gets_new_image(plan, desired, live):
        return None
    if plan.name in trials.not_admitted:
        return Trial("GivenUp")
    expected = trials.desired_pod(desired)
    pod = trials.live_pod(expected)
    if pod is None or pod["metadata"].get("deletionTimestamp"):
        # Once one that is terminating is gone, it is missing.
        return Trial("Running" if pod else "Missing") if serves else None
    return _result(plan, pod, {each["name"] for each in expected["spec"]["containers"]}, trials.now)


def _result(plan: WorkloadPlan, pod: Object, names: Collection[str], now: dt.datetime) -> Trial:
    """What a live trial shows. ``names``: of its containers, besides those that others add."""
    status = pod.get("status") or {}
    since = dt.datetime.fromisoformat(pod["metadata"]["creationTimestamp"])
    containers = [
        each for each in status.get("containerStatuses") or () if each.get("name") in names
    ]
    if {each["name"] for each in containers if is_pulled(each)} == set(names):
        return Trial("Passed", since)
    # Evicted, or rejected by its node: it shows nothing any more.
    if status.get("phase") in ("Failed", "Succeeded"):
        return Trial("GivenUp", since)
    if not pod["spec"].get("nodeName") and now - since >= UNSCHEDULED_LIMIT:
        return Trial("GivenUp", since)
    return Trial("Running", since, pull_failure(plan, pod))
