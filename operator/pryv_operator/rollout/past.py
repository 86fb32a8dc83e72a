"""The past of a platform, for a person who asks: what each revision was, how two differ, and whether one can come back. Pure.

Nothing here has ever held a value of a secret: revisions name configuration by its content, and inputs by keyed hashes.
"""

from __future__ import annotations

import base64
import binascii
import difflib
import re
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from pryv_operator.api import labels_annotations as keys
from pryv_operator.api import names
from pryv_operator.api.kubernetes import Object
from pryv_operator.api.spec import PryvPlatformSpec
from pryv_operator.objects import manifest
from pryv_operator.rollout import revisions
from pryv_operator.rollout.revision_inputs import (
    RevisionInput,
    SecretInput,
    TemplatesInput,
    encode,
)
from pryv_operator.rollout.revisions import Revision

#: Of today whatever was then: how changes are brought to what runs, and what becomes of the data.
OF_TODAY: Final = ("deletionPolicy", "rollout", "stopped")

_BY_CONTENT: Final = re.compile("-[0-9a-f]{10}$")
_SHOWN: Final = 4
_WHY_CHARACTERS: Final = 160

#: ConfigMap → its data; one that is not there, or cannot be read, is left out.
Contents = Mapping[str, Mapping[str, str]]
#: Path of a file, or an environment variable → kind, name and key of what holds it.
Places = Mapping[str, tuple[str, str, str]]


class PastError(Exception):
    """What was asked for cannot be had, or must not be done; the message says why."""


@dataclass(frozen=True)
class Kept:
    """A revision that was read whole: with the spec, and the workloads (by name) as they were recorded."""

    revision: Revision
    spec: Mapping[str, Any]
    workloads: Mapping[str, Object]

    @property
    def number(self) -> int:
        """Its number."""
        return self.revision.number

    @property
    def title(self) -> str:
        """What it is called."""
        return f"revision {self.number}"


def kept(items: Iterable[Object]) -> tuple[Kept, ...]:
    """The history from its ControllerRevisions, oldest first; what cannot be read is passed over."""
    return tuple(whole for revision in revisions.revisions(items) if (whole := _whole(revision)))


def find(past: Sequence[Kept], number: int) -> Kept:
    """A revision by its number.

    Raises:
        PastError: there is none; it says which there are.
    """
    for each in past:
        if each.number == number:
            return each
    there = (
        f"there are {', '.join(str(each.number) for each in past)}"
        if past
        else "there is no history yet"
    )
    raise PastError(f"there is no revision {number}: {there}")


# --- history ---


def table(past: Sequence[Kept], *, paused: bool = False) -> str:
    """The history as lines of columns, oldest first. ``paused``: the platform is, so that nothing goes on."""
    rows = [("REVISION", "CREATED", "STATE", "CHANGED")]
    for before, each in zip((None, *past), past, strict=False):
        going_on = ("paused" if paused else "rolling") if each is past[-1] else "superseded"
        rows.append(
            (
                str(each.number),
                f"{each.revision.created:%Y-%m-%d %H:%M:%SZ}",
                _state(each, going_on),
                _changed(before, each),
            )
        )
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    return "".join(
        "  ".join(text.ljust(width) for text, width in zip(row, widths, strict=True)).rstrip()
        + "\n"
        for row in rows
    )


def _state(each: Kept, unless_ended: str) -> str:
    revision = each.revision
    if revision.failed is not None:
        return f"failed: {_short(revision.failed)}"
    return "complete" if revision.complete else unless_ended


def _changed(before: Kept | None, after: Kept) -> str:
    """What a revision changed, in a few words."""
    if before is None:
        return "the first one" if after.number == 1 else "the oldest one that is kept"
    said = []
    old, new = before.revision.templates, after.revision.templates
    touched = [
        name for name in sorted(old.keys() & new.keys()) if old[name].digest != new[name].digest
    ]
    for word, listed, workloads in (
        ("", touched, after.workloads),
        ("new: ", sorted(new.keys() - old.keys()), after.workloads),
        ("gone: ", sorted(old.keys() - new.keys()), before.workloads),
    ):
        if listed:
            said.append(word + _listed([_label(name, workloads) for name in listed]))
    inputs = changed_inputs(before, after)
    if inputs:
        said.append(f"by {_listed(inputs)}")
    return "; ".join(said) or "Services or claims"


# --- the difference of two ---


def changed_inputs(before: Kept, after: Kept) -> list[str]:
    """What outside of the spec went into one of them only, or with another value."""
    old, new = before.revision.inputs, after.revision.inputs
    return sorted(str(name) for name in old.keys() | new.keys() if old.get(name) != new.get(name))


def config_maps(before: Kept, after: Kept) -> frozenset[str]:
    """ConfigMaps whose content is needed to tell what differs."""
    found: set[str] = set()
    for name in before.workloads.keys() | after.workloads.keys():
        old, new = (_places(each.workloads.get(name)) for each in (before, after))
        differing = [
            place
            for path in old.keys() | new.keys()
            if old.get(path) != new.get(path)
            for place in (old.get(path), new.get(path))
        ]
        found |= {place[1] for place in differing if place and place[0] == "ConfigMap"}
    return frozenset(found)


def difference(before: Kept, after: Kept, contents: Contents) -> str:
    """What differs: the spec, and for each component its files and the rest of its pod template. Empty when nothing does."""
    sections = []
    spec = spec_difference(before.spec, after.spec, before.title, after.title)
    if spec:
        sections.append(f"# spec\n{spec}")
    inputs = changed_inputs(before, after)
    if inputs:
        sections.append(
            "# made with another value of\n" + "".join(f"#   {name}\n" for name in inputs)
        )
    alike: dict[str, list[str]] = {}
    for name in sorted(before.workloads.keys() | after.workloads.keys()):
        text = _component(before, after, name, contents)
        if text:
            alike.setdefault(text, []).append(_label(name, {**before.workloads, **after.workloads}))
    sections += [f"# {', '.join(labels)}\n{text}" for text, labels in alike.items()]
    if not sections and before.revision.desired != after.revision.desired:
        sections.append("# Services or claims, which the history does not keep\n")
    return "\n".join(sections)


def spec_difference(before: Mapping[str, Any], after: Mapping[str, Any], old: str, new: str) -> str:
    """Two specs as a unified diff of their YAML; empty when they say the same."""
    return _unified(_yaml(before), _yaml(after), f"{old}: spec", f"{new}: spec")


def _component(before: Kept, after: Kept, name: str, contents: Contents) -> str:
    old, new = before.workloads.get(name), after.workloads.get(name)
    if old is None or new is None:
        return f"# only in {before.title if new is None else after.title}\n"
    text = "".join(_files(_places(old), _places(new), before.title, after.title, contents))
    was, now = (_yaml(_without_content_names(each["spec"]["template"])) for each in (old, new))
    return text + _unified(
        was, now, f"{before.title}: pod template", f"{after.title}: pod template"
    )


def _files(old: Places, new: Places, before: str, after: str, contents: Contents) -> Iterator[str]:
    """What differs in the files of a component; of what is in Secrets only the names."""
    secret: list[str] = []
    for path in sorted(old.keys() | new.keys()):
        was, now = old.get(path), new.get(path)
        if was == now:
            continue
        if "Secret" in (was and was[0], now and now[0]):
            secret.append(path)
            continue
        texts = [
            "" if place is None else contents.get(place[1], {}).get(place[2])
            for place in (was, now)
        ]
        if texts[0] is None or texts[1] is None:
            yield f"# {path}: may have changed; a ConfigMap of it is gone or cannot be read\n"
        else:
            yield _unified(texts[0], texts[1], f"{before}: {path}", f"{after}: {path}")
    if secret:
        yield f"# in Secrets, so not shown; {'this has' if len(secret) == 1 else 'one or more of these have'} changed:\n"
        yield from (f"#   {path}\n" for path in secret)


def _places(workload: Object | None) -> Places:
    """Where a workload's files and environment are kept by content."""
    if workload is None:
        return {}
    pod = workload["spec"]["template"]["spec"]
    found: dict[str, tuple[str, str, str]] = {}
    for volume in pod.get("volumes") or ():
        for source in (volume.get("projected") or {}).get("sources") or ():
            for field, kind in (("configMap", "ConfigMap"), ("secret", "Secret")):
                for item in (source.get(field) or {}).get("items") or ():
                    found[f"{volume['name']}/{item['path']}"] = (
                        kind,
                        source[field]["name"],
                        item["key"],
                    )
    for container in pod.get("containers") or ():
        for variable in container.get("env") or ():
            reference = (variable.get("valueFrom") or {}).get("secretKeyRef")
            if reference:
                found[f"environment variable {variable['name']}"] = (
                    "Secret",
                    reference["name"],
                    reference["key"],
                )
    return found


def _without_content_names(value: Any, field: str = "") -> Any:
    """A pod template in which configuration is not named by its content: that is told file by file."""
    if isinstance(value, Mapping):
        return {
            key: _BY_CONTENT.sub("-…", child)
            if key == "name"
            and field in ("configMap", "secret", "secretKeyRef")
            and isinstance(child, str)
            else _without_content_names(child, key)
            for key, child in value.items()
        }
    return [_without_content_names(child) for child in value] if isinstance(value, list) else value


# --- going back ---


def restored_spec(recorded: Mapping[str, Any], current: Mapping[str, Any]) -> dict[str, Any]:
    """The spec of a revision, with what is of today whatever was then."""
    then = {key: value for key, value in recorded.items() if key not in OF_TODAY}
    return then | {key: current[key] for key in OF_TODAY if key in current}


def bytes_of(secret: Object | None, key: str) -> bytes | None:
    """What a Secret holds under a key."""
    encoded = ((secret or {}).get("data") or {}).get(key)
    try:
        return None if encoded is None else base64.b64decode(encoded)
    except binascii.Error:
        return None


def input_names(name: RevisionInput, spec: PryvPlatformSpec) -> str:
    """An input by the objects that hold it."""
    wanted = spec.templates
    if not isinstance(name, TemplatesInput) or wanted is None:
        return str(name)
    if wanted.archive and wanted.archive.config_map_key_ref:
        config_map = wanted.archive.config_map_key_ref
        return f'ConfigMap "{config_map.name}", key "{config_map.key}"'
    if wanted.archive and wanted.archive.secret_key_ref:
        secret = wanted.archive.secret_key_ref
        return str(SecretInput(secret.name, secret.key))
    return " and ".join(
        f'ConfigMap "{each}"'
        for each in sorted({source.config_map_ref.name for source in wanted.files or ()})
    )


def certificates(spec: PryvPlatformSpec) -> list[str]:
    """Secrets with certificates that the spec names; their content may be another one now, as certificates are renewed."""
    named = [spec.tls.secret_name] if spec.tls and spec.tls.secret_name else []
    roles = spec.roles
    every = (
        (roles.reg_master, roles.core, roles.static, roles.reg_slave, roles.singlenode)
        if roles
        else ()
    )
    return sorted({*named, *(role.tls.secret_name for role in every if role and role.tls)})


def altered(of: Kept, now: Mapping[RevisionInput, str | None], spec: PryvPlatformSpec) -> list[str]:
    """Inputs of a revision that are not what they were. ``now``: input → keyed hash as of now; None, or left out: it is gone."""
    return [
        f"{input_names(name, spec)} {'is gone' if now.get(name) is None else 'has changed since'}"
        for name, recorded in sorted(of.revision.inputs.items(), key=lambda entry: encode(entry[0]))
        if now.get(name) != recorded
    ]


def refusal(
    of: Kept, problems: Sequence[str], hash_key: Object | None, platform: str
) -> str | None:
    """Why a revision's state cannot come from its spec, if so. ``hash_key``: the Secret with the key its inputs were hashed with."""
    if not problems:
        return None
    why = "; ".join(problems)
    text = f"what {of.title} ran cannot come from its spec any more: {why}"
    made = hash_key["metadata"].get("creationTimestamp") if hash_key else None
    if (
        len(problems) >= len(of.revision.inputs) > 0
        and made
        and revisions.time_of(made) > of.revision.created
    ):
        text += f" (or nothing has: Secret {names.hash_key_secret(platform)}, which tells, was made anew after that revision)"
    return (
        f"{text}. Put back what it was, or use --force to have that spec with the values of today"
    )


def not_identical(
    of: Kept, restored: Mapping[str, Any], current: Mapping[str, Any], problems: Sequence[str]
) -> None:
    """Refuse to write what is there already.

    Raises:
        PastError: the spec would stay the same; what differs then, if anything, is not in it.
    """
    if _yaml(restored) != _yaml(current):
        return
    also = f"; what differs is not in the spec: {'; '.join(problems)}" if problems else ""
    raise PastError(f"the resource says what {of.title} says already{also}")


def cautions(of: Kept, newest: Kept, current: Mapping[str, Any]) -> list[str]:
    """What somebody who goes back should know."""
    said = []
    if of.revision.failed is not None:
        said.append(f"{of.title} has failed when it was rolled out: {_short(of.revision.failed)}")
    elif not of.revision.complete:
        said.append(f"{of.title} was never rolled out to the end")
    for name, workload in sorted(of.workloads.items()):
        then, now = of.revision.templates.get(name), newest.revision.templates.get(name)
        if workload["kind"] == "StatefulSet" and then and now and then.image != now.image:
            label = _label(name, of.workloads)
            said.append(
                f"{label} goes from image {now.image} back to {then.image}, which may not read data that the newer one has migrated"
            )
    rollout = current.get("rollout") or {}
    if rollout.get("paused"):
        said.append(
            "the platform is paused (spec.rollout.paused): nothing is applied before that is taken back"
        )
    if current.get("stopped"):
        said.append("the platform is stopped (spec.stopped), and stays so")
    return said


def appliers(resource: Object) -> list[str]:
    """Field managers that apply the spec, and so will put their own state back."""
    return sorted({
        entry["manager"]
        for entry in resource["metadata"].get("managedFields") or ()
        if entry.get("operation") == "Apply" and "f:spec" in (entry.get("fieldsV1") or {})
    })  # fmt: skip


# --- helpers ---


def _whole(revision: Revision) -> Kept | None:
    try:
        spec = revision.item["data"]["spec"]
        workloads = revisions.recorded_workloads(revision.item)
    except (KeyError, TypeError, ValueError, zlib.error):
        return None
    return Kept(revision, spec, workloads)


def _label(name: str, workloads: Mapping[str, Object]) -> str:
    """What people know a workload by."""
    labels = workloads[name].get("labels") or {} if name in workloads else {}
    instance, component = labels.get(keys.INSTANCE), labels.get(keys.COMPONENT)
    return f"{instance}/{component}" if instance and component else name


def _yaml(value: Any) -> str:
    return manifest.dump([_ordered(value)])


def _ordered(value: Any) -> Any:
    """Maps by key: in which order they were written says nothing."""
    if isinstance(value, Mapping):
        return {key: _ordered(value[key]) for key in sorted(value)}
    return [_ordered(child) for child in value] if isinstance(value, list) else value


def _unified(before: str, after: str, old: str, new: str) -> str:
    lines = difflib.unified_diff(before.splitlines(), after.splitlines(), old, new, lineterm="")
    return "".join(f"{line}\n" for line in lines)


def _listed(words: Sequence[str]) -> str:
    rest = len(words) - _SHOWN
    return ", ".join(words[:_SHOWN]) + (f" and {rest} more" if rest > 0 else "")


def _short(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= _WHY_CHARACTERS else line[: _WHY_CHARACTERS - 1] + "…"
