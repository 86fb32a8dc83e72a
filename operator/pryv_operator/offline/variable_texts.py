"""What ``kubectl pryv explain`` shows of a variable, as a document and as text. Pure."""

from __future__ import annotations

import json
import textwrap
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from pryv_operator.api.platform import Platform
from pryv_operator.api.spec import PryvPlatformSpec
from pryv_operator.desired.inputs import Inputs
from pryv_operator.leader.taint import is_masked, readable
from pryv_operator.offline.preview import placeholder_inputs
from pryv_operator.offline.variables import (
    VariableInfo,
    files_with,
    find_variable,
    restarted_by,
)
from pryv_operator.templates.bundle import Bundle
from pryv_operator.values.catalogue import Catalogue, Place
from pryv_operator.values.nested import map_leaves, value_at
from pryv_operator.values.platform_values import resolve_platform_values

_WIDTH: Final = 88
_INDENT: Final = "  "
#: Longer values are cut in text; ``-o json`` has all of them.
_SHOWN: Final = 240
_HEADINGS: Final = ("NAME", "TYPE", "DEFAULT", "DESCRIPTION")


@dataclass(frozen=True)
class Setting:
    """How a platform sets a variable: the field, and the value with masks for secrets."""

    field: str | None
    value: Any


@dataclass(frozen=True)
class Explanation:
    """A variable with its effect. ``restarts`` None: it cannot be computed."""

    info: VariableInfo
    catalogue: Catalogue = field(repr=False)
    files: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    restarts: tuple[str, ...] | None = None
    setting: Setting | None = None

    @property
    def document(self) -> dict[str, Any]:
        """The explanation as JSON."""
        info, variable = self.info, self.info.variable
        found: dict[str, Any] = {
            "name": info.name,
            "type": "any" if info.path else variable.type,
            "description": variable.description,
            "otherNames": [_other(name, path) for name, path in self._other_names()],
            "required": variable.required,
            "computed": variable.computed,
            "secret": info.is_secret(self.catalogue),
            "secretPaths": [] if info.path else list(variable.secret_paths),
            "setIn": list(info.where(self.catalogue)),
            "files": {role: list(paths) for role, paths in self.files.items()},
            "restarts": None if self.restarts is None else list(self.restarts),
        }
        if info.has_default:
            found["default"] = info.default
        allowed = _allowed(info)
        if allowed:
            found["allowed"] = allowed
        if self.setting:
            found["platform"] = {"field": self.setting.field, "value": self.setting.value}
        return found

    @property
    def text(self) -> str:
        """The explanation for a terminal."""
        info, variable = self.info, self.info.variable
        lines = [f"VARIABLE: {info.name}" + ("" if info.path else f" <{variable.type}>"), ""]
        lines += ["DESCRIPTION:", *_wrapped(variable.description), ""]
        for name, path in self._other_names():
            lines.append(f"ALSO:     {name} (2019){' for ' + path if path else ''}")
        lines.append(f"DEFAULT:  {self._default()}")
        allowed = _allowed(info)
        if allowed:
            lines.append(f"ALLOWED:  {_compact(allowed)}")
        lines.append(f"SECRET:   {self._secret()}")
        lines += [f"SET IN:   {each}" for each in info.where(self.catalogue)]
        if self.setting:
            where = self.setting.field or "default or computed"
            lines.append(f"VALUE:    {_shortened(_compact(self.setting.value))} ({where})")
        lines += ["", "FILES:", *self._files(), "", "RESTARTS:", *_wrapped(self._restarts())]
        return "\n".join(lines) + "\n"

    def _other_names(self) -> list[tuple[str, str]]:
        """Names of 2019, of a path those of what is in it or around it, with their paths."""
        variable = self.info.variable.name
        asked = Place(variable, self.info.path)
        return [
            (name, path)
            for name, path in self.info.other_names.items()
            if _concerns(Place(variable, tuple(path.split(".")) if path else ()), asked)
        ]

    def _default(self) -> str:
        info, variable = self.info, self.info.variable
        if info.has_default:
            return _shortened(_compact(info.default))
        if info.is_secret(self.catalogue):
            return "generated" if variable.secret else "none"
        if variable.computed:
            return "computed by the operator"
        return "none; it is required" if variable.required else "none"

    def _secret(self) -> str:
        info, variable = self.info, self.info.variable
        if info.is_secret(self.catalogue):
            return "yes; its value is in a Secret, never in spec.variables"
        if variable.secret_paths and not info.path:
            return f"only {', '.join(variable.secret_paths)}"
        return "no"

    def _files(self) -> list[str]:
        if not self.files:
            return [f"{_INDENT}none of this platform"]
        return [f"{_INDENT}{role}/{path}" for role, paths in self.files.items() for path in paths]

    def _restarts(self) -> str:
        if self.restarts is None:
            return "not known: a change depends on other variables; see the files"
        return ", ".join(self.restarts) or "nothing"


def explain(info: VariableInfo, inputs: Inputs, platform: Platform | None = None) -> Explanation:
    """A variable with its effect on a platform.

    ``platform``: the user's, whose value is shown; None: ``inputs`` are of an example.
    """
    catalogue = Catalogue(inputs.bundle.variables)
    return Explanation(
        info,
        catalogue,
        files_with(inputs, info.variable.name),
        restarted_by(inputs, info),
        _setting(info, inputs, platform) if platform else None,
    )


def explain_offline(bundle: Bundle, name: str) -> Explanation:
    """A variable of a release by any of its names, with its effect on an example.

    The example has every role of a cluster, or is a single node for what only that uses.

    Raises:
        UnknownVariableError: the release has no such variable.
    """
    info = find_variable(bundle, name)
    found = explain(info, _example(bundle, {"reg-slave": {}}))
    if found.restarts or "singlenode" not in bundle.roles:
        return found
    single = explain(info, _example(bundle, {"singlenode": {}}))
    return single if single.restarts else found


def _example(bundle: Bundle, roles: Mapping[str, Any]) -> Inputs:
    spec = PryvPlatformSpec.model_validate({"domain": "pryv.example.org", "roles": roles})
    return placeholder_inputs(Platform("example", "default", "", spec), bundle)


def _setting(info: VariableInfo, inputs: Inputs, platform: Platform) -> Setting:
    catalogue = Catalogue(inputs.bundle.variables)
    resolved = resolve_platform_values(
        platform,
        inputs.bundle,
        addresses=inputs.addresses,
        secrets=inputs.secrets,
        cluster_dns=inputs.cluster_dns,
    )
    value = resolved.values.get(info.variable.name)
    place = Place(info.variable.name, info.path)
    fields = [
        *(f"spec.secrets.{name}" for name in sorted(platform.spec.secrets)),
        *(f"spec.variables.{name}" for name in sorted(platform.spec.variables)),
    ]
    field_ = next(
        (each for each in fields if _concerns(catalogue.place(each.split(".", 2)[2]), place)), None
    )
    if info.is_secret(catalogue):
        return Setting(field_, "(secret)")
    shown = value_at(value.visible, info.path, missing=None) if value else None
    return Setting(field_, map_leaves(shown, _readable))


def _concerns(one: Place, other: Place) -> bool:
    """Whether one of two places is inside the other."""
    length = min(len(one.path), len(other.path))
    return one.variable == other.variable and one.path[:length] == other.path[:length]


def _readable(leaf: Any) -> Any:
    return readable(leaf) if isinstance(leaf, str) and is_masked(leaf) else leaf


def variable_table(bundle: Bundle) -> str:
    """All variables of a bundle, a line each."""
    rows = [
        (name, each.type, _brief_default(VariableInfo(each)), each.description)
        for name, each in bundle.variables.items()
    ]
    widths = [max(len(row[i]) for row in (_HEADINGS, *rows)) for i in range(3)]
    return "".join(
        "   ".join(
            [*(cell.ljust(width) for cell, width in zip(row, widths, strict=False)), row[3]]
        ).rstrip()
        + "\n"
        for row in (_HEADINGS, *rows)
    )


def variable_documents(bundle: Bundle) -> list[dict[str, Any]]:
    """All variables of a bundle, without their effect."""
    catalogue = Catalogue(bundle.variables)
    found = (
        Explanation(VariableInfo(each), catalogue).document for each in bundle.variables.values()
    )
    return [{k: v for k, v in each.items() if k not in ("files", "restarts")} for each in found]


def _brief_default(info: VariableInfo) -> str:
    if not info.has_default:
        variable = info.variable
        return "(generated)" if variable.secret else "(computed)" if variable.computed else "-"
    text = _compact(info.default)
    return text if len(text) <= 24 else text[:23] + "…"


def _allowed(info: VariableInfo) -> list[Any] | dict[str, float] | None:
    if info.path:
        return None
    variable = info.variable
    if variable.enum:
        return list(variable.enum)
    bounds = {"minimum": variable.minimum, "maximum": variable.maximum}
    return {name: each for name, each in bounds.items() if each is not None} or None


def _other(name: str, path: str) -> dict[str, str]:
    return {"name": name, **({"path": path} if path else {})}


def _compact(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)


def _shortened(text: str) -> str:
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}… (-o json shows all)"


def _wrapped(text: str) -> Iterable[str]:
    return textwrap.wrap(
        text, _WIDTH, initial_indent=_INDENT, subsequent_indent=_INDENT, break_on_hyphens=False
    )
