"""The files that a leader would have sent to its followers, byte for byte."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from pryv_operator.api import secret_variables
from pryv_operator.leader.listing import is_written_by_follower, offered_paths
from pryv_operator.leader.render_error import RenderError
from pryv_operator.leader.substitution import Substitution
from pryv_operator.leader.taint import Value
from pryv_operator.rendering.files import RenderedFile
from pryv_operator.rendering.limits import SizeBudget
from pryv_operator.rendering.parse_checks import check_parses
from pryv_operator.templates.leader_folder import Leader
from pryv_operator.values.catalogue import Catalogue, Place

#: Role → its files.
Rendered = Mapping[str, tuple[RenderedFile, ...]]


@dataclass(frozen=True)
class LeaderFiles:
    """The files of each role, as a follower would have kept them, or why there are none."""

    files: Rendered
    #: Role → the error, which names role and path.
    errors: Mapping[str, RenderError]


def render_leader_files(leader: Leader) -> Rendered:
    """The files of all roles.

    Raises:
        RenderError: one of them cannot be rendered; it names role and path.
    """
    rendered = render_each_role(leader)
    for error in rendered.errors.values():
        raise error
    return rendered.files


def render_each_role(leader: Leader) -> LeaderFiles:
    """The files of all roles, each by itself, as its followers asked for them.

    Files that followers do not keep count too: a ``.json`` that does not parse made the leader's
    answer fail for the whole role.

    Raises:
        RenderError: the values cannot be used at all.
    """
    substitution = Substitution(_values(leader), "leader")
    rendered: dict[str, tuple[RenderedFile, ...]] = {}
    errors: dict[str, RenderError] = {}
    budget = SizeBudget()
    for role, files in leader.bundle.roles.items():
        try:
            rendered[role] = _render_role(role, files, substitution, budget)
        except RenderError as error:
            errors[role] = error
    return LeaderFiles(rendered, errors)


def _render_role(
    role: str, files: Mapping[str, bytes], substitution: Substitution, budget: SizeBudget
) -> tuple[RenderedFile, ...]:
    found: list[RenderedFile] = []
    for path in offered_paths(files):
        try:
            text = substitution.apply(files[path].decode("utf-8", "replace"))
            content = text.text.encode()
            budget.spend(path, len(content))
            if path.endswith(".json"):
                check_parses(path, text.text)
        except RenderError as error:
            raise error.at(role, path) from None
        if is_written_by_follower(path):
            found.append(RenderedFile(path, content, text.secret))
    return tuple(sorted(found, key=lambda file: file.path))


def ungenerated_variables(leader: Leader) -> tuple[str, ...]:
    """Variables that the leader would have generated on its first start: no value is known."""
    return tuple(name for name, value in leader.order.items() if value == secret_variables.GENERATE)


def _values(leader: Leader) -> dict[str, Value]:
    catalogue = Catalogue(leader.bundle.variables)
    given = {**leader.internals, **leader.values}
    secret = {
        name
        for name in leader.order
        if name in leader.internals
        or catalogue.is_secret(Place(name))
        or any(catalogue.secrets_in(Place(name), given.get(name)))
    }
    return {name: Value(value, name in secret) for name, value in leader.order.items()}
