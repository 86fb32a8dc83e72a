"""The fields of resources that a report shows: an allow-list by kind. Pure."""

from __future__ import annotations

from typing import Any, Final

from pryv_operator.api import labels_annotations as keys
from pryv_operator.cli.views.redaction import HIDE, KEEP, TEXT, Entries, Items, Rule, Variables


def _keep(*names: str) -> dict[str, Any]:
    return dict.fromkeys(names, KEEP)


_LABELS: Final = _keep(
    keys.MANAGED_BY, keys.APP_NAME, "app.kubernetes.io/instance", "app.kubernetes.io/version",
    keys.PLATFORM, keys.ROLE, keys.INSTANCE, keys.COMPONENT, keys.PVC, keys.PUBLISHED,
    keys.PURPOSE, "pod-template-hash", "controller-revision-hash", "app.kubernetes.io/component",
    "statefulset.kubernetes.io/pod-name", "apps.kubernetes.io/pod-index",
)  # fmt: skip
#: Digests, and names of variables. Those that users write, such as ``pryv.io/restart``, are masked.
_ANNOTATIONS: Final = _keep(
    keys.APPLIED, keys.TEMPLATE, keys.BOOT_INPUTS, keys.VARIABLE, keys.RECREATED, keys.DESIRED,
    keys.COMPLETE, "deployment.kubernetes.io/revision", "pv.kubernetes.io/bind-completed",
    "volume.kubernetes.io/storage-provisioner",
)  # fmt: skip


_OWNER: Final = _keep("apiVersion", "kind", "name", "uid", "controller", "blockOwnerDeletion")
METADATA: Final[dict[str, Any]] = {
    **_keep(
        "name", "namespace", "uid", "generation", "resourceVersion", "creationTimestamp",
        "deletionTimestamp", "deletionGracePeriodSeconds", "generateName",
    ),
    "finalizers": Items(KEEP),
    "labels": _LABELS,
    "annotations": _ANNOTATIONS,
    "ownerReferences": Items(_OWNER),
}  # fmt: skip
_SELECTOR: Final = {
    "matchLabels": _LABELS,
    "matchExpressions": Items({**_keep("key", "operator"), "values": Items(KEEP)}),
}
_REFERENCE: Final = _keep("name", "key", "optional", "trim")
_RESOURCES: Final = {"requests": Entries(KEEP), "limits": Entries(KEEP)}
_SECURITY: Final = {
    **_keep(
        "runAsUser", "runAsGroup", "runAsNonRoot", "fsGroup", "fsGroupChangePolicy", "privileged",
        "allowPrivilegeEscalation", "readOnlyRootFilesystem",
    ),
    "capabilities": {"add": Items(KEEP), "drop": Items(KEEP)},
    "seccompProfile": _keep("type"),
}  # fmt: skip
_PROBE: Final = {
    **_keep(
        "initialDelaySeconds", "periodSeconds", "timeoutSeconds", "successThreshold",
        "failureThreshold", "terminationGracePeriodSeconds",
    ),
    "tcpSocket": _keep("port"),
    "httpGet": {**_keep("port", "scheme"), "path": HIDE, "httpHeaders": HIDE},
    "exec": {"command": HIDE},
}  # fmt: skip
_CONTAINER: Final = {
    **_keep(
        "name", "image", "imagePullPolicy", "workingDir", "restartPolicy",
        "terminationMessagePath", "terminationMessagePolicy",
    ),
    "env": Items(
        {
            "name": KEEP,
            "value": HIDE,
            "valueFrom": {
                "secretKeyRef": _REFERENCE,
                "configMapKeyRef": _REFERENCE,
                "fieldRef": _keep("apiVersion", "fieldPath"),
                "resourceFieldRef": _keep("resource", "containerName", "divisor"),
            },
        }
    ),
    "command": HIDE,
    "args": HIDE,
    "lifecycle": HIDE,
    "ports": Items(_keep("name", "containerPort", "protocol", "hostPort")),
    "resources": _RESOURCES,
    "volumeMounts": Items(_keep("name", "mountPath", "subPath", "readOnly")),
    "livenessProbe": _PROBE,
    "readinessProbe": _PROBE,
    "startupProbe": _PROBE,
    "securityContext": _SECURITY,
}  # fmt: skip
_ITEMS: Final = Items(_keep("key", "path", "mode"))
_VOLUME: Final = {
    "name": KEEP,
    "secret": {**_keep("secretName", "defaultMode", "optional"), "items": _ITEMS},
    "configMap": {**_keep("name", "defaultMode", "optional"), "items": _ITEMS},
    "persistentVolumeClaim": _keep("claimName", "readOnly"),
    "emptyDir": _keep("medium", "sizeLimit"),
    "projected": {
        "defaultMode": KEEP,
        "sources": Items(
            {
                "secret": {**_keep("name", "optional"), "items": _ITEMS},
                "configMap": {**_keep("name", "optional"), "items": _ITEMS},
            }
        ),
    },
}
_TOLERATION: Final = {
    **_keep("key", "operator", "effect", "tolerationSeconds"),
    "value": HIDE,
}
_POD_SPEC: Final = {
    **_keep(
        "automountServiceAccountToken", "dnsPolicy", "enableServiceLinks", "nodeName",
        "preemptionPolicy", "priority", "priorityClassName", "restartPolicy", "schedulerName",
        "serviceAccount", "serviceAccountName", "terminationGracePeriodSeconds", "hostname",
        "subdomain", "shareProcessNamespace",
    ),
    "containers": Items(_CONTAINER),
    "initContainers": Items(_CONTAINER),
    "volumes": Items(_VOLUME),
    "securityContext": _SECURITY,
    "tolerations": Items(_TOLERATION),
    "affinity": HIDE,
    "nodeSelector": HIDE,
    "topologySpreadConstraints": HIDE,
    "imagePullSecrets": Items(_keep("name")),
}  # fmt: skip
_CONDITIONS: Final = Items(
    {
        **_keep(
            "type", "status", "reason", "lastTransitionTime", "lastUpdateTime", "lastProbeTime",
            "observedGeneration",
        ),
        "message": TEXT,
    }
)  # fmt: skip
# A message of a container that ended may be the end of its log.
_STATE: Final = {
    "waiting": {"reason": KEEP, "message": TEXT},
    "running": _keep("startedAt"),
    "terminated": {
        **_keep("exitCode", "signal", "reason", "startedAt", "finishedAt", "containerID"),
        "message": HIDE,
    },
}
_CONTAINER_STATUS: Final = Items(
    {
        **_keep("name", "ready", "started", "restartCount", "image", "imageID", "containerID"),
        "state": _STATE,
        "lastState": _STATE,
    }
)
_POD: Final = {
    "spec": _POD_SPEC,
    "status": {
        **_keep("phase", "reason", "startTime", "qosClass", "observedGeneration"),
        "message": TEXT,
        "conditions": _CONDITIONS,
        "containerStatuses": _CONTAINER_STATUS,
        "initContainerStatuses": _CONTAINER_STATUS,
    },
}
_TEMPLATE: Final = {"metadata": METADATA, "spec": _POD_SPEC}
_PVC_SPEC: Final = {
    **_keep("storageClassName", "volumeMode", "volumeName"),
    "accessModes": Items(KEEP),
    "resources": _RESOURCES,
}
_WORKLOAD: Final = {
    "spec": {
        **_keep(
            "replicas", "revisionHistoryLimit", "progressDeadlineSeconds", "serviceName",
            "podManagementPolicy", "minReadySeconds", "paused",
        ),
        "selector": _SELECTOR,
        "template": _TEMPLATE,
        "strategy": {"type": KEEP, "rollingUpdate": _keep("maxSurge", "maxUnavailable")},
        "updateStrategy": {"type": KEEP, "rollingUpdate": _keep("partition", "maxUnavailable")},
        "persistentVolumeClaimRetentionPolicy": _keep("whenDeleted", "whenScaled"),
    },
    "status": {
        **_keep(
            "replicas", "readyReplicas", "availableReplicas", "unavailableReplicas",
            "updatedReplicas", "currentReplicas", "currentRevision", "updateRevision",
            "observedGeneration", "collisionCount", "terminatingReplicas",
        ),
        "conditions": _CONDITIONS,
    },
}  # fmt: skip
_PEER: Final = {
    "podSelector": _SELECTOR,
    "namespaceSelector": _SELECTOR,
    "ipBlock": {"cidr": KEEP, "except": Items(KEEP)},
}
_POLICY_PORTS: Final = Items(_keep("port", "endPort", "protocol"))

# The platform
_OVERRIDES: Final = {
    **_keep("image", "replicas", "priorityClassName"),
    "env": Items({"name": KEEP, "value": HIDE}),
    "resources": _RESOURCES,
    "storage": _keep("size", "storageClassName", "existingClaim"),
    "tolerations": Items(_TOLERATION),
    "affinity": HIDE,
    "topologySpreadConstraints": HIDE,
    "annotations": Entries(),
    "labels": Entries(),
    "nodeSelector": Entries(),
}
_SERVICE: Final = {
    **_keep("type", "loadBalancerClass", "externalTrafficPolicy", "mixedProtocols"),
    "annotations": Entries(),
    "loadBalancerSourceRanges": Items(KEEP),
    "externalIPs": Items(KEEP),
}
_ROLE: Final = {
    "address": KEEP,
    "service": _SERVICE,
    "tls": _keep("secretName"),
    "components": Entries(_OVERRIDES),
    "instances": Items(_keep("name", "hosting", "address")),
    "externalSlave": {
        **_keep("address", "loadBalancerClass"),
        "annotations": Entries(),
        "loadBalancerSourceRanges": Items(KEEP),
    },
}
SPEC: Final[Rule] = {
    **_keep(
        "domain", "release", "imageRegistry", "networkPolicy", "deletionPolicy", "stopped",
    ),
    "templates": {
        "archive": {"configMapKeyRef": _REFERENCE, "secretKeyRef": _REFERENCE},
        "files": Items(
            {
                "role": KEEP,
                "configMapRef": _keep("name"),
                "items": Items(_keep("key", "path")),
            }
        ),
    },
    "variables": Variables(),
    "secrets": Entries({"generate": _keep("rotation"), "secretKeyRef": _REFERENCE}),
    "tls": {"secretName": KEEP, "caBundle": HIDE, "issuerRef": _keep("name", "kind", "group")},
    "imagePullSecrets": Items(_keep("name")),
    "rollout": _keep("paused", "onFailure", "progressDeadlineSeconds", "historyLimit"),
    "roles": Entries(_ROLE),
}  # fmt: skip
_PLATFORM_METADATA: Final = {**METADATA, "annotations": Entries()}
_PLATFORM_STATUS: Final = {
    **_keep("observedGeneration", "release", "revision", "rolesReady"),
    "revisions": Items(_keep("number", "uid")),
    "conditions": _CONDITIONS,
    "instances": Items(_keep("name", "role", "ready", "desired", "address")),
    "endpoints": Items(_keep("name", "url")),
    "warnings": Items({"reason": KEEP, "message": TEXT}),
    "services": Items(_keep("name", "clusterIP", "loadBalancerIP")),
}


def _kind(**fields: Any) -> dict[str, Any]:
    return {**_keep("apiVersion", "kind"), "metadata": METADATA, **fields}


PLATFORM: Final[Rule] = {
    **_keep("apiVersion", "kind"),
    "metadata": _PLATFORM_METADATA,
    "spec": SPEC,
    "status": _PLATFORM_STATUS,
}
#: Objects of which only this is read.
METADATA_ONLY: Final[Rule] = _kind()
BY_KIND: Final[dict[str, Rule]] = {
    "Deployment": _kind(**_WORKLOAD),
    "StatefulSet": _kind(**_WORKLOAD),
    "Pod": _kind(**_POD),
    "PersistentVolumeClaim": _kind(
        spec=_PVC_SPEC,
        status={
            "phase": KEEP,
            "accessModes": Items(KEEP),
            "capacity": Entries(KEEP),
            "conditions": _CONDITIONS,
        },
    ),
    "Service": _kind(
        spec={
            **_keep(
                "type", "clusterIP", "externalTrafficPolicy", "internalTrafficPolicy",
                "ipFamilyPolicy", "loadBalancerClass", "publishNotReadyAddresses",
                "sessionAffinity", "allocateLoadBalancerNodePorts",
            ),
            "clusterIPs": Items(KEEP),
            "externalIPs": Items(KEEP),
            "ipFamilies": Items(KEEP),
            "loadBalancerSourceRanges": Items(KEEP),
            "ports": Items(_keep("name", "port", "targetPort", "protocol", "nodePort")),
            "selector": _LABELS,
        },
        status={
            "conditions": _CONDITIONS,
            "loadBalancer": {"ingress": Items(_keep("ip", "hostname", "ipMode"))},
        },
    ),
    "NetworkPolicy": _kind(
        spec={
            "podSelector": _SELECTOR,
            "policyTypes": Items(KEEP),
            "ingress": Items({"from": Items(_PEER), "ports": _POLICY_PORTS}),
            "egress": Items({"to": Items(_PEER), "ports": _POLICY_PORTS}),
        }
    ),
    "PodDisruptionBudget": _kind(
        spec={**_keep("minAvailable", "maxUnavailable"), "selector": _SELECTOR},
        status={
            **_keep(
                "currentHealthy", "desiredHealthy", "disruptionsAllowed", "expectedPods",
                "observedGeneration",
            ),
            "conditions": _CONDITIONS,
        },
    ),
}  # fmt: skip
#: Without labels, annotations and addresses.
NODE: Final[Rule] = {
    "metadata": _keep("name"),
    "spec": _keep("unschedulable"),
    "status": {
        "nodeInfo": _keep(
            "architecture", "containerRuntimeVersion", "kernelVersion", "kubeletVersion",
            "operatingSystem", "osImage",
        ),
        "capacity": Entries(KEEP),
        "allocatable": Entries(KEEP),
        "conditions": _CONDITIONS,
    },
}  # fmt: skip
CRD: Final[Rule] = {
    "metadata": _keep("name", "generation", "creationTimestamp"),
    "spec": {"versions": Items(_keep("name", "served", "storage"))},
    "status": {"storedVersions": Items(KEEP)},
}
VERSION: Final[Rule] = _keep("gitVersion", "platform", "major", "minor", "gitCommit", "buildDate")
