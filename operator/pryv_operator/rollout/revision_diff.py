"""How two revisions differ: the spec, and per component its files and its pod template. Pure.

No secret value is shown: revisions name configuration by its content, and inputs by keyed hashes.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from pryv_operator.api.kubernetes import Object
from pryv_operator.objects import manifest
from pryv_operator.rollout.recorded import (
    RecordedRevision,
    changed_inputs,
    component_label,
    incomparable_inputs,
)

#: The hash at the end of the name of a ConfigMap or Secret with configuration.
_CONTENT_HASH: Final = re.compile("-[0-9a-f]{10}$")

#: ConfigMap → its data; without those that do not exist or cannot be read.
Contents = Mapping[str, Mapping[str, str]]


@dataclass(frozen=True)
class _Source:
    """The key of a ConfigMap or Secret that holds a file or an environment variable."""

    kind: str
    name: str
    key: str


#: Path of a file, or name of an environment variable → what holds it.
_Sources = Mapping[str, _Source]


def config_maps(before: RecordedRevision, after: RecordedRevision) -> frozenset[str]:
    """Names of the ConfigMaps whose content ``revision_difference`` needs."""
    found: set[str] = set()
    for name in before.workloads.keys() | after.workloads.keys():
        old, new = (_sources(each.workloads.get(name)) for each in (before, after))
        differing = [
            source
            for path in old.keys() | new.keys()
            if old.get(path) != new.get(path)
            for source in (old.get(path), new.get(path))
        ]
        found |= {source.name for source in differing if source and source.kind == "ConfigMap"}
    return frozenset(found)


def revision_difference(
    before: RecordedRevision, after: RecordedRevision, contents: Contents
) -> str:
    """The difference of two revisions as text; empty when they are equal."""
    sections = []
    spec = spec_difference(before.spec, after.spec, before.title, after.title)
    if spec:
        sections.append(f"# spec\n{spec}")
    for title, inputs in (
        ("made with other values of", changed_inputs(before, after)),
        (
            "cannot be compared, as a revision is of an earlier version of the operator",
            incomparable_inputs(before, after),
        ),
    ):
        if inputs:
            sections.append(f"# {title}\n" + "".join(f"#   {each}\n" for each in inputs))
    labels_by_text: dict[str, list[str]] = {}
    workloads = {**before.workloads, **after.workloads}
    for name in sorted(workloads):
        text = _component_difference(before, after, name, contents)
        if text:
            labels_by_text.setdefault(text, []).append(component_label(name, workloads))
    sections += [f"# {', '.join(labels)}\n{text}" for text, labels in labels_by_text.items()]
    if not sections and before.revision.state_digest != after.revision.state_digest:
        sections.append("# Services or PVCs, which revisions do not record\n")
    return "\n".join(sections)


def spec_difference(before: Mapping[str, Any], after: Mapping[str, Any], old: str, new: str) -> str:
    """Two specs as a unified diff of their YAML; empty when they are equal.

    ``old`` and ``new`` are their titles.
    """
    return _unified(_yaml(before), _yaml(after), f"{old}: spec", f"{new}: spec")


def same_spec(one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    """Whether two specs are equal; the order of maps does not matter."""
    return _yaml(one) == _yaml(other)


def _component_difference(
    before: RecordedRevision, after: RecordedRevision, name: str, contents: Contents
) -> str:
    old, new = before.workloads.get(name), after.workloads.get(name)
    if old is None or new is None:
        return f"# only in {before.title if new is None else after.title}\n"
    files = _file_differences(_sources(old), _sources(new), (before.title, after.title), contents)
    was, now = (_yaml(_without_content_hashes(each["spec"]["template"])) for each in (old, new))
    titles = f"{before.title}: pod template", f"{after.title}: pod template"
    return "".join(files) + _unified(was, now, *titles)


def _file_differences(
    old: _Sources, new: _Sources, titles: tuple[str, str], contents: Contents
) -> Iterator[str]:
    """The differences of a component's files; of those in Secrets only the names."""
    in_secrets: list[str] = []
    for path in sorted(old.keys() | new.keys()):
        was, now = old.get(path), new.get(path)
        if was == now:
            continue
        if "Secret" in (was and was.kind, now and now.kind):
            in_secrets.append(path)
            continue
        before, after = (
            "" if source is None else contents.get(source.name, {}).get(source.key)
            for source in (was, now)
        )
        if before is None or after is None:
            yield f"# {path}: may have changed; its ConfigMap does not exist or cannot be read\n"
        else:
            yield _unified(before, after, f"{titles[0]}: {path}", f"{titles[1]}: {path}")
    if in_secrets:
        which = "this has changed" if len(in_secrets) == 1 else "at least one has changed"
        yield f"# in Secrets, so not shown; {which}:\n"
        yield from (f"#   {path}\n" for path in in_secrets)


def _sources(workload: Object | None) -> _Sources:
    """What holds the files and environment variables of a recorded workload."""
    if workload is None:
        return {}
    pod = workload["spec"]["template"]["spec"]
    found: dict[str, _Source] = {}
    for volume in pod.get("volumes") or ():
        for source in (volume.get("projected") or {}).get("sources") or ():
            for field, kind in (("configMap", "ConfigMap"), ("secret", "Secret")):
                for item in (source.get(field) or {}).get("items") or ():
                    path = f"{volume['name']}/{item['path']}"
                    found[path] = _Source(kind, source[field]["name"], item["key"])
    for container in pod.get("containers") or ():
        for variable in container.get("env") or ():
            reference = (variable.get("valueFrom") or {}).get("secretKeyRef")
            if reference:
                name = f"environment variable {variable['name']}"
                found[name] = _Source("Secret", reference["name"], reference["key"])
    return found


def _without_content_hashes(value: Any, field: str = "") -> Any:
    """A pod template without the hashes in names of configuration, which is compared by file."""
    if isinstance(value, Mapping):
        names_configuration = field in ("configMap", "secret", "secretKeyRef")
        return {
            key: _CONTENT_HASH.sub("-…", child)
            if key == "name" and names_configuration and isinstance(child, str)
            else _without_content_hashes(child, key)
            for key, child in value.items()
        }
    if isinstance(value, list):
        return [_without_content_hashes(child) for child in value]
    return value


def _yaml(value: Any) -> str:
    return manifest.dump([_sorted(value)])


def _sorted(value: Any) -> Any:
    """A value with its maps sorted by key, because their order means nothing."""
    if isinstance(value, Mapping):
        return {key: _sorted(value[key]) for key in sorted(value)}
    return [_sorted(child) for child in value] if isinstance(value, list) else value


def _unified(before: str, after: str, old: str, new: str) -> str:
    lines = difflib.unified_diff(before.splitlines(), after.splitlines(), old, new, lineterm="")
    return "".join(f"{line}\n" for line in lines)
