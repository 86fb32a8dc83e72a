"""The variables of a leader's ``platform.yml``, in the leader's order.

Source: the leader's own answers, recorded.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from enum import Enum
from typing import Final, Literal, TypeAlias

from pryv_operator.leader.javascript import property_order
from pryv_operator.leader.js_yaml import JsYamlError, load_yaml
from pryv_operator.leader.json_value import Json


class Undefined(Enum):
    """The type of ``UNDEFINED``."""

    UNDEFINED = "undefined"

    def __repr__(self) -> str:
        return self.name


#: JavaScript's ``undefined``: a setting that has no ``value``.
UNDEFINED: Final[Literal[Undefined.UNDEFINED]] = Undefined.UNDEFINED

#: A value of a leader's variable. A ``datetime`` (YAML's timestamp) may stand at any depth.
LeaderValue: TypeAlias = "Json | datetime | Literal[Undefined.UNDEFINED]"


class PlatformYmlError(JsYamlError):
    """Valid YAML that does not have the shape of a platform.yml."""


def read_platform_yml(text: str, internals: Mapping[str, Json]) -> dict[str, LeaderValue]:
    """The leader's one ordered map of variables: internals first, then the settings of every group.

    A repeated name keeps its first place and takes its last value; integer-like names come first.

    Raises:
        JsYamlError: the text is not valid YAML.
        PlatformYmlError: it does not have the shape of a platform.yml.
    """
    document = load_yaml(text)
    groups = document.get("vars") if isinstance(document, dict) else None
    if not isinstance(groups, dict):
        raise PlatformYmlError('not a platform.yml: it has no top-level map "vars"')
    variables: dict[str, LeaderValue] = dict(internals)
    for group_name in property_order(groups):
        group = groups[group_name]
        settings = group.get("settings") if isinstance(group, dict) else None
        if not isinstance(settings, dict):
            raise PlatformYmlError(f'vars.{group_name}: it has no map "settings"')
        for name in property_order(settings):
            setting = settings[name]
            if setting is None:
                raise PlatformYmlError(
                    f'vars.{group_name}.settings.{name}: it is empty; add an entry "value"'
                )
            variables[name] = (
                setting.get("value", UNDEFINED) if isinstance(setting, dict) else UNDEFINED
            )
    return {name: variables[name] for name in property_order(variables)}
