"""What an edit of a platform's spec would change: files, pods and their order, other objects. Pure.

Both states are computed with the same stand-ins for secrets, because an edit of the spec changes no
Secret. A reference to another Secret, or to another certificate, counts as another value.
"""

from __future__ import annotations

import datetime as dt
import difflib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

from pryv_operator.api.findings import Finding, Problem
from pryv_operator.api.kubernetes import WORKLOAD_KINDS, Object
from pryv_operator.api.reasons import Reason
from pryv_operator.desired.compose_files import COMPOSE_FILE
from pryv_operator.desired.inputs import Inputs
from pryv_operator.desired.state import Desired, compute_desired
from pryv_operator.leader.render_error import RenderError
from pryv_operator.leader.taint import readable
from pryv_operator.pki.certificate import Certificate
from pryv_operator.rendering.files import render
from pryv_operator.rollout.decide import Policy, Progress, Workload, decide
from pryv_operator.rollout.revision_diff import spec_difference
from pryv_operator.rollout.revision_record import pod_template
from pryv_operator.values.platform_values import resolve_platform_values

_OTHER: Final = "-other"
_OTHER_CERTIFICATE: Final = Certificate("another certificate\n", "another key\n")
#: When the simulated rollout happens; nothing of it depends on the time.
_NOW: Final = dt.datetime(2000, 1, 1, tzinfo=dt.UTC)
#: A simulated rollout has fewer steps than this.
_MOST_STEPS: Final = 1000
#: Configuration is compared as files.
_NOT_COMPARED: Final = ("ConfigMap", "Secret", *WORKLOAD_KINDS)


@dataclass(frozen=True)
class EditDifference:
    """What an edit would change. ``problems``: why the operator would apply nothing."""

    spec: str
    files: str = ""
    #: Labels of the components whose pods are replaced or created, in the steps of a rollout.
    steps: tuple[tuple[str, ...], ...] = ()
    removed: tuple[str, ...] = ()
    #: ``created``, ``changed`` or ``deleted``, kind and name of other objects.
    objects: tuple[tuple[str, str, str], ...] = ()
    problems: tuple[Finding, ...] = ()
    warnings: tuple[Finding, ...] = ()

    @property
    def is_empty(self) -> bool:
        """Whether the edit changes nothing."""
        return not (self.spec or self.files or self.steps or self.removed or self.objects)

    def document(self) -> dict[str, Any]:
        """The difference as JSON."""
        return {
            "spec": self.spec,
            "files": self.files,
            "steps": [list(each) for each in self.steps],
            "removed": list(self.removed),
            "objects": [
                {"change": change, "kind": kind, "name": name}
                for change, kind, name in self.objects
            ],
            "problems": [{"reason": e.reason, "message": e.message} for e in self.problems],
            "warnings": [{"reason": e.reason, "message": e.message} for e in self.warnings],
        }

    def table(self, *, wide: bool) -> str:
        """The difference as text."""
        del wide
        sections = [f"# spec\n{self.spec}"] if self.spec else []
        if self.problems:
            lines = "".join(f"#   {each.message}\n" for each in self.problems)
            sections.append(
                f"# problems: the operator would change nothing until they are fixed\n{lines}"
            )
        if self.warnings:
            lines = "".join(f"#   {each.message}\n" for each in self.warnings)
            sections.append(f"# new warnings\n{lines}")
        if self.files:
            sections.append(f"# files; the values of secrets are not shown\n{self.files}")
        if self.steps:
            lines = "".join(
                f"#   {number}. {', '.join(labels)}\n"
                for number, labels in enumerate(self.steps, 1)
            )
            sections.append(f"# pods that are replaced or created, step by step\n{lines}")
        if self.removed:
            sections.append(f"# components that are removed\n#   {', '.join(self.removed)}\n")
        if self.objects:
            lines = "".join(f"#   {' '.join(each)}\n" for each in self.objects)
            sections.append(f"# other objects\n{lines}")
        return "\n".join(sections)

    def names(self) -> tuple[str, ...]:
        """The components whose pods are replaced or created."""
        return tuple(label for step in self.steps for label in step)


def edit_difference(
    before: Inputs, after: Inputs, specs: tuple[Mapping[str, Any], Mapping[str, Any]]
) -> EditDifference:
    """The difference of two states of a platform. ``specs``: as the resource has them."""
    after = _with_other_secrets(before, after)
    old, new = compute_desired(before), compute_desired(after)
    problems = (*new.problems, *new.waiting)
    exposed = any(each.reason == Reason.SECRET_IN_VARIABLES for each in problems)
    spec = (
        "not shown, as spec.variables holds a secret value\n"
        if exposed
        else spec_difference(*specs, "live", "file")
    )
    found = EditDifference(
        spec,
        problems=problems,
        warnings=tuple(each for each in new.warnings if each not in old.warnings),
    )
    if problems or old.problems or old.waiting:
        return found
    return replace(
        found,
        files="".join(_file_differences(before, after)),
        steps=tuple(rollout_steps(old, new)),
        removed=tuple(sorted(set(_labels(old).values()) - set(_labels(new).values()))),
        objects=tuple(_object_changes(old, new)),
    )


def _with_other_secrets(before: Inputs, after: Inputs) -> Inputs:
    """The later inputs, with other values where the spec refers to other Secrets."""
    old, new = before.platform.spec, after.platform.spec
    changed = {
        name
        for name in after.secrets
        if name in before.secrets and old.secrets.get(name) != new.secrets.get(name)
    }
    secrets = {
        name: _other(text) if name in changed else text for name, text in after.secrets.items()
    }
    after = replace(after, secrets=secrets)
    if old.tls != new.tls:
        after = replace(after, certificate=_OTHER_CERTIFICATE)
    return after


def _other(text: str) -> str:
    """Another text, which stays JSON if it is."""
    return f"{text}{_OTHER}" if text[:1] not in ("{", "[", '"') and not text[:1].isdigit() else text


# --- files ---


def _file_differences(before: Inputs, after: Inputs) -> Iterator[str]:
    old, new = _files(before), _files(after)
    for path in sorted(old.keys() | new.keys()):
        (was, was_secret), (now, now_secret) = old.get(path, ("", "")), new.get(path, ("", ""))
        if was != now:
            lines = difflib.unified_diff(
                was.splitlines(), now.splitlines(), f"live: {path}", f"file: {path}", lineterm=""
            )
            yield "".join(f"{line}\n" for line in lines)
        elif was_secret != now_secret:
            yield f"# {path}: only values of secrets change\n"


def _files(inputs: Inputs) -> dict[str, tuple[str, str]]:
    """Path with its role → the text with masks for secrets, and the text itself to compare."""
    resolved = resolve_platform_values(
        inputs.platform,
        inputs.bundle,
        addresses=inputs.addresses,
        secrets=inputs.secrets,
        cluster_dns=inputs.cluster_dns,
    )
    roles = list(dict.fromkeys(each.role for each in resolved.instances))
    try:
        rendered = render(inputs.bundle, resolved.values, roles)
    except RenderError:
        return {}
    found: dict[str, tuple[str, str]] = {}
    for role, files in rendered.items():
        for file in files:
            if file.path != COMPOSE_FILE:
                text = file.content.decode("utf-8", "replace")
                shown = readable(file.masked or "(secret)") if file.secret else text
                found[f"{role}/{file.path}"] = shown, text
    return found


# --- pods ---


def rollout_steps(old: Desired, new: Desired) -> Iterator[tuple[str, ...]]:
    """The steps in which a rollout replaces pods, if every one of them becomes ready."""
    before, after = _workloads(old), _workloads(new)
    workloads = [
        Workload(
            name=plan.name,
            label=plan.label,
            role=instance.role,
            instance=instance.name,
            tier=plan.tier,
            desired=pod_template(after[plan.name]),
            live=pod_template(before[plan.name]) if plan.name in before else None,
            last_good=pod_template(before[plan.name]) if plan.name in before else None,
            ready=plan.name in before,
            migrates=plan.migrates,
            runs=not plan.scaled_to_zero,
            reads=plan.reads,
        )
        for instance in new.instances
        for plan in instance.workloads
        if plan.name in after
    ]
    labels = {each.name: each.label for each in workloads}
    progress = Progress(revision=2, began=_NOW, last_good=1)
    for _ in range(_MOST_STEPS):
        step = decide(workloads, progress, Policy(), _NOW).to_desired
        if not step:
            return
        yield tuple(label for name, label in labels.items() if name in step)
        workloads = [
            replace(each, live=each.desired, ready=True) if each.name in step else each
            for each in workloads
        ]


def _workloads(desired: Desired) -> dict[str, Object]:
    return {
        item["metadata"]["name"]: item for item in desired.objects if item["kind"] in WORKLOAD_KINDS
    }


def _labels(desired: Desired) -> dict[str, str]:
    return {each.name: each.label for plan in desired.instances for each in plan.workloads}


# --- other objects ---


def _object_changes(old: Desired, new: Desired) -> Iterator[tuple[str, str, str]]:
    before, after = _others(old), _others(new)
    for key in sorted(before.keys() | after.keys()):
        if key not in before:
            yield ("created", *key)
        elif key not in after:
            retained = key[0] == "PersistentVolumeClaim"
            yield ("retained" if retained else "deleted", *key)
        elif before[key] != after[key]:
            yield ("changed", *key)


def _others(desired: Desired) -> dict[tuple[str, str], Object]:
    request = (desired.certificate_request,) if desired.certificate_request else ()
    objects: Iterable[Object] = (*desired.services, *request, *desired.objects)
    return {
        (item["kind"], item["metadata"]["name"]): item
        for item in objects
        if item["kind"] not in _NOT_COMPARED
    }


def is_blocked(difference: EditDifference) -> bool:
    """Whether the operator would refuse the edit."""
    return any(isinstance(each, Problem) for each in difference.problems)
