"""Which public hosts get an alias: unresolved ones, unless the proxies run without one."""

from __future__ import annotations

from typing import Any

import pytest

from pryv_operator.api import labels_annotations as keys
from pryv_operator.api.kubernetes import Object
from pryv_operator.live.live_objects import LiveObjects
from pryv_operator.objects.host_aliases import UNREACHABLE
from pryv_operator.reconcile import upstreams
from pryv_operator.templates.builtin import load_release
from pryv_operator.templates.bundle import Bundle

HOST = frozenset({"pryv.github.io"})
RECEIVED = Bundle(
    "received",
    "1",
    {"core": {"nginx/conf/site.conf": b"proxy_pass https://pryv.github.io/app-web/;\n"}},
)


class Dns:
    """The cluster's DNS: its answer, and the number of queries."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.known = False
        self.asked = 0
        monkeypatch.setattr(upstreams, "_resolves", self._resolves)

    async def _resolves(self, host: str) -> bool:
        self.asked += 1
        return self.known


@pytest.fixture
def dns(monkeypatch: pytest.MonkeyPatch) -> Dns:
    return Dns(monkeypatch)


def proxy(*, ready: bool = True, aliases: Any = None, hosts_file: str | None = None) -> LiveObjects:
    """A live reverse proxy."""
    spec: Object = {"hostAliases": aliases or []}
    found: list[Object] = []
    if hosts_file is not None:
        spec["volumes"] = [
            {"name": "hosts", "projected": {"sources": [{"configMap": {"name": "acme-hosts"}}]}}
        ]
        found.append(
            {
                "kind": "ConfigMap",
                "metadata": {"name": "acme-hosts"},
                "data": {"hosts__hosts": hosts_file},
            }
        )
    count = 1 if ready else 0
    labels = {keys.COMPONENT: "reverse-proxy"}
    found.append(
        {
            "kind": "Deployment",
            "metadata": {"name": "acme-co1-reverse-proxy", "labels": labels, "generation": 1},
            "spec": {"replicas": 1, "template": {"spec": spec}},
            "status": {
                "observedGeneration": 1,
                "replicas": 1,
                "updatedReplicas": 1,
                "readyReplicas": count,
                "availableReplicas": count,
                "conditions": [{"type": "Available", "status": "True" if ready else "False"}],
            },
        }
    )
    return LiveObjects({(item["kind"], item["metadata"]["name"]): item for item in found})


NOTHING = LiveObjects({})


async def unresolved_hosts(bundle: Bundle, live: LiveObjects) -> frozenset[str]:
    """The hosts of a bundle's templates that need an alias."""
    return await upstreams.unresolved_hosts(upstreams.public_hosts(bundle), live)


async def test_a_host_that_cannot_be_resolved(dns: Dns) -> None:
    assert await unresolved_hosts(RECEIVED, NOTHING) == HOST
    dns.known = True
    assert await unresolved_hosts(RECEIVED, NOTHING) == frozenset()


async def test_the_built_in_release_queries_nothing(dns: Dns) -> None:
    assert await unresolved_hosts(load_release(), NOTHING) == frozenset()
    assert dns.asked == 0


async def test_ready_proxies_without_an_alias_keep_running_without_it(dns: Dns) -> None:
    assert await unresolved_hosts(RECEIVED, proxy()) == frozenset()
    assert await unresolved_hosts(RECEIVED, proxy(hosts_file="10.0.0.1\tcore\n")) == frozenset()
    assert dns.asked == 0


async def test_unready_proxies_get_an_alias(dns: Dns) -> None:
    assert await unresolved_hosts(RECEIVED, proxy(ready=False)) == HOST


@pytest.mark.parametrize(
    "there",
    [
        {"aliases": [{"ip": UNREACHABLE, "hostnames": ["pryv.github.io"]}]},
        {"hosts_file": f"{UNREACHABLE}\tpryv.github.io\n"},
    ],
    ids=["alias", "hosts file"],
)
async def test_an_alias_stays_until_the_host_resolves(dns: Dns, there: Any) -> None:
    assert await unresolved_hosts(RECEIVED, proxy(**there)) == HOST
    dns.known = True
    assert await unresolved_hosts(RECEIVED, proxy(**there)) == frozenset()


async def test_a_host_that_does_not_exist() -> None:
    assert not await upstreams._resolves("no-such-host.invalid")
