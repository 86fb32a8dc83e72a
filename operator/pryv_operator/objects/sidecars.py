"""Containers that run beside a component, with its image: no other one is sure to be at hand."""

from __future__ import annotations

from functools import cache
from importlib.resources import files
from typing import Final

from pryv_operator.api.kubernetes import Object
from pryv_operator.objects.profiles import APP_USER

_RESOURCES: Final = {
    "requests": {"cpu": "5m", "memory": "32Mi"},
    "limits": {"cpu": "200m", "memory": "128Mi"},
}


def sidecar(name: str, image: str, command: list[str], started: list[str]) -> Object:
    """A native sidecar: it runs before the component does, and as long as it.

    ``started``: a command that succeeds once it has started.
    """
    return {
        "name": name,
        "image": image,
        "restartPolicy": "Always",
        "command": command,
        "startupProbe": {
            "exec": {"command": started},
            "periodSeconds": 1,
            "failureThreshold": 120,
            "timeoutSeconds": 5,
        },
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "capabilities": {"drop": ["ALL"]},
            "readOnlyRootFilesystem": True,
            "runAsNonRoot": True,
            "runAsUser": APP_USER,
            "runAsGroup": APP_USER,
        },
        "resources": _RESOURCES,
    }


@cache
def script(name: str) -> str:
    """The text of a script in this package."""
    return files("pryv_operator.objects").joinpath(name).read_text(encoding="utf-8")
