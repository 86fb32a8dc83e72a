"""The leader's variables as they appear in its files."""

from __future__ import annotations

import ipaddress
from typing import Any

from pryv_operator.leader.platform_yml import UNDEFINED
from pryv_operator.leader.render_error import RenderError
from pryv_operator.leader.substitution import Substitution
from pryv_operator.leader.taint import Value
from pryv_operator.templates.leader_folder import Leader


class ResolvedValues:
    """Values with the names in them replaced, in the leader's order."""

    def __init__(self, leader: Leader) -> None:
        """Resolve the variables of ``leader``."""
        self._substitution = Substitution(
            {name: Value(value) for name, value in leader.order.items()}, "leader"
        )
        self._unset = set(leader.unset)

    def value(self, name: str) -> Any:
        """A variable's value; ``UNDEFINED`` if missing, not filled in or not resolvable."""
        if name not in self._substitution or name in self._unset:
            return UNDEFINED
        try:
            return self._substitution.resolve(name).value
        except RenderError:
            return UNDEFINED

    def address(self, name: str) -> str | None:
        """A variable's value if it is an IPv4 address."""
        return ipv4(self.value(name))


def ipv4(value: Any) -> str | None:
    """An IPv4 address in its canonical form; None if ``value`` is something else."""
    try:
        return str(ipaddress.IPv4Address(value.strip())) if isinstance(value, str) else None
    except ValueError:
        return None
