"""Platforms of a tenant whose templates cost as much as they can."""

from __future__ import annotations

import json

from tests.api.platforms import Object, PlatformUser, platform

#: What lets a ConfigMap look like configuration of a platform: everyone can write it.
_LABELS = {"app.kubernetes.io/managed-by": "pryv-operator", "pryv.io/purpose": "config"}

#: Each costs minutes without limits: the first in one call that no thread can be stopped in.
COSTLY = (
    "{{{{ 1|round(-30000{number:03}) }}}}",
    "{{{{ [" + "1, " * 40_000 + "{number}]|length }}}}",
    (
        "{{% set n = namespace(x=[{number}]) %}}{{% for i in range(30) %}}"
        "{{% set n.x = n.x + n.x %}}{{% endfor %}}{{{{ n.x|length }}}}"
    ),
)

#: Some seconds of CPU time, within the limit; it fails afterwards, so that nothing is rolled out.
_BELOW_THE_LIMIT = "{{{{ 1|round(-6500{number:03}) }}}}{{{{ [][1] }}}}"

#: Each is ended twice, one after another, in a process of low priority: minutes on a busy machine.
HOSTILE_SECONDS = 400


def hostile_platform(number: int) -> tuple[Object, Object]:
    """A ConfigMap with a costly template, and a platform that uses it under many paths."""
    return _platform(number, COSTLY[number % len(COSTLY)], paths=40)


def platform_below_the_limit(number: int) -> tuple[Object, Object]:
    """The same with a template that takes most of the CPU time that it may."""
    return _platform(number, _BELOW_THE_LIMIT, paths=1)


def _platform(number: int, template: str, paths: int) -> tuple[Object, Object]:
    name = f"hostile-{number}"
    items = [{"key": "x", "path": f"core/conf/{path}.txt.j2"} for path in range(paths)]
    files = [{"role": "core", "configMapRef": {"name": name}, "items": items}]
    return (
        {
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": {"name": name},
            "data": {"x": template.format(number=number)},
        },
        platform(
            name,
            domain=f"{name}.acme.test",
            release="1.9.2",
            templates={"files": files},
        ),
    )


#: About as many levels as the API server takes. The JSON parser of Python 3.11 follows 1,000, that
#: of 3.13 nearly all.
LEVELS = 9960


def create_deep_platform(tenant: PlatformUser, name: str, *, maps: bool = False) -> None:
    """Create a platform with a variable of very many levels."""
    opening, closing = ('{"a":', "}") if maps else ("[", "]")
    item = platform(name, domain=f"{name}.acme.test", variables={"X": "DEEP"})
    deep = opening * LEVELS + "1" + closing * LEVELS
    body = json.dumps(item).replace('"DEEP"', deep)
    tenant.control_plane.api.text("POST", tenant.path("pryvplatform"), body)


def flood(tenant: PlatformUser, name: str, count: int = 120, size: int = 900_000) -> None:
    """Create ConfigMaps that look like those of platform ``name``."""
    path = tenant.path("configmap") + "?fieldManager=pryv-operator"
    for number in range(count):
        labels = {**_LABELS, "pryv.io/platform": name}
        metadata = {"name": f"{name}-core-core-{number:010x}", "labels": labels}
        item = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata}
        tenant.control_plane.api.create(path, {**item, "data": {"x": "x" * size}})
