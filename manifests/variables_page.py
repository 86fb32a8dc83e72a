"""docs/variables.md: every variable of the newest release, as `kubectl pryv explain` has it."""

from __future__ import annotations

import json
import re
from importlib.resources import files
from typing import TYPE_CHECKING, Any, Final

from manifests.pages import markdown
from pryv_operator.offline.variable_texts import explain_offline
from pryv_operator.templates.builtin import load_release

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

_GROUP: Final = re.compile(r"^  # (.+)$")
_NAME: Final = re.compile(r"^  ([A-Z][A-Z0-9_]*):$")
#: Longer defaults are left to `kubectl pryv explain` and to the release's own file.
_LONGEST_DEFAULT: Final = 160
_INTRODUCTION: Final = """\
After this page you know every variable of Pryv.io {version}: its meaning and default. You know
which files it goes into, and what restarts when it changes.

Set variables in `spec.variables`, and secret ones in `spec.secrets` ([configure](configure.md)).
Names of 2019 work, too. A variable's name inside a text is replaced by its value, as in
`https://sw.DOMAIN/`.

Files and restarts are those of a platform with one core (co1) and a reg-slave. Variables that only
a single node has are shown for that. A secret is *generated* unless you name a Secret of yours.
*Computed* ones follow from the cluster and the roles, unless you set them."""


def page(comment: str) -> str:
    """The page's content."""
    bundle = load_release()
    sections: list[str] = []
    for group, names in groups(bundle.version or ""):
        sections += [f"## {group}", ""]
        for name in names:
            sections += section(explain_offline(bundle, name).document)
    introduction = _INTRODUCTION.format(version=bundle.version)
    return "\n".join([f"<!-- {comment} -->", "# Variables", "", introduction, "", *sections])


def groups(version: str) -> Iterator[tuple[str, list[str]]]:
    """The groups that comments of a release's variables.yaml make, with names of variables."""
    folder = files("pryv_operator.templates") / "releases" / version
    group, names = "", list[str]()
    for line in (folder / "variables.yaml").read_text(encoding="utf-8").splitlines():
        if heading := _GROUP.match(line):
            if names:
                yield group, names
            group, names = heading[1], []
        elif name := _NAME.match(line):
            names.append(name[1])
    if names:
        yield group, names


def section(variable: Mapping[str, Any]) -> list[str]:
    """The section of a variable, from what `kubectl pryv explain -o json` shows of it."""
    return [
        *summary(variable),
        f"- **Files:** {_files(variable['files'])}",
        f"- **Restarts:** {_restarts(variable['restarts'])}",
        "",
    ]


def summary(variable: Mapping[str, Any]) -> list[str]:
    """The part of a section that the release declares."""
    lines = [
        f"### `{variable['name']}`",
        "",
        markdown(variable["description"]),
        "",
        f"- **Type:** {variable['type']}{_allowed(variable.get('allowed'))}",
        f"- **Default:** {_default(variable)}",
    ]
    if variable["secretPaths"]:
        lines.append(f"- **Secret:** {_codes(variable['secretPaths'])}")
    if others := variable["otherNames"]:
        names = (
            f"`{each['name']}`" + (f" for `{each['path']}`" if "path" in each else "")
            for each in others
        )
        lines.append(f"- **Name of 2019:** {', '.join(names)}")
    return lines


def _allowed(allowed: Any) -> str:
    if isinstance(allowed, list):
        return "; one of " + _codes(allowed)
    bounds = [
        f"at {'least' if bound == 'minimum' else 'most'} {number:g}"
        for bound, number in (allowed or {}).items()
    ]
    return "; " + ", ".join(bounds) if bounds else ""


def _default(variable: Mapping[str, Any]) -> str:
    if "default" in variable:
        text = json.dumps(variable["default"], ensure_ascii=False)
        if len(text) <= _LONGEST_DEFAULT and "`" not in text:
            return f"`{text}`"
        return f"see `kubectl pryv explain {variable['name']}`"
    if variable["secret"]:
        return "generated"
    if variable["computed"]:
        return "computed"
    return "none; it is required" if variable["required"] else "none"


def _files(by_role: Mapping[str, Iterable[str]]) -> str:
    return "; ".join(f"{role} {_codes(paths)}" for role, paths in by_role.items()) or "none"


def _restarts(components: Iterable[str] | None) -> str:
    if components is None:
        return "depends on other variables"
    return ", ".join(components) or "nothing"


def _codes(texts: Iterable[Any]) -> str:
    return ", ".join(f"`{text}`" for text in texts)
