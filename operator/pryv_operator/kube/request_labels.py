"""Verb, resource and namespace of a request to the API server. Pure.

Verb and resource are as its own metrics and RBAC name them.
"""

from __future__ import annotations

from typing import Final

_VERBS: Final = {"POST": "create", "PUT": "update", "PATCH": "patch", "DELETE": "delete"}
#: Between ``/`` and the resource: ``api/v1``, ``apis/GROUP/VERSION``.
_PREFIXES: Final = {"api": 2, "apis": 3}


def request_labels(
    method: str, path: str, *, watch: bool = False, apply: bool = False
) -> tuple[str, str]:
    """Verb and resource: (``list``, ``pods``), (``apply``, ``pryvplatforms/status``).

    Names of objects and namespaces are not in them. A path without a resource has ``""``.
    """
    parts = path.strip("/").split("/")
    parts = parts[_PREFIXES.get(parts[0], len(parts)) :]
    if len(parts) > 2 and parts[0] == "namespaces":
        parts = parts[2:]
    resource = "/".join([*parts[:1], *parts[2:3]])
    if method == "GET":
        verb = "watch" if watch else "get" if len(parts) > 1 else "list"
    elif method == "PATCH" and apply:
        verb = "apply"
    else:
        verb = _VERBS.get(method, method.lower())
    return verb, resource


def namespace_of(path: str) -> str:
    """The namespace of a path; empty if it has none."""
    parts = path.split("/", 6)
    prefix = 1 + _PREFIXES.get(parts[1] if len(parts) > 1 else "", len(parts))
    if len(parts) > prefix + 2 and parts[prefix] == "namespaces":
        return parts[prefix + 1]
    return ""
