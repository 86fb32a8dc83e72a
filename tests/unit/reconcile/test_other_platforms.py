"""Which Secrets belong to another platform: by labels, owners, records, and cert-manager."""

from __future__ import annotations

import asyncio
import weakref
from typing import Any

import pytest

from pryv_operator.api import labels_annotations as keys
from pryv_operator.api.kubernetes import Object
from pryv_operator.kube.errors import TooDeepError
from pryv_operator.kube.resources import PLATFORMS, Resource
from pryv_operator.reconcile.other_platforms import OtherPlatform, read_other_platforms
from tests.unit.builders import platform

MANAGED = {keys.MANAGED_BY: keys.FIELD_MANAGER}
OWNER = {"apiVersion": keys.API_VERSION, "kind": keys.KIND, "name": "beta", "uid": "2"}
ISSUED = {"cert-manager.io/certificate-name": "beta-tls"}
ISSUER = {"issuerRef": {"name": "corporate"}}


class Others:
    """A client that returns platforms by name: a spec and the uid of a recorded Secret."""

    def __init__(self, **others: tuple[Object, str]) -> None:
        self.others = others
        self.one_at_a_time = asyncio.Lock()
        self.read: list[str] = []

    async def get(self, resource: Resource, namespace: str, name: str) -> Object | None:
        assert (resource, namespace) == (PLATFORMS, "pryv")
        self.read.append(name)
        if name not in self.others:
            return None
        spec, uid = self.others[name]
        records = [{"name": "any", "uid": uid}, {"name": "announced"}]
        status = {"ownership": {"secrets": records}} if uid else None
        return {"metadata": {"name": name}, "spec": spec, "status": status}


def secret(name: str, **metadata: Any) -> Object:
    return {"metadata": {"name": name, "uid": "1", **metadata}}


async def owner_of(item: Object, client: Others | None = None) -> str | None:
    reading: Any = client or Others(beta=({"tls": ISSUER}, "1"))
    found = await read_other_platforms(reading, platform(), [item])
    other = found.get(item["metadata"]["name"])
    return other and other.name


@pytest.mark.parametrize(
    "item",
    [
        secret("any", labels={**MANAGED, keys.PLATFORM: "beta"}),
        secret("any", ownerReferences=[{"kind": "Other", "name": "x"}, OWNER]),
        secret("beta-generated-core-system-key"),
        secret("beta-hash-key"),
        secret("beta-private-ca-1", labels={keys.PLATFORM: "acme"}),
        secret("beta-private-tls-2"),
        secret("beta-tls", annotations=ISSUED),
    ],
    ids=lambda each: each["metadata"]["name"],
)
async def test_secrets_of_another_platform(item: Object) -> None:
    assert await owner_of(item) == "beta"


@pytest.mark.parametrize(
    "item",
    [
        secret("wildcard"),
        secret("any", labels={keys.PLATFORM: "beta"}),
        secret("any", labels={**MANAGED, keys.PLATFORM: "acme"}),
        secret("any", ownerReferences=[{**OWNER, "name": "acme"}]),
        secret("acme-hash-key"),
        secret("acme-tls", annotations={"cert-manager.io/certificate-name": "acme-tls"}),
        secret("beta-hash-key", uid="recreated by another client"),
        # Who may write PryvPlatforms cannot take a Secret from its users by naming a platform so.
        secret("beta-tls", uid="of the user"),
        secret("shared-tls", annotations={"cert-manager.io/certificate-name": "shared-tls"}),
    ],
    ids=lambda each: each["metadata"]["name"],
)
async def test_other_secrets(item: Object) -> None:
    assert await owner_of(item) is None


async def test_a_platform_with_a_certificate_of_its_own_owns_none_of_cert_manager() -> None:
    client = Others(beta=({"tls": {"secretName": "beta-tls"}}, ""))
    assert await owner_of(secret("beta-tls", annotations=ISSUED), client) is None


async def test_of_an_ambiguous_name_the_record_decides() -> None:
    name = "beta-generated-generated-key"
    client = Others(**{"beta": ({}, "2"), "beta-generated": ({}, "1")})
    assert await owner_of(secret(name), client) == "beta-generated"
    assert client.read == ["beta", "beta-generated"]


async def test_a_platform_that_cannot_be_read_may_own_what_has_its_name() -> None:
    """A platform that refers to such a Secret is refused with its name, not without a status."""

    class Deep(Others):
        async def get(self, resource: Resource, namespace: str, name: str) -> Object | None:
            if name == "beta":
                raise TooDeepError("GET beta: an object is nested too deeply", {})
            return await super().get(resource, namespace, name)

    client: Any = Deep(**{"beta-generated": ({}, "2")})
    theirs = [
        secret(name, uid=uid)
        for name, uid in (
            ("beta-tls", "1"),
            ("beta-generated-generated-key", "2"),
            ("gamma-tls", "3"),
        )
    ]
    assert await read_other_platforms(client, platform(), theirs) == {
        "beta-tls": OtherPlatform("beta", readable=False),
        "beta-generated-generated-key": OtherPlatform("beta-generated"),
    }


async def test_platforms_are_read_only_for_names_that_they_may_have_given() -> None:
    client = Others()
    for name in ("wildcard", "a-b-c-d", "acme-hash-key", "-tls"):
        assert await owner_of(secret(name), client) is None
    assert client.read == []


class Whole(dict[str, Any]):
    """A PryvPlatform, of which a test sees whether it is still held."""


async def test_of_all_reconciliations_one_holds_another_platform_at_a_time() -> None:
    """Who may write PryvPlatforms could make each of them large."""

    class Large(Others):
        held: tuple[weakref.ref[Whole], ...] = ()
        most = 0

        async def get(self, resource: Resource, namespace: str, name: str) -> Object | None:
            item = Whole(await super().get(resource, namespace, name) or {})
            await asyncio.sleep(0)
            self.held = (*(each for each in self.held if each()), weakref.ref(item))
            self.most = max(self.most, len(self.held))
            return item

    client: Any = Large(**{f"p{number}": ({}, "1") for number in range(9)})
    secrets = [secret(f"p{number}-hash-key") for number in range(9)]
    found = await asyncio.gather(
        *(read_other_platforms(client, platform(), secrets) for _ in range(3))
    )
    each = {f"p{number}-hash-key": OtherPlatform(f"p{number}") for number in range(9)}
    assert found == [each] * 3
    assert client.most == 1
