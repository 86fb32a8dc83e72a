"""Recorded revisions for tests of the history, of differences and of rollbacks."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pryv_operator.api import labels_annotations as keys
from pryv_operator.api.kubernetes import Object
from pryv_operator.rollout.recorded import RecordedRevision, parse_recorded
from pryv_operator.rollout.revision_inputs import decode_all
from pryv_operator.rollout.revision_record import NewRevision, controller_revision, state_digest
from tests.unit.builders import platform

SPEC: dict[str, Any] = {"domain": "pryv.acme.health"}


def workload(
    label: str = "co1/hfs",
    *,
    image: str = "hfs:1",
    plain: str = "",
    secret: str = "",
    kind: str = "Deployment",
    **env: str,
) -> Object:
    """A workload with files in a ConfigMap and in a Secret, and environment variables from Secrets.

    ``plain`` and ``secret`` are the content hashes of the two.
    """
    instance, component = label.split("/")
    sources = []
    if plain:
        listed = [
            {"key": "conf__a.yml", "path": "conf/a.yml"},
            {"key": "conf__b.yml", "path": "conf/b.yml"},
        ]
        sources.append({"configMap": {"name": f"acme-core-{component}-{plain}", "items": listed}})
    if secret:
        sources.append(
            {
                "secret": {
                    "name": f"acme-core-{component}-{secret}",
                    "items": [{"key": "conf__s.yml", "path": "conf/s.yml"}],
                }
            }
        )
    variables = [
        {"name": name, "valueFrom": {"secretKeyRef": {"name": value, "key": name}}}
        for name, value in env.items()
    ]
    template = {
        "metadata": {"labels": {keys.INSTANCE: instance, keys.COMPONENT: component}},
        "spec": {
            "containers": [{"name": component, "image": image, "env": variables}],
            "volumes": [{"name": component, "projected": {"sources": sources}}],
        },
    }
    labels = {keys.INSTANCE: instance, keys.COMPONENT: component}
    return {
        "kind": kind,
        "metadata": {"name": f"acme-{instance}-{component}", "labels": labels},
        "spec": {"template": template},
    }


def revision_item(
    number: int,
    *workloads: Object,
    spec: Mapping[str, Any] = SPEC,
    inputs: Mapping[str, str] | None = None,
    **more: str,
) -> Object:
    """A ControllerRevision as the API server returns it.

    ``more`` are annotations (``failed``, ``complete``).
    """
    new = NewRevision(number, spec, workloads, state_digest(workloads), decode_all(inputs or {}))
    found = controller_revision(platform(), new)
    found["metadata"]["creationTimestamp"] = f"2026-01-{number:02}T10:00:00Z"
    found["metadata"]["annotations"] |= {f"pryv.io/{name}": value for name, value in more.items()}
    return found


def recorded(number: int, *workloads: Object, **more: Any) -> RecordedRevision:
    """A revision that was read with its data."""
    (found,) = parse_recorded([revision_item(number, *workloads, **more)])
    return found
