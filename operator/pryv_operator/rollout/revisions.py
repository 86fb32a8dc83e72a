"""The revision history of a platform, from the metadata of its ControllerRevisions. Pure.

Each distinct desired state is a numbered revision. What a reconciliation has to know about a
revision is in its annotations, so that only metadata are read; ``rollout/revision_record.py`` says
what else it holds.
"""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from pryv_operator.api import labels_annotations as keys
from pryv_operator.api import names
from pryv_operator.api.kubernetes import Object
from pryv_operator.live.pod_references import Reference
from pryv_operator.rollout.decide import PodTemplate
from pryv_operator.rollout.revision_inputs import RevisionInput, decode_all

PURPOSE: Final = "history"
_FAILURE_CHARACTERS: Final = 2000


@dataclass(frozen=True)
class Revision:
    """A revision, from its metadata.

    ``state_digest``: digest of the desired state that it records.
    ``templates``: workload → its pod template.
    ``references``: the ConfigMaps and Secrets that its pod templates use.
    ``inputs``: what it was made from besides the spec → keyed hash.
    ``complete``: it was rolled out completely.
    ``not_run``: all that runs was rolled out; these have no pod by the spec, and have never run
    their template. ``failed``: why its rollout has failed, if it has.
    ``attempt``: the platform's ``pryv.io/reconcile`` when it failed.
    ``unready``: names of the workloads that were not ready when its rollout began.
    ``migrated``: names of the workloads that migrate data and were given another image with it.
    ``blocked``: labels of the components that belong to it and were blocked: without records, and
    it is never complete.
    ``restarts``: workload → the restart that its pods were created for; None when the revision was
    recorded by an operator that did not record restarts.
    ``basis``: what else it was made from; None when recorded by an operator that did not defer.
    ``item``: the ControllerRevision as it was read, for preconditions.
    ``authentic``: the operator has recorded it; nothing that another one records is applied.
    """

    number: int
    name: str
    state_digest: str
    created: dt.datetime
    templates: Mapping[str, PodTemplate]
    references: frozenset[Reference]
    inputs: Mapping[RevisionInput, str]
    complete: bool
    not_run: frozenset[str]
    failed: str | None
    attempt: str
    retried: dt.datetime | None
    unready: frozenset[str]
    migrated: frozenset[str]
    blocked: tuple[str, ...]
    restarts: Mapping[str, str] | None
    basis: Mapping[str, Any] | None
    item: Object = field(repr=False)
    authentic: bool = False

    @property
    def uid(self) -> str:
        """The uid of the ControllerRevision; empty offline."""
        return str(self.item["metadata"].get("uid", ""))

    @property
    def began(self) -> dt.datetime:
        """When its rollout began, or was retried."""
        return self.retried or self.created

    @property
    def rolled_out(self) -> bool:
        """Whether every component with pods runs the revision."""
        return self.complete or bool(self.not_run)


def parse_revisions(items: Iterable[Object]) -> tuple[Revision, ...]:
    """The history from its ControllerRevisions, oldest first; unreadable ones are ignored."""
    found = [revision for item in items if (revision := _parse(item))]
    return tuple(sorted(found, key=lambda each: each.number))


def last_good(history: Sequence[Revision]) -> Revision | None:
    """The newest revision of which all that runs was rolled out."""
    return next((each for each in reversed(history) if each.rolled_out), None)


def last_run(history: Sequence[Revision], workload: str) -> Revision | None:
    """The newest rolled out revision whose template a workload has run."""
    return next(
        (
            each
            for each in reversed(history)
            if each.rolled_out and workload in each.templates and workload not in each.not_run
        ),
        None,
    )


def inputs_in_use(history: Sequence[Revision]) -> frozenset[RevisionInput]:
    """The inputs of the newest revision."""
    return frozenset(history[-1].inputs) if history else frozenset()


def migrated_workloads(history: Sequence[Revision]) -> frozenset[str]:
    """Names of workloads that may have migrated their data since the last good revision."""
    good = last_good(history)
    return frozenset(
        name
        for each in history
        if good is None or each.number > good.number
        for name in each.migrated
    )


def recorded_restarts(history: Sequence[Revision]) -> Mapping[str, str] | None:
    """Workload → the restart that the newest authentic revision records; None without records."""
    return next((each.restarts for each in reversed(history) if each.authentic), None)


def revisions_to_prune(history: Sequence[Revision], limit: int) -> tuple[Revision, ...]:
    """Revisions beyond the limit; never the newest one, nor one that a rollback may need.

    Those that are not authentic go first: others could create so many that no other one is left.
    """
    authentic = [each for each in history if each.authentic]
    needed = {each.number for some in (history, authentic) for each in _needed(some)}
    older = [each for each in history[:-1] if each.number not in needed]
    older.sort(key=lambda each: (each.authentic, each.number))
    return tuple(older[: max(0, len(older) - limit)])


def _needed(history: Sequence[Revision]) -> Iterator[Revision]:
    """The last good revision, and those whose templates a rollback takes in place of its own."""
    if good := last_good(history):
        yield good
        yield from (ran for name in good.not_run if (ran := last_run(history, name)))


def basis_annotations(basis: Mapping[str, Any]) -> dict[str, str | None]:
    """The annotations that record what a revision was made from."""
    return {keys.BASIS: compact_json(basis)}


def complete_annotations() -> dict[str, str | None]:
    """The annotations that record that a revision was rolled out completely."""
    return {keys.COMPLETE: "true", keys.NOT_RUN: None}


def not_run_annotations(workloads: Iterable[str]) -> dict[str, str | None]:
    """The annotations of a revision that is rolled out except for what has never run."""
    return {keys.NOT_RUN: compact_json(sorted(workloads))}


def failed_annotations(message: str, attempt: str) -> dict[str, str | None]:
    """The annotations that record that the rollout of a revision has failed."""
    return {keys.FAILED: message[:_FAILURE_CHARACTERS], keys.ATTEMPT: attempt}


def retried_annotations(now: dt.datetime) -> dict[str, str | None]:
    """The annotations of a failed revision that is retried."""
    return {keys.FAILED: None, keys.ATTEMPT: None, keys.RETRIED: f"{now:%Y-%m-%dT%H:%M:%SZ}"}


def migrated_annotations(workloads: Iterable[str]) -> dict[str, str]:
    """The annotations of a revision that gives workloads an image that may migrate their data."""
    listed = sorted(workloads)
    return {keys.MIGRATED: compact_json(listed)} if listed else {}


def parse_time(text: str) -> dt.datetime:
    """A time as the API server writes it."""
    return dt.datetime.fromisoformat(text)


def parse_shared_secrets(text: str | None) -> frozenset[tuple[str, str]]:
    """Variable and keyed hash of each shared secret, from an annotation; empty when unreadable."""
    try:
        found = json.loads(text) if text else {}
    except ValueError:
        return frozenset()
    return frozenset(found.items()) if isinstance(found, dict) else frozenset()


def compact_json(value: Any) -> str:
    """JSON as annotations hold it: sorted keys, no blanks."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"))


def _parse(item: Object) -> Revision | None:
    metadata = item["metadata"]
    annotations = metadata.get("annotations") or {}
    try:
        number = int(metadata["name"].rpartition("-")[2])
        if metadata["name"] != names.revision(metadata["labels"][keys.PLATFORM], number):
            return None
        templates = json.loads(annotations[keys.TEMPLATES])
        references = json.loads(annotations[keys.REFERENCES])
        retried = annotations.get(keys.RETRIED)
        return Revision(
            number=number,
            name=metadata["name"],
            state_digest=annotations[keys.DESIRED],
            created=parse_time(metadata["creationTimestamp"]),
            templates={name: _pod_template(entry) for name, entry in templates.items()},
            references=frozenset(
                (kind, name) for kind, _, name in (each.partition("/") for each in references)
            ),
            inputs=decode_all(json.loads(annotations[keys.INPUTS])),
            complete=annotations.get(keys.COMPLETE) == "true",
            not_run=frozenset(json.loads(annotations.get(keys.NOT_RUN) or "[]")),
            failed=annotations.get(keys.FAILED),
            attempt=annotations.get(keys.ATTEMPT, ""),
            retried=parse_time(retried) if retried else None,
            unready=frozenset(json.loads(annotations.get(keys.UNREADY, "[]"))),
            migrated=frozenset(json.loads(annotations.get(keys.MIGRATED, "[]"))),
            blocked=tuple(json.loads(annotations.get(keys.BLOCKED, "[]"))),
            restarts=_restarts(templates),
            basis=json.loads(annotations[keys.BASIS]) if keys.BASIS in annotations else None,
            item=item,
        )
    except (KeyError, ValueError, TypeError, AttributeError, RecursionError):
        return None


def _pod_template(entry: Mapping[str, Any]) -> PodTemplate:
    shared = parse_shared_secrets(entry.get("shared"))
    return PodTemplate(
        entry["digest"], entry.get("image"), shared, str(entry.get("bootInputs") or "")
    )


def _restarts(templates: Mapping[str, Any]) -> Mapping[str, str] | None:
    if any("restarted" not in entry for entry in templates.values()):
        return None
    return {name: entry["restarted"] for name, entry in templates.items() if entry["restarted"]}
