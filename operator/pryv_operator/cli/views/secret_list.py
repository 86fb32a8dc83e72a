"""Where the secret values of a platform come from, and which components use them. Pure."""

from __future__ import annotations

import base64
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from pryv_operator.api import names
from pryv_operator.api.kubernetes import WORKLOAD_KINDS, Object
from pryv_operator.cli.output import age, columns
from pryv_operator.cli.views.workloads import component_label


@dataclass(frozen=True)
class SecretEntry:
    """A secret variable, and the Secret that holds its value; never the value.

    ``source``: ``generate`` or ``secretKeyRef``. ``used_by`` None: it cannot be computed.
    ``created`` None: the Secret was not found, or may not be read; ``problem`` says which.
    """

    variable: str
    source: str
    secret: str
    key: str
    rotation: int | None = None
    created: datetime | None = None
    used_by: tuple[str, ...] | None = None
    problem: str | None = None


@dataclass(frozen=True)
class SecretList:
    """The secret variables of a platform; ages are as of ``now``."""

    items: tuple[SecretEntry, ...]
    now: datetime

    def table(self, *, wide: bool) -> str:
        """A line for each variable; wide: with key and rotation."""
        header = ["VARIABLE", "SOURCE", "SECRET", "AGE", "USED BY"]
        rows = []
        for each in self.items:
            created = age(each.created, self.now) if each.created else each.problem or "unknown"
            used_by = "unknown" if each.used_by is None else ", ".join(each.used_by) or "nothing"
            more = [each.key, str(each.rotation or 0)] if wide else []
            rows.append([each.variable, each.source, each.secret, *more, created, used_by])
        if wide:
            header[3:3] = ["KEY", "ROTATION"]
        return columns(header, rows)

    def names(self) -> list[str]:
        """The Secrets."""
        return list(dict.fromkeys(f"secret/{each.secret}" for each in self.items))


def components_with(objects: Iterable[Object], variables: Iterable[str]) -> dict[str, list[str]]:
    """Variable → labels of the components whose Secrets hold its placeholder.

    Args:
        objects: a desired state that was computed with placeholders of ``offline/placeholders.py``
            for all secrets.
        variables: names of secret variables, or dotted paths into them.
    """
    listed = list(objects)
    texts = {item["metadata"]["name"]: _text(item) for item in listed if item["kind"] == "Secret"}
    workloads = [item for item in listed if item["kind"] in WORKLOAD_KINDS]
    labels: dict[str, set[str]] = {name: set() for name in texts}
    for workload in workloads:
        for name in _names_in(workload["spec"]["template"]["spec"]) & texts.keys():
            labels[name].add(component_label(workload))
    found: dict[str, list[str]] = {}
    for variable in variables:
        slug = re.escape(names.slug(variable))
        placeholder = re.compile(f"(?:generated|masked|missing)-{slug}(?![a-z0-9-])")
        holding = (labels[name] for name, text in texts.items() if placeholder.search(text))
        found[variable] = sorted({label for each in holding for label in each})
    return found


def _text(secret: Object) -> str:
    """All values of a Secret, as one text."""
    encoded: Mapping[str, str] = secret.get("data") or {}
    values = [base64.b64decode(text).decode("utf-8", "replace") for text in encoded.values()]
    return "\n".join([*values, *(secret.get("stringData") or {}).values()])


def _names_in(node: Any) -> set[str]:
    """All texts in a pod's spec: names of Secrets are among them."""
    if isinstance(node, str):
        return {node}
    if isinstance(node, Mapping):
        return {name for value in node.values() for name in _names_in(value)}
    if isinstance(node, list | tuple):
        return {name for value in node for name in _names_in(value)}
    return set()
