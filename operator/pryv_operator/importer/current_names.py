"""Names of 2019 in favour of the current ones, where the templates understand both."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from pryv_operator.importer.value_conversion import convert
from pryv_operator.leader.json_value import Json, is_number
from pryv_operator.templates.builtin import load_release
from pryv_operator.templates.bundle import Bundle
from pryv_operator.values.catalogue import Catalogue, Place
from pryv_operator.values.nested import value_at, with_value_at


@dataclass(frozen=True)
class Renamed:
    """``spec.variables`` and ``spec.secrets`` under current names."""

    variables: Mapping[str, Json]
    secrets: Mapping[str, str] = field(repr=False)
    #: Name in the templates → current name, or dotted path, of those that were renamed.
    renames: Mapping[str, str]


def use_current_names(
    variables: Mapping[str, Json], secrets: Mapping[str, str], bundle: Bundle
) -> Renamed:
    """Declare variables and secrets under the names of the newest release.

    Args:
        variables: name in ``bundle`` → value.
        secrets: name, or dotted path, in ``bundle`` → text.
        bundle: the templates that the platform uses; a name stays if they do not understand the
            current one.
    """
    places = {name: _current_place(name, bundle) for name in (*variables, *secrets)}
    return Renamed(
        variables=_renamed_variables(variables, places, bundle),
        secrets=dict(sorted((str(places[name]), text) for name, text in secrets.items())),
        renames={name: str(place) for name, place in places.items() if str(place) != name},
    )


def _renamed_variables(
    variables: Mapping[str, Json], places: Mapping[str, Place], bundle: Bundle
) -> dict[str, Json]:
    """The variables by current name, in the order of the newest release."""
    newest = load_release().variables
    renamed: dict[str, Json] = {}
    for name, value in variables.items():
        place = places[name]
        new = value
        if place.path and is_number(value_at(newest[place.variable].default, place.path)):
            new = convert(value, "number")
        renamed[place.variable] = with_value_at(renamed.get(place.variable), place.path, new)
    order = {name: index for index, name in enumerate(dict.fromkeys((*newest, *bundle.variables)))}
    return dict(sorted(renamed.items(), key=lambda item: (order.get(item[0], len(order)), item[0])))


def _current_place(name: str, bundle: Bundle) -> Place:
    """Where a name of the templates is now, if they understand that; else the name itself."""
    place = Catalogue(load_release().variables).place(name)
    understood = Catalogue(bundle.variables).place(str(place))
    if name not in bundle.variables or str(place) == name or understood != Place(name):
        return Place(name)
    return place
