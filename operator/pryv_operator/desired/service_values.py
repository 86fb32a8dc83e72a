"""Values that keep a service from running: refused, or reported where it may work.

Refused is what is known to fail. With received templates, whose services may be older or other
ones, that is only what services of 1.7 and later do not start with.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from pryv_operator.api.findings import Advisory, Problem
from pryv_operator.api.reasons import Reason
from pryv_operator.api.spec import PryvPlatformSpec
from pryv_operator.leader.taint import Value, is_masked
from pryv_operator.objects.model import Component
from pryv_operator.rendering.fault import Effect, Fault
from pryv_operator.rendering.service_checks import service_faults
from pryv_operator.templates.bundle import Bundle
from pryv_operator.values.nested import texts_in

#: register's and core's checks are unchanged since then.
_CHECKED_SINCE: Final = (1, 7)
#: Keys of values that may be named, besides those that the spec or the templates spell out.
_FIELDS: Final = frozenset(
    {
        *("algorithm", "children", "id", "ip", "name", "priority", "type", "url"),
        *("isEditable", "isIndexed", "isRequiredInValidation", "isShown", "isUnique"),
    }
)


@dataclass(frozen=True)
class ServiceValues:
    """What is wrong with the values in rendered files."""

    problems: tuple[Problem, ...]
    warnings: tuple[Advisory, ...]


def check_service_values(
    spec: PryvPlatformSpec,
    bundle: Bundle,
    components: Iterable[Component],
    values: Mapping[str, Value],
) -> ServiceValues:
    """The values in the components' files that their services cannot use.

    Args:
        spec: what the user configured, whose fields messages name.
        bundle: the templates.
        components: the components with their rendered files.
        values: the values of all variables.
    """
    files = {
        (component.instance.role, file.path): file
        for component in components
        for file in component.files
    }
    naming = _Naming(spec, bundle, values)
    problems: dict[Problem, None] = {}
    warnings: dict[Advisory, None] = {}
    for (role, path), file in files.items():
        if file.secret and not file.visible:
            continue  # it has no masked rendering, and nobody looks at the secret
        for fault in service_faults(path, file.visible, secret=bundle.secret):
            if file.secret and naming.is_masked(fault):
                continue  # the mask is at fault, and nobody looks at the secret
            message = f"{naming.field_of(fault, f'{role}/{path}')}: {fault.message}"
            if _is_refused(fault, bundle):
                problems[Problem(Reason.INVALID_VARIABLE, message)] = None
            else:
                warnings[Advisory(Reason.UNUSABLE_VALUE, message)] = None
    return ServiceValues(tuple(problems), tuple(warnings))


def _is_refused(fault: Fault, bundle: Bundle) -> bool:
    if fault.effect is Effect.IGNORED:
        return False
    if bundle.jinja:
        return True
    return fault.effect is Effect.STOPS and _version(bundle.version) >= _CHECKED_SINCE


def _version(text: str) -> tuple[int, ...]:
    """The version's numbers; empty, so older than any, when it is not one."""
    found = re.match(r"([0-9]{1,4})\.([0-9]{1,4})\b", text)
    # 2019 is the year of templates that had no version yet.
    return (int(found[1]), int(found[2])) if found and int(found[1]) < 2000 else ()


def _value_at(value: Any, path: tuple[str | int, ...]) -> Any:
    for step in path:
        inside = isinstance(value, Mapping) and step in value
        inside = inside or (isinstance(value, list) and step in range(len(value)))
        if not inside:
            return None
        value = value[step]
    return value


@dataclass(frozen=True)
class _Naming:
    """Names the field of a fault."""

    spec: PryvPlatformSpec
    bundle: Bundle
    values: Mapping[str, Value]
    #: By variable, once asked for.
    public: dict[str, frozenset[str]] = field(default_factory=dict)

    def field_of(self, fault: Fault, file: str) -> str:
        """The field of the spec that holds the value; the rendered file when none is known."""
        if fault.word:
            holders = [
                name
                for name, value in sorted(self.values.items())
                if any(fault.word in text for text in texts_in(value.visible))
            ]
            return ", ".join(self._variable(name) for name in holders) or file
        if fault.variable not in self.bundle.variables:
            return f"{file} ({fault.variable})"
        return self._variable(fault.variable) + "".join(self._steps(fault))

    def is_masked(self, fault: Fault) -> bool:
        """Whether a secret is where the fault is."""
        value = self.values.get(fault.variable)
        if value is None or not value.secret:
            return False
        if value.whole:
            return True
        found = _value_at(value.masked, fault.path)
        return any(is_masked(text) for text in texts_in(found))

    def _variable(self, name: str) -> str:
        return f"spec.{'secrets' if name in self.spec.secrets else 'variables'}.{name}"

    def _public(self, variable: str) -> frozenset[str]:
        """Texts of a variable that are no secret; the same for each of its faults."""
        if variable not in self.public:
            self.public[variable] = frozenset(
                {
                    *_FIELDS,
                    *texts_in(self.spec.variables.get(variable)),
                    *texts_in(self.bundle.variables[variable].default),
                }
            )
        return self.public[variable]

    def _steps(self, fault: Fault) -> Iterator[str]:
        """The path inside the value. A key that is spelled out nowhere may be a secret."""
        public = self._public(fault.variable)
        for step in fault.path:
            if isinstance(step, int):
                yield f"[{step}]"
            else:
                yield f".{step}" if step in public else ".*"
