"""The workloads of a platform as the rollout decision sees them. Pure."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from pryv_operator.api import labels_annotations as keys
from pryv_operator.api.kubernetes import Object
from pryv_operator.desired.state import Desired
from pryv_operator.live import diff
from pryv_operator.live.health import (
    HealthInputs,
    is_available,
    last_applied,
    unready_since,
    workload_health,
)
from pryv_operator.live.live_objects import LiveObjects
from pryv_operator.rollout.decide import PodTemplate, Workload
from pryv_operator.rollout.revision_record import pod_template
from pryv_operator.rollout.revisions import Revision, last_good, last_run, migrated_workloads
from pryv_operator.rollout.trials import Trials, observed_trial

#: A template that an operator has applied without recording its digest.
_UNKNOWN: Final = PodTemplate("unknown")


def observed_workloads(
    desired: Desired,
    live: LiveObjects,
    health_inputs: HealthInputs,
    history: Sequence[Revision],
    trials: Trials | None = None,
) -> tuple[Workload, ...]:
    """The desired workloads, without those that are blocked.

    Args:
        desired: the desired state.
        live: the live objects.
        health_inputs: pods and events that explain why a workload is not ready.
        history: the revisions, oldest first.
        trials: what is known of trials; None: there are none.
    """
    migrated = migrated_workloads(history)
    objects = {(item["kind"], item["metadata"]["name"]): item for item in desired.objects}
    found: list[Workload] = []
    for instance in desired.instances:
        for plan in instance.workloads:
            item = objects.get((plan.kind, plan.name))
            if item is None:
                continue
            existing = live.get(plan.kind, plan.name)
            runs = not plan.scaled_to_zero
            template = pod_template(item)
            good = last_good_of(plan.name, history, runs=runs)
            ran = last_run(history, plan.name)
            health = workload_health(plan, health_inputs)
            ready = is_available(existing, expects_pods=runs)
            found.append(
                Workload(
                    name=plan.name,
                    label=plan.label,
                    role=instance.role,
                    instance=instance.name,
                    tier=plan.tier,
                    reads=plan.reads,
                    desired=template,
                    live=live_pod_template(item, existing) if existing else None,
                    last_good=good.templates.get(plan.name) if good else None,
                    ready=ready,
                    since=last_applied(existing) if existing else None,
                    problem=health.problem,
                    migrates=plan.migrates,
                    migrated=plan.name in migrated,
                    settles=dt.timedelta(seconds=item["spec"].get("minReadySeconds", 0)),
                    unready_since=unready_since(existing, health_inputs.pods) if existing else None,
                    runs=runs,
                    proven=runs or _same_template(ran, plan.name, template),
                    trial=observed_trial(plan, item, existing, serves=ready, trials=trials),
                )
            )
    return tuple(found)


def last_good_of(name: str, history: Sequence[Revision], *, runs: bool) -> Revision | None:
    """The revision with the last good template of a workload.

    The last good revision, unless the workload has no pod there by its spec: what does not run
    proves nothing, so one that ``runs`` goes back to the newest template that it has run.
    """
    good = last_good(history)
    return last_run(history, name) if good and runs and name in good.not_run else good


def _same_template(revision: Revision | None, name: str, template: PodTemplate) -> bool:
    return revision is not None and revision.templates[name].digest == template.digest


def live_pod_template(desired: Object, live: Object) -> PodTemplate:
    """The pod template that was last applied to a workload.

    Without a recorded digest, the live template is compared with the desired one field by field.
    """
    if keys.TEMPLATE in (live["metadata"].get("annotations") or {}):
        return pod_template(live)
    if diff.template_contains(desired["spec"]["template"], live["spec"]["template"]):
        return pod_template(desired)
    return replace(_UNKNOWN, image=pod_template(live).image)
