"""A pod that looks before: it pulls the images of a workload whose old pod is still serving.

Where the old pod has to stop before the new one starts, an image that cannot be pulled would leave
the component down. The trial's containers have the same images, and end at once. It mounts nothing
and reads no configuration.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import json
from typing import Any, Final

from pryv_operator.api import labels_annotations as keys
from pryv_operator.api import names
from pryv_operator.api.kubernetes import Object
from pryv_operator.api.platform import Platform
from pryv_operator.objects.init_containers import RESOURCES

#: The label ``pryv.io/purpose`` of trials.
PURPOSE: Final = "trial"
#: An image without a shell has been pulled nevertheless when this fails.
_COMMAND: Final = ["/bin/sh", "-c", "exit 0"]
#: What decides where the pod runs, how its images are pulled, and whether it is admitted.
_OF_POD: Final = (
    "hostUsers",
    "imagePullSecrets",
    "nodeSelector",
    "priorityClassName",
    "runtimeClassName",
    "schedulerName",
    "securityContext",
    "serviceAccountName",
    "tolerations",
)
#: What decides whether a container is admitted, besides what every trial is denied.
_OF_CONTAINER: Final = (
    "appArmorProfile",
    "runAsGroup",
    "runAsNonRoot",
    "runAsUser",
    "seLinuxOptions",
    "seccompProfile",
)


def trial_pod(platform: Platform, workload: Object, began: dt.datetime) -> Object:
    """The trial of a desired workload.

    It has none of the labels of components, so no Service, NetworkPolicy or workload selects it.

    Args:
        platform: the workload's platform.
        workload: the Deployment or StatefulSet as it is desired.
        began: when the rollout of its revision began, or was retried: a retry is another trial.
    """
    selector = workload["spec"]["selector"]["matchLabels"]
    spec = _spec(workload["spec"]["template"]["spec"], selector)
    name = workload["metadata"]["name"]
    identity = json.dumps([name, spec, began.isoformat()], sort_keys=True)
    digest = hashlib.sha256(identity.encode()).hexdigest()
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": platform.metadata(names.trial(name, digest), {keys.PURPOSE: PURPOSE}),
        "spec": spec,
    }


def images(pod_spec: Object) -> frozenset[str]:
    """The images of a pod, those of its init containers included."""
    return frozenset(each["image"] for each in _all_containers(pod_spec))


def _spec(template: Object, selector: dict[str, str]) -> Object:
    """The trial's spec from that of a pod template."""
    by_image: dict[str, Object] = {}
    for container in _all_containers(template):
        by_image.setdefault(container["image"], container)
    return {
        **{field: template[field] for field in _OF_POD if field in template},
        "affinity": _affinity(template.get("affinity") or {}, selector),
        "automountServiceAccountToken": False,
        "containers": [_container(each) for each in by_image.values()],
        "enableServiceLinks": False,
        "restartPolicy": "Never",
        "terminationGracePeriodSeconds": 1,
    }


def _all_containers(pod_spec: Object) -> list[Object]:
    return [*pod_spec["containers"], *(pod_spec.get("initContainers") or ())]


def _affinity(affinity: dict[str, Any], selector: dict[str, str]) -> dict[str, Any]:
    """The component's affinity, and a preference for the node of its pod.

    The new pod most likely runs there, and the image is pulled to the node of the trial only. What
    the component's pods keep away from does not matter for what does nothing.
    """
    preferred = "preferredDuringSchedulingIgnoredDuringExecution"
    pod_affinity = dict(affinity.get("podAffinity") or {})
    beside = {
        "weight": 100,
        "podAffinityTerm": {
            "labelSelector": {"matchLabels": selector},
            "topologyKey": "kubernetes.io/hostname",
        },
    }
    pod_affinity[preferred] = [*(pod_affinity.get(preferred) or ()), beside]
    allowed = {key: each for key, each in affinity.items() if key != "podAntiAffinity"}
    return {**allowed, "podAffinity": pod_affinity}


def _container(container: Object) -> Object:
    """A container with the image of another one that ends at once and may do nothing."""
    security = container.get("securityContext") or {}
    pull = {key: container[key] for key in ("imagePullPolicy",) if key in container}
    return {
        "name": container["name"],
        "image": container["image"],
        **pull,
        "command": _COMMAND,
        "resources": RESOURCES,
        "securityContext": {
            **{field: security[field] for field in _OF_CONTAINER if field in security},
            "allowPrivilegeEscalation": False,
            "capabilities": {"drop": ["ALL"]},
            "readOnlyRootFilesystem": True,
        },
    }
