"""Who may read the metrics: as the API server decides, also when it does not."""

from __future__ import annotations

import asyncio
import logging
import ssl
from collections.abc import Callable
from http import HTTPStatus
from typing import Any

import aiohttp
import pytest

from pryv_operator.api.kubernetes import Object
from pryv_operator.kube.errors import ApiError, NotLeaderError, error_from_status
from pryv_operator.kube.metrics_access import MetricsAccess
from pryv_operator.kube.metrics_endpoint import serving_metrics
from pryv_operator.kube.resources import SUBJECT_ACCESS_REVIEWS, TOKEN_REVIEWS, Resource

TOKEN = "canary-token-9c1d"
BEARER = f"Bearer {TOKEN}"
USER = {"username": "system:serviceaccount:monitor:prometheus", "groups": ["a"], "uid": "1"}


class Reviewing:
    """A client whose reviews are given; ``asked`` are those it was asked for."""

    def __init__(self, *, token: Object | None = None, allowed: Any = True) -> None:
        self.token = {"authenticated": True, "user": USER} if token is None else token
        self.allowed = allowed
        self.error: ApiError | None = None
        self.asked: list[tuple[str, Object]] = []

    async def review(self, resource: Resource, spec: Object) -> Object:
        self.asked.append((resource.kind, spec))
        await asyncio.sleep(0)
        if self.error:
            raise self.error
        if resource == TOKEN_REVIEWS:
            return self.token
        assert resource == SUBJECT_ACCESS_REVIEWS
        return {"allowed": self.allowed}


def access_to(client: Any, clock: Callable[[], float] = lambda: 0.0) -> MetricsAccess:
    return MetricsAccess(client, clock)


@pytest.mark.parametrize("header", ["", "Bearer", "Bearer ", f"Basic {TOKEN}", TOKEN, "\udc80"])
async def test_without_a_token_nothing_is_asked(header: str) -> None:
    client = Reviewing()
    assert await access_to(client).decide(header) == HTTPStatus.UNAUTHORIZED
    assert client.asked == []


async def test_an_admitted_user_reads() -> None:
    client = Reviewing()
    assert await access_to(client).decide(f"bearer {TOKEN}") == HTTPStatus.OK
    assert client.asked == [
        ("TokenReview", {"token": TOKEN}),
        (
            "SubjectAccessReview",
            {
                "user": USER["username"],
                "uid": "1",
                "groups": ["a"],
                "extra": {},
                "nonResourceAttributes": {"path": "/metrics", "verb": "get"},
            },
        ),
    ]


@pytest.mark.parametrize(
    ("client", "status"),
    [
        (Reviewing(token={}), HTTPStatus.UNAUTHORIZED),
        (Reviewing(token={"authenticated": False, "user": USER}), HTTPStatus.UNAUTHORIZED),
        (Reviewing(allowed=False), HTTPStatus.FORBIDDEN),
        (Reviewing(allowed=None), HTTPStatus.FORBIDDEN),
        (Reviewing(allowed="true"), HTTPStatus.FORBIDDEN),
    ],
)
async def test_others_do_not(client: Reviewing, status: HTTPStatus) -> None:
    assert await access_to(client).decide(BEARER) == status


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (error_from_status(403, "Forbidden", TOKEN), HTTPStatus.FORBIDDEN),
        (error_from_status(422, "Invalid", TOKEN), HTTPStatus.FORBIDDEN),
        (error_from_status(500, "InternalError", TOKEN), HTTPStatus.SERVICE_UNAVAILABLE),
        (error_from_status(0, "NoConnection", TOKEN), HTTPStatus.SERVICE_UNAVAILABLE),
        (NotLeaderError(TOKEN), HTTPStatus.SERVICE_UNAVAILABLE),
    ],
)
async def test_a_failed_review_admits_nobody_and_is_not_remembered(
    error: ApiError, status: HTTPStatus, caplog: pytest.LogCaptureFixture
) -> None:
    client = Reviewing()
    client.error = error
    access = access_to(client)
    with caplog.at_level(logging.WARNING):
        assert await access.decide(BEARER) == status
    assert TOKEN not in caplog.text
    client.error = None
    assert await access.decide(BEARER) == HTTPStatus.OK


async def test_a_decision_is_valid_for_a_short_while() -> None:
    client, now = Reviewing(), 0.0
    access = access_to(client, lambda: now)
    assert await access.decide(BEARER) == HTTPStatus.OK
    client.token, now = {"authenticated": False}, 29.0
    assert await access.decide(BEARER) == HTTPStatus.OK
    assert await access.decide("Bearer another") == HTTPStatus.UNAUTHORIZED
    now = 30.0
    assert await access.decide(BEARER) == HTTPStatus.UNAUTHORIZED


class ReviewingMany(Reviewing):
    """Admits the token above. Others are answered with ``others``, and not before ``release``."""

    def __init__(self, others: Object | None = None, *, hold: bool = False) -> None:
        super().__init__()
        self.others = others or {"authenticated": False}
        self.release = asyncio.Event()
        if not hold:
            self.release.set()

    async def review(self, resource: Resource, spec: Object) -> Object:
        if resource == TOKEN_REVIEWS and spec["token"] != TOKEN:
            self.asked.append((resource.kind, spec))
            await self.release.wait()
            return self.others
        status = await super().review(resource, spec)
        return status if spec.get("user") in (None, USER["username"]) else {"allowed": False}


async def test_a_flood_of_tokens_reaches_the_api_server_a_few_at_a_time() -> None:
    client = Reviewing(token={})
    access = access_to(client)
    answers = await asyncio.gather(*(access.decide(f"Bearer {number}") for number in range(500)))
    assert len(client.asked) == 8
    assert answers.count(HTTPStatus.TOO_MANY_REQUESTS) == 492
    for number in range(500):
        await access.decide(f"Bearer {number}")
    assert len(access._others.decisions) <= 64


@pytest.mark.parametrize(
    "others",
    [{"authenticated": False}, {"authenticated": True, "user": {"username": "eve"}}],
    ids=["invalid", "of another account"],
)
async def test_refused_tokens_do_not_displace_an_admitted_one(others: Object) -> None:
    """Whoever reaches the port can send any number of them."""
    client = ReviewingMany(others)
    access = access_to(client)
    assert await access.decide(BEARER) == HTTPStatus.OK
    for number in range(500):
        assert await access.decide(f"Bearer {number}") != HTTPStatus.OK
    client.asked.clear()
    assert await access.decide(BEARER) == HTTPStatus.OK
    assert client.asked == []


async def test_a_flood_does_not_keep_an_admitted_client_out_after_its_decision_expired() -> None:
    client, now = ReviewingMany(hold=True), 0.0
    access = access_to(client, lambda: now)
    assert await access.decide(BEARER) == HTTPStatus.OK
    now = 60.0
    flood = [asyncio.create_task(access.decide(f"Bearer {number}")) for number in range(20)]
    await asyncio.sleep(0)
    assert await access.decide("Bearer another") == HTTPStatus.TOO_MANY_REQUESTS
    assert await access.decide(BEARER) == HTTPStatus.OK
    client.release.set()
    await asyncio.gather(*flood)


async def test_requests_of_an_admitted_client_are_limited_too() -> None:
    client, now = Reviewing(), 0.0
    access = access_to(client, lambda: now)
    assert await access.decide(BEARER) == HTTPStatus.OK
    client.asked.clear()
    now = 60.0
    await asyncio.gather(*(access.decide(BEARER) for _ in range(100)))
    assert sum(kind == "TokenReview" for kind, _ in client.asked) == 8


async def test_a_client_that_is_not_admitted_any_more_counts_as_others() -> None:
    client, now = ReviewingMany(hold=True), 0.0
    access = access_to(client, lambda: now)
    assert await access.decide(BEARER) == HTTPStatus.OK
    client.allowed, now = False, 60.0
    assert await access.decide(BEARER) == HTTPStatus.FORBIDDEN
    now = 120.0
    flood = [asyncio.create_task(access.decide(f"Bearer {number}")) for number in range(20)]
    await asyncio.sleep(0)
    assert await access.decide(BEARER) == HTTPStatus.TOO_MANY_REQUESTS
    client.release.set()
    await asyncio.gather(*flood)


async def test_metrics_are_served_with_tls_to_those_who_may() -> None:
    client = Reviewing()
    insecure = ssl.create_default_context()
    insecure.check_hostname, insecure.verify_mode = False, ssl.CERT_NONE
    async with (
        serving_metrics("127.0.0.1", 0, access_to(client)) as port,
        aiohttp.ClientSession() as session,
    ):
        url = f"https://127.0.0.1:{port}/metrics"
        async with session.get(url, ssl=insecure) as refused:
            assert refused.status == HTTPStatus.UNAUTHORIZED
            assert refused.headers["WWW-Authenticate"] == "Bearer"
            assert "pryv_operator" not in await refused.text()
        async with session.get(url, ssl=insecure, headers={"Authorization": BEARER}) as admitted:
            assert admitted.status == HTTPStatus.OK
            assert "pryv_operator_leader" in await admitted.text()
        with pytest.raises(aiohttp.ClientError):
            await session.get(url.replace("https", "http"))
