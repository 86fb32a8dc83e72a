"""What is done to a platform while things go wrong, as data."""

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
_CONFIGURATION: Final = '{"name": {{ PLATFORM_NAME | tojson }}, "shared": {{ CORE_SYSTEM_KEY | tojson }}, "given": {{ REGISTER_ADMIN_KEY | tojson }}}'
_PUBLIC: Final = '{"name": {{ PLATFORM_NAME | tojson }}}'


def templates() -> Object:
    """A platform of four components: a register, two in core (one keeps data), and a static site that knows no secret."""
    data = {service: _COMPOSE.replace("{service}", service) for service in _SERVICES.values()}
    data["core"] += _STORE
    data |= {"conf": _CONFIGURATION, "public": _PUBLIC}
    for service in _SERVICES.values():
        data[service] = data[service].replace(
            "    environment:\n    - PLATFORM=${PLATFORM_NAME}\n", ""
        )
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "mine"}, "data": data}


def secret(value: str) -> Object:
    """The Secret that the platform refers to."""
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": "given"},
        "stringData": {"key": value},
    }


def small(**different: Any) -> Object:
    """A platform of the templates above."""
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
    """The register and core get their change; the static site's image cannot be pulled: all are put back."""
    return small(
        variables={"PLATFORM_NAME": "Two"},
        roles={"static": {"components": {"web": {"image": "docker.io/pryvio/web:does-not-exist"}}}},
        rollout={"onFailure": "Rollback", **rollout},
    )


@dataclass(frozen=True)
class Scenario:
    """``before`` is there and at rest when things begin to go wrong; then ``change`` is applied, or the platform deleted.

    ``then`` is applied when the platform's Ready condition gives the reason ``when``. ``restart``: the operator is started again.
    ``ends``: what that condition says in the end; None: the platform is gone.
    """

    name: str
    before: tuple[Object, ...] = ()
    change: tuple[Object, ...] = ()
    when: str = ""
    then: tuple[Object, ...] = ()
    deletes: Literal["", "Background", "Foreground"] = ""
    restart: bool = False
    ends: str | None = "Ready"
    #: How many revisions there are to be by then.
    revision: int = 1
    #: Components whose pods are other ones in the end.
    rolls: frozenset[str] = frozenset()


_KNOW_SECRETS: Final = frozenset({"reg/register", "co1/core"})
_INSTALLED: Final = (templates(), secret("first"), small())

SCENARIOS: Final = (
    Scenario("first install", change=_INSTALLED),
    Scenario(
        "a variable",
        _INSTALLED,
        (small(variables={"PLATFORM_NAME": "Two"}),),
        revision=2,
        rolls=_KNOW_SECRETS | {"sw/web"},
    ),
    Scenario(
        "rotation of a generated secret",
        _INSTALLED,
        (small(secrets=_secrets(1)),),
        revision=2,
        rolls=_KNOW_SECRETS,
    ),
    Scenario(
        "change of a referenced Secret",
        _INSTALLED,
        (secret("second"),),
        revision=2,
        rolls=_KNOW_SECRETS,
    ),
    Scenario(
        "rollback",
        (*_INSTALLED[:2], small(rollout={"onFailure": "Rollback"})),
        (_bad(),),
        # Nobody waits any longer once it is the image that is waited for: a short deadline from the start could hit another step.
        when="ImagePullBackOff",
        then=(_bad(progressDeadlineSeconds=1),),
        ends="RolledBack",
        rolls=_KNOW_SECRETS,  # the site's old pod serves on until a new one does, which none did
    ),
    Scenario("deletion", _INSTALLED, deletes="Background", ends=None),
    Scenario("deletion, foreground", _INSTALLED, deletes="Foreground", ends=None),
    Scenario("start of the operator", _INSTALLED, restart=True),
)
#: The built-in release: some fifteen components.
WHOLE: Final = (
    Scenario("first install of a release", change=(platform(),)),
    Scenario(
        "a variable of a release",
        (platform(),),
        (platform(variables={"PLATFORM_NAME": "Two"}),),
        revision=2,
    ),
)
