"""HOSTINGS_PROVIDERS: an entry for each hosting in use."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from pryv_operator.api.findings import Advisory
from pryv_operator.api.reasons import Reason

_HOSTINGS: Final = "HOSTINGS_AND_CORES"
_PROVIDERS: Final = "HOSTINGS_PROVIDERS"


@dataclass(frozen=True)
class ConfiguredVariables:
    """The user's variables, completed."""

    variables: Mapping[str, Any]
    warnings: tuple[Advisory, ...] = ()


def complete_hosting_providers(
    configured: Mapping[str, Any], computed: Mapping[str, Any], *, received: bool
) -> ConfiguredVariables:
    """The user's variables, with a computed provider for each hosting without a configured one.

    ``received``: the templates are the user's own. They get the value unchanged, as the leader
    inserted it, so that files stay the same; a missing entry is a warning.
    """
    providers = configured.get(_PROVIDERS)
    if not isinstance(providers, Mapping):
        return ConfiguredVariables(configured)
    if not received:
        complete = {**computed[_PROVIDERS], **providers}
        return ConfiguredVariables({**configured, _PROVIDERS: complete})
    hostings = configured.get(_HOSTINGS, computed[_HOSTINGS])
    missing = sorted(hostings.keys() - providers.keys()) if isinstance(hostings, Mapping) else []
    if not missing:
        return ConfiguredVariables(configured)
    warning = Advisory(
        Reason.UNKNOWN_HOSTING,
        f"spec.variables.{_PROVIDERS}: no entry for {', '.join(missing)}; "
        "add one, without it register uses a placeholder provider",
    )
    return ConfiguredVariables(configured, (warning,))
