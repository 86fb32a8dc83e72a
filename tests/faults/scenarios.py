"""Scenarios as data: what a user does to a platform while faults are injected."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final, Literal

from tests.api.platforms import platform

Object = dict[str, Any]

_COMPOSE: Final = """services:
  {service}:
    image: docker.io/pryvio/{service}:1
    environment:
    - PLATFORM=${PLATFORM_NAME}
    volumes:
    - ./{service}/conf/:/app/conf/:ro
"""
_STORE: Final = """  mongodb:
    image: docker.io/pryvio/mongodb:1
    volumes:
    - ./mongodb/data/:/app/data/
"""
_SERVICES: Final = {"reg-master": "register", "core": "core", "static": "web"}
_CONFIGURATION: Final = (
    '{"name": {{ PLATFORM_NAME | tojson }}, "shared": {{ CORE_SYSTEM_KEY | tojson }}, '
    '"given": {{ REGISTER_ADMIN_KEY | tojson }}}'
)
_PUBLIC: Final = '{"name": {{ PLATFORM_NAME | tojson }}}'


def templates() -> Object:
    """Templates of a platform with four components.

    A register, two in core (one is stateful), and a static site that uses no secret.
    """
    data = {service: _COMPOSE.replace("{service}", service) for service in _SERVICES.values()}
    data["core"] += _STORE
    data |= {"conf": _CONFIGURATION, "public": _PUBLIC}
    for service in _SERVICES.values():
        data[service] = data[service].replace(
            "    environment:\n    - PLATFORM=${PLATFORM_NAME}\n", ""
        )
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "mine"}, "data": data}


def secret(value: str) -> Object:
    """The Secret that the platform's spec refers to."""
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": "given"},
        "stringData": {"key": value},
    }


def small(**different: Any) -> Object:
    """A platform that uses these templates, with the given fields of its spec replaced."""
    files = [
        {
            "role": role,
            "configMapRef": {"name": "mine"},
            "items": [
                {"key": service, "path": "pryv.yml"},
                {
                    "key": "public" if role == "static" else "conf",
                    "path": f"{service}/conf/{service}.json.j2",
                },
            ],
        }
        for role, service in _SERVICES.items()
    ]
    spec = {
        "templates": {"files": files},
        "networkPolicy": False,
        "variables": {"PLATFORM_NAME": "One"},
        "secrets": {
            "CORE_SYSTEM_KEY": {"generate": {}},
            "REGISTER_ADMIN_KEY": {"secretKeyRef": {"name": "given", "key": "key"}},
        },
    }
    return platform(**{**spec, **different})


def _secrets(rotation: int) -> Object:
    return {
        "CORE_SYSTEM_KEY": {"generate": {"rotation": rotation}},
        "REGISTER_ADMIN_KEY": {"secretKeyRef": {"name": "given", "key": "key"}},
    }


def _bad(**rollout: Any) -> Object:
    """A change that rolls register and core, then fails: the static site's image does not exist."""
    return small(
        variables={"PLATFORM_NAME": "Two"},
        roles={"static": {"components": {"web": {"image": "docker.io/pryvio/web:does-not-exist"}}}},
        rollout={"onFailure": "Rollback", **rollout},
    )


@dataclass(frozen=True)
class Scenario:
    """A change to a platform, and the state that it has to end in.

    ``before`` is applied first, without faults, until the platform is in a steady state. Then
    faults are injected, and ``change`` is applied or the platform deleted. ``then`` is applied
    once the Ready condition has the reason ``when``. ``restart``: the operator is restarted.
    ``ends``: the reason of the Ready condition in the end; None: the platform is gone.
    """

    name: str
    before: tuple[Object, ...] = ()
    change: tuple[Object, ...] = ()
    when: str = ""
    then: tuple[Object, ...] = ()
    deletes: Literal["", "Background", "Foreground"] = ""
    restart: bool = False
    ends: str | None = "Ready"
    #: The number of the newest revision in the end.
    revision: int = 1
    #: Components whose pods have been replaced in the end.
    rolls: frozenset[str] = frozenset()


_USE_SECRETS: Final = frozenset({"reg/register", "co1/core"})
_INSTALLED: Final = (templates(), secret("first"), small())

SCENARIOS: Final = (
    Scenario("first install", change=_INSTALLED),
    Scenario(
        "a variable",
        _INSTALLED,
        (small(variables={"PLATFORM_NAME": "Two"}),),
        revision=2,
        rolls=_USE_SECRETS | {"sw/web"},
    ),
    Scenario(
        "rotation of a generated secret",
        _INSTALLED,
        (small(secrets=_secrets(1)),),
        revision=2,
        rolls=_USE_SECRETS,
    ),
    Scenario(
        "change of a referenced Secret",
        _INSTALLED,
        (secret("second"),),
        revision=2,
        rolls=_USE_SECRETS,
    ),
    Scenario(
        "rollback",
        (*_INSTALLED[:2], small(rollout={"onFailure": "Rollback"})),
        (_bad(),),
        # The deadline is shortened only once the image fails: from the start, it could end
        # another step.
        when="ImagePullBackOff",
        then=(_bad(progressDeadlineSeconds=1),),
        ends="RolledBack",
        rolls=_USE_SECRETS,  # the site keeps its old pod, as the new one never became ready
    ),
    Scenario("deletion", _INSTALLED, deletes="Background", ends=None),
    Scenario("deletion, foreground", _INSTALLED, deletes="Foreground", ends=None),
    Scenario("start of the operator", _INSTALLED, restart=True),
)
#: The built-in release: some fifteen components.
RELEASE_SCENARIOS: Final = (
    Scenario("first install of a release", change=(platform(),)),
    Scenario(
        "a variable of a release",
        (platform(),),
        (platform(variables={"PLATFORM_NAME": "Two"}),),
        revision=2,
    ),
)
