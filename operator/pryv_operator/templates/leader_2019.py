"""A leader's variables in the layout of 2019: one flat map in ``config-leader.json``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pryv_operator.templates.leader_conf import SETTINGS_TEMPLATE, read_json_object
from pryv_operator.templates.leader_settings import LeaderSettings, TemplateSetting


def is_2019_layout(settings: Mapping[str, Any]) -> bool:
    """Whether the content of a ``config-leader.json`` has the form of 2019."""
    return isinstance(settings.get("platform"), dict)


def read_2019_settings(
    files: Mapping[str, bytes], settings: Mapping[str, Any], settings_file: str
) -> LeaderSettings:
    """The variables; ``settings`` is the content of ``settings_file``.

    Raises:
        LeaderError: the template is malformed.
    """
    internals = settings.get("internals")
    values = settings["platform"]
    has_template = SETTINGS_TEMPLATE in files
    shipped: Any = values if settings_file == SETTINGS_TEMPLATE else {}
    defaults = dict(values)
    if has_template and settings_file != SETTINGS_TEMPLATE:
        shipped = read_json_object(files, SETTINGS_TEMPLATE).get("platform")
        shipped = shipped if isinstance(shipped, dict) else {}
        defaults |= shipped
    return LeaderSettings(
        generation="2019",
        internals=internals if isinstance(internals, dict) else {},
        values=values,
        templates={name: TemplateSetting(value) for name, value in defaults.items()},
        has_template=has_template,
        of_template=frozenset(shipped),
    )
