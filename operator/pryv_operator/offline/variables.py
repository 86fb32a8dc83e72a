"""What a variable is and what it affects: its declaration, the files it is in, what restarts. Pure.

The files are found by taint: with this variable as the only secret, every file that it goes into
becomes secret, through includes and through other variables too. What restarts is found by
computing the desired state twice, with another value the second time.
"""

from __future__ import annotations

import difflib
import itertools
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

from pryv_operator.api.kubernetes import WORKLOAD_KINDS, Object
from pryv_operator.api.platform import Platform
from pryv_operator.desired.inputs import Inputs
from pryv_operator.desired.state import Desired, compute_desired
from pryv_operator.leader.json_value import Json
from pryv_operator.leader.render_error import RenderError
from pryv_operator.leader.taint import Value
from pryv_operator.rendering.files import render
from pryv_operator.templates.bundle import UNSET, Bundle, Variable
from pryv_operator.values.catalogue import Catalogue, Place
from pryv_operator.values.nested import leaves, value_at, with_value_at
from pryv_operator.values.platform_values import resolve_platform_values

#: Values to try instead of a text, until the platform accepts one.
_OTHER_TEXTS: Final = (
    "another-value", "https://another.example/page", "203.0.113.199", "another@example.org",
    "4242", "[]", "= `Another text`", "abcdefghij0123456789abcdefghij",
    '[{"id": "another", "name": "Another", "type": "string/another", "children": []}]',
    "module.exports = function (context, callback) { callback(1); };",
)  # fmt: skip
#: Lists and maps to try, besides those with another leaf.
_OTHER_LISTS: Final[tuple[Json, ...]] = (
    [], ["another-value"], ["https://another.example/page"], ["adminToken", "personalToken"],
    [{"name": "mail.example.org", "priority": 10, "ttl": 3600}],
)  # fmt: skip
_OTHER_MAPS: Final[tuple[Json, ...]] = (
    {}, {"another": {"ip": "203.0.113.199"}}, {"another": "another-value"},
)  # fmt: skip
#: A variable counts as one without effect when so many accepted values replace no pod.
_MOST_TRIED: Final = 4
#: How similar a name has to be to be proposed (0 to 1).
_CLOSE: Final = 0.6


class UnknownVariableError(Exception):
    """A name that no variable has; the message names those that are spelled alike."""


@dataclass(frozen=True)
class VariableInfo:
    """A variable as its release declares it.

    ``path``: the place inside of it, if the name that was asked for is one. ``secret``: the whole
    value is secret; ``secret_paths``: dotted paths into it that are. ``other_names`` maps names of
    2019 to the dotted path that they stand for (empty: the whole value).
    """

    variable: Variable
    path: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """The variable, or the dotted path into it."""
        return ".".join((self.variable.name, *self.path))

    @property
    def default(self) -> Json | None:
        """The default, of a path the default there; None if it has none."""
        if self.variable.default is UNSET:
            return None
        found: Json | None = value_at(self.variable.default, self.path, missing=None)
        return found

    @property
    def has_default(self) -> bool:
        """Whether it has a default, which may be null."""
        if self.variable.default is UNSET:
            return False
        return value_at(self.variable.default, self.path) is not UNSET

    @property
    def other_names(self) -> Mapping[str, str]:
        """Names of 2019 → the dotted path into the variable that they stand for."""
        return dict.fromkeys(self.variable.aliases, "") | dict(self.variable.alias_paths)

    def is_secret(self, catalogue: Catalogue) -> bool:
        """Whether the value must not be in ``spec.variables``."""
        return catalogue.is_secret(Place(self.variable.name, self.path))

    def where(self, catalogue: Catalogue) -> tuple[str, ...]:
        """Fields of a PryvPlatform that set it, the usual one first."""
        if self.variable.name == "DOMAIN":
            return ("spec.domain",)
        if self.is_secret(catalogue):
            return (f"spec.secrets.{self.name}",)
        if self.variable.secret_paths and not self.path:
            inner = ", ".join(self.variable.secret_paths)
            return (f"spec.variables.{self.name}", f"spec.secrets.{self.name}.PATH ({inner})")
        field = _FIELDS.get(self.variable.name)
        return (*((field,) if field else ()), f"spec.variables.{self.name}")


#: Computed variables → the field of the spec that they usually come from.
_FIELDS: Final = {
    "STATIC_WEB_IP_ADDRESS": "spec.roles.static.address",
    "REG_MASTER_IP_ADDRESS": "spec.roles.reg-master.address",
    "REG_SLAVE_IP_ADDRESS": "spec.roles.reg-slave.address",
    "REG_SLAVE_ENABLED": "spec.roles.reg-slave",
    "SINGLE_MACHINE_IP_ADDRESS": "spec.roles.singlenode.address",
    "HOSTINGS_AND_CORES": "spec.roles.core.instances",
}


def find_variable(bundle: Bundle, name: str) -> VariableInfo:
    """The variable that a name of any kind stands for, or the place inside of one.

    Raises:
        UnknownVariableError: the templates declare no such variable.
    """
    catalogue = Catalogue(bundle.variables)
    place = catalogue.place(name)
    if catalogue.knows(place):
        return VariableInfo(bundle.variables[place.variable], place.path)
    close = similar_names(bundle, name)
    proposal = (
        f"similar: {', '.join(close)}" if close else "list them all with: kubectl pryv explain"
    )
    raise UnknownVariableError(f"{name}: not a variable of {bundle.name}; {proposal}")


def similar_names(bundle: Bundle, name: str, most: int = 3) -> list[str]:
    """Names of variables, of 2019 too, that are spelled like ``name``, the closest first."""
    known = {each: each for each in bundle.variables}
    for variable in bundle.variables.values():
        known |= {alias: alias for alias in (*variable.aliases, *variable.alias_paths)}
    asked = name.upper().replace("-", "_")
    found = difflib.get_close_matches(asked, known, n=most, cutoff=_CLOSE)
    words = set(asked.split("_"))
    containing = [each for each in known if asked and words <= set(each.split("_"))]
    return list(dict.fromkeys([*found, *sorted(containing)]))[:most]


def files_with(inputs: Inputs, variable: str) -> dict[str, tuple[str, ...]]:
    """Role → the paths of its files that the variable goes into, directly or through others.

    Of the roles that the platform has. A branch that a template does not take with the present
    values counts only if the variable decides about it.
    """
    resolved = resolve_platform_values(
        inputs.platform,
        inputs.bundle,
        addresses=inputs.addresses,
        secrets=inputs.secrets,
        cluster_dns=inputs.cluster_dns,
    )
    marked = {
        name: Value(each.value, secret=name == variable, masked=each.value, whole=None)
        for name, each in resolved.values.items()
    }
    roles = list(dict.fromkeys(each.role for each in resolved.instances))
    try:
        rendered = render(replace(inputs.bundle, secret=False), marked, roles)
    except RenderError:
        return {}
    found = {
        role: tuple(file.path for file in files if file.secret) for role, files in rendered.items()
    }
    return {role: paths for role, paths in found.items() if paths}


def restarted_by(inputs: Inputs, info: VariableInfo) -> tuple[str, ...] | None:
    """Labels of the components (``co1/core``) whose pods are replaced when the value changes.

    None: no other value is known that the platform accepts, so it cannot be computed.
    """
    if not files_with(inputs, info.variable.name):
        return ()
    before = compute_desired(inputs)
    if before.problems or before.waiting:
        return None
    accepted = (
        after
        for changed in _changed(inputs, info)
        if not (after := compute_desired(changed)).problems and not after.waiting
    )
    tried = False
    for after in itertools.islice(accepted, _MOST_TRIED):
        tried = True
        if found := sorted(set(_replaced(before, after))):
            return tuple(found)
    return () if tried else None


def _replaced(before: Desired, after: Desired) -> Iterator[str]:
    """Labels of the components of both states whose pod templates differ."""
    old, new = _templates(before.objects), _templates(after.objects)
    for instance in after.instances:
        for plan in instance.workloads:
            if plan.name in old and old[plan.name] != new.get(plan.name):
                yield plan.label


def _templates(objects: Iterable[Object]) -> dict[str, Any]:
    return {
        item["metadata"]["name"]: item["spec"]["template"]
        for item in objects
        if item["kind"] in WORKLOAD_KINDS
    }


def _changed(inputs: Inputs, info: VariableInfo) -> Iterator[Inputs]:
    """The inputs with other values of a variable, the most modest change first."""
    name = info.variable.name
    catalogue = Catalogue(inputs.bundle.variables)
    secret = next((each for each in inputs.secrets if catalogue.place(each).variable == name), None)
    if secret is not None:
        for text in (f"{inputs.secrets[secret]}0", *_OTHER_TEXTS):
            yield replace(inputs, secrets={**inputs.secrets, secret: text})
        return
    for value in _other_values(inputs, info.variable):
        yield replace(inputs, platform=_with_variable(inputs.platform, catalogue, name, value))


def _with_variable(platform: Platform, catalogue: Catalogue, name: str, value: Any) -> Platform:
    """The platform with another value of a variable, which replaces those under other names."""
    if name == "DOMAIN":
        return replace(platform, spec=platform.spec.model_copy(update={"domain": value}))
    others = {
        each: kept
        for each, kept in platform.spec.variables.items()
        if catalogue.place(each).variable != name
    }
    return replace(
        platform, spec=platform.spec.model_copy(update={"variables": {**others, name: value}})
    )


def _other_values(inputs: Inputs, variable: Variable) -> Iterator[Any]:
    """Values to try, none of which is the present one."""
    present = _present_value(inputs, variable)
    for value in _candidates(variable, present):
        if value != present:
            yield value


def _present_value(inputs: Inputs, variable: Variable) -> Any:
    if variable.name == "DOMAIN":
        return inputs.platform.spec.domain
    resolved = resolve_platform_values(
        inputs.platform,
        inputs.bundle,
        addresses=inputs.addresses,
        secrets=inputs.secrets,
        cluster_dns=inputs.cluster_dns,
    )
    found = resolved.values.get(variable.name)
    return found.value if found else None


def _candidates(variable: Variable, present: Any) -> Iterator[Any]:
    if variable.name == "DOMAIN":
        yield "another.example.org"
        return
    yield from variable.enum
    match variable.type:
        case "boolean":
            yield from (True, False)
        case "integer" | "number":
            number = present if isinstance(present, (int, float)) else 0
            yield from (number + 1, number - 1, variable.minimum, variable.maximum)
        case "string":
            yield from _other_texts(present)
        case "array":
            yield from _with_other_leaf(present)
            yield from _OTHER_LISTS
        case "object":
            yield from _with_other_leaf(present)
            yield from _OTHER_MAPS
        case _:
            yield from (*reversed(_OTHER_TEXTS), *_OTHER_LISTS)


def _other_texts(present: Any) -> Iterator[str]:
    if isinstance(present, str) and present:
        yield f"{present}0"
    yield from _OTHER_TEXTS


def _with_other_leaf(value: Any) -> Iterator[Any]:
    """Copies of nested maps and lists with one leaf changed."""
    if isinstance(value, list):
        for index, each in enumerate(value):
            changed = _with_other_leaf(each) if isinstance(each, (Mapping, list)) else _leaf(each)
            for new in changed:
                yield [*value[:index], new, *value[index + 1 :]]
        return
    for path, leaf in leaves(value):
        inner = _with_other_leaf(leaf) if isinstance(leaf, list) else _leaf(leaf)
        for new in inner:
            yield with_value_at(value, path, new)


def _leaf(value: Any) -> Iterator[Any]:
    if isinstance(value, bool):
        yield not value
    elif isinstance(value, (int, float)):
        yield value + 1
    elif isinstance(value, str):
        yield from _other_texts(value)
