"""A leader's variables in the layout since 1.6.

``platform.yml`` holds the variables, ``config-leader.json`` the keys of components (internals).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from pryv_operator.api.messages import printable
from pryv_operator.leader.js_yaml import JsYamlError, load_yaml
from pryv_operator.leader.platform_yml import UNDEFINED, LeaderValue, read_platform_yml
from pryv_operator.templates.leader_conf import PLATFORM_TEMPLATE, LeaderError, read_text
from pryv_operator.templates.leader_settings import LeaderSettings, TemplateSetting

_DESCRIPTION_LIMIT: Final = 1000
_MESSAGE_LIMIT: Final = 300


def read_current_settings(
    files: Mapping[str, bytes], settings: Mapping[str, Any], settings_file: str, platform_file: str
) -> LeaderSettings:
    """The variables; ``settings`` is the content of ``settings_file``.

    Raises:
        LeaderError: the platform file or its template is malformed, or there are no internals.
    """
    internals = settings.get("internals")
    if not isinstance(internals, dict):
        raise LeaderError('it has no map "internals"', settings_file)
    configured = _read_platform(files, platform_file)
    is_template = platform_file == PLATFORM_TEMPLATE
    has_template = PLATFORM_TEMPLATE in files
    shipped = _read_platform(files, PLATFORM_TEMPLATE) if has_template and not is_template else {}
    # Only a release describes its variables.
    described = {name for name, setting in configured.items() if setting.description}
    return LeaderSettings(
        generation="1.6+",
        internals=internals,
        values={name: setting.default for name, setting in configured.items()},
        templates=configured | shipped,
        has_template=has_template,
        of_template=frozenset(configured if is_template else shipped) | described,
    )


def _read_platform(files: Mapping[str, bytes], file: str) -> dict[str, TemplateSetting]:
    """The settings of a platform.yml or its template, in the leader's order."""
    text = read_text(files, file)
    try:
        values = read_platform_yml(text, {})
    except JsYamlError as error:
        failure = LeaderError(
            printable(error.message, _MESSAGE_LIMIT), file, error.line or None, error.column or None
        )
    else:
        groups: dict[str, Any] = load_yaml(text)["vars"]
        settings = {
            name: (group, setting)
            for group in groups.values()
            for name, setting in group["settings"].items()
        }
        return {name: _setting(value, *settings[name]) for name, value in values.items()}
    raise failure


def _setting(value: LeaderValue, group: Mapping[str, Any], setting: Any) -> TemplateSetting:
    if not isinstance(setting, dict):
        return TemplateSetting(UNDEFINED)
    description = setting.get("description")
    return TemplateSetting(
        default=value,
        optional=group.get("optional") is True or setting.get("optional") is True,
        description=description[:_DESCRIPTION_LIMIT] if isinstance(description, str) else "",
    )
