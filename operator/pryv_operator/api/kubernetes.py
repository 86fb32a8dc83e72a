"""Kubernetes objects, as every room handles them."""

from __future__ import annotations

from typing import Any, Final, TypeAlias

#: An object as JSON: ``apiVersion``, ``kind``, ``metadata``, …
Object: TypeAlias = dict[str, Any]

#: Kinds of the workloads that the operator makes.
WORKLOAD_KINDS: Final = ("Deployment", "StatefulSet")
