"""Clients of every service of a platform while something happens to it."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from typing import Any, Final

from tests.cluster.waiting import wait_until
from tests.e2e.outside import Outside
from tests.e2e.person import Person
from tests.e2e.platforms import Platform
from tests.e2e.traffic import Traffic, traffic

#: Services of which two run at a time while one is replaced.
STATELESS: Final = ("register", "dns", "slave", "pages")
#: Requests a second to what is away while it is replaced. On two CPUs, more of them would keep it
#: from starting.
_SINGLE: Final = 5
#: Opened with what happens: clients ask without pause until it is closed.
Watch = Callable[[str], AbstractContextManager[Traffic]]


def watcher(
    outside: Outside, platform: Platform, person: Person, echo: Callable[[str], None]
) -> Watch:
    """Clients of every service; of core and hfs they ask for a person's data."""

    @contextmanager
    def watching(change: str) -> Iterator[Traffic]:
        wait_until(lambda: bool(person.find()), "all services to answer", seconds=120, every=1)
        wait_until(platform.is_settled, "replaced pods to be gone", seconds=120, every=1)
        echo(f"clients ask without pause: {change}")
        with traffic(outside, list(_targets(platform, person))) as seen:
            yield seen
        echo(f"{change}: {seen}")

    return watching


def _targets(platform: Platform, person: Person) -> Iterator[Mapping[str, Any]]:
    domain, reg, core = platform.domain, platform.address("reg"), platform.address("co1")
    account = f"https://{person.username}.{domain}"
    series = json.loads(person.ids)["series"]
    headers = {"Authorization": person.token}
    yield {"name": "register", "url": f"https://reg.{domain}/service/info", "address": reg}
    yield {"name": "accounts", "url": f"https://reg.{domain}/x1234/check_username", "address": reg}
    sw = platform.address("sw")
    yield {"name": "pages", "url": f"https://sw.{domain}/access/register.html", "address": sw}
    yield {"name": "dns", "dns": f"reg.{domain}", "address": platform.address("reg", udp=True)}
    slave = platform.address("reg-slave", udp=True)
    yield {"name": "slave", "dns": f"reg.{domain}", "address": slave}
    events = f"{account}/events?limit=1"
    yield {"name": "core", "url": events, "address": core, "headers": headers, "rate": _SINGLE}
    points = f"{account}/events/{series}/series"
    yield {"name": "hfs", "url": points, "address": core, "headers": headers, "rate": _SINGLE}
