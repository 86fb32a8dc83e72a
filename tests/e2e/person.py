"""One person of a platform, and what they find there."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from tests.cluster.control_plane import KubectlError
from tests.cluster.waiting import wait_until

if TYPE_CHECKING:
    from tests.e2e.outside import Outside

_SCRIPT: Final = Path(__file__).parent / "person.js"


@dataclass(frozen=True)
class Person:
    """An account with an event, an attachment and a series; `register` makes one."""

    outside: Outside
    domain: str
    username: str
    token: str
    ids: str

    def read(self) -> Any:
        """The platform's name, the core, and what is kept, as core and hfs answer."""
        arguments = ("read", self.username, self.token, self.ids)
        return self.outside.node(_SCRIPT, self.domain, *arguments)

    def find(self) -> Any:
        """What `read` returns; none while a service is not there."""
        try:
            return self.read()
        except KubectlError:
            return None


def register(outside: Outside, domain: str, core: str = "") -> Person:
    """Register somebody, on a core or on that with the fewest, with data of every kind."""

    def registered() -> Any:
        try:
            return outside.node(_SCRIPT, domain, "register", *([core] if core else []))
        except KubectlError as failed:
            if "502 Bad Gateway" not in str(failed):
                raise
            return None

    # nginx sends nothing for a second to a core that refused connections.
    found = wait_until(registered, "the core to be asked again", seconds=10, every=1)
    return Person(outside, domain, **found)
