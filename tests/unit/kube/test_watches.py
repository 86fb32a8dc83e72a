"""Watches that end at once, in every way, are begun again with back-off; Retry-After is obeyed."""

from __future__ import annotations

import asyncio
import datetime as dt
import email.utils
import itertools
import logging
import signal
from collections.abc import Callable, Coroutine
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pryv_operator.kube.client import METADATA, METADATA_LIST, KubeClient
from pryv_operator.kube.connection import Connection
from pryv_operator.kube.errors import ApiError, UnavailableError
from pryv_operator.kube.kopf_handlers import PlatformWatch
from pryv_operator.kube.leadership import Leadership
from pryv_operator.kube.lease import Election, LeaderElection, Timing
from pryv_operator.kube.reflector import Reflector
from pryv_operator.kube.resources import CONFIG_MAPS
from pryv_operator.kube.transport import parse_retry_after
from pryv_operator.kube.watch_backoff import WatchBackoff
from tests.unit.kube.servers import SYNCED, ApiServer, Watch, serving

GONE = {"type": "ERROR", "object": {"code": 410, "reason": "Expired", "message": "too old"}}
BROKEN = {"type": "ERROR", "object": {"code": 500, "reason": "InternalError", "message": "no"}}
BUSY = {
    "type": "ERROR",
    "object": {"code": 429, "reason": "TooManyRequests", "details": {"retryAfterSeconds": 1}},
}

#: How each watch ends.
ENDS: dict[str, Watch] = {
    "at once": lambda _: ([], 200),
    "after the list": lambda _: ([SYNCED], 200),
    "410 in the stream": lambda _: ([GONE], 200),
    "410": lambda _: ([], 410),
    "410 after the list": lambda number: ([SYNCED, GONE], 200),
    "500 in the stream": lambda _: ([BROKEN], 200),
    "429 in the stream": lambda _: ([BUSY], 200),
    "500": lambda _: ([], 500),
    "403": lambda _: ([], 403),
}
#: Between two watches, at least; a busy machine makes pauses longer, never shorter.
PAUSE_SECONDS = 0.9


async def until(condition: Callable[[], bool], running: Coroutine[Any, Any, Any]) -> None:
    """Run something until a condition is met, and a moment longer."""
    task = asyncio.create_task(running)
    async with asyncio.timeout(60):
        while not condition() and not task.done():  # noqa: ASYNC110
            await asyncio.sleep(0.05)
    await asyncio.sleep(0.5)
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task


def pauses(server: ApiServer) -> list[float]:
    return [later - earlier for earlier, later in itertools.pairwise(server.watches)]


@pytest.mark.parametrize("end", ENDS.values(), ids=ENDS.keys())
async def test_the_reflector_pauses(end: Watch) -> None:
    async with (
        serving(ApiServer(end)) as server,
        KubeClient(Connection(host=server.url)) as client,
    ):
        reflector = Reflector(client, CONFIG_MAPS, None, lambda *_: None)
        await until(lambda: len(server.watches) > 1, reflector.run())
    assert min(pauses(server)) >= PAUSE_SECONDS


@pytest.mark.parametrize("end", ENDS.values(), ids=ENDS.keys())
async def test_the_watch_of_platforms_pauses(end: Watch, caplog: pytest.LogCaptureFixture) -> None:
    async with (
        serving(ApiServer(end)) as server,
        KubeClient(Connection(host=server.url)) as client,
    ):
        watch = PlatformWatch(client, [], lambda *_: None, lambda *_: None)
        await until(lambda: len(server.watches) > 1, watch.run(asyncio.Event()))
    assert min(pauses(server)) >= PAUSE_SECONDS
    assert not [record for record in caplog.records if record.exc_info]


async def test_a_resource_that_is_not_served_for_a_while_does_not_end_the_watch(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As after a deletion of the CRD: kopf itself ends on a 404.

    By default it would kill the process ten minutes after that.
    """
    caplog.set_level(logging.WARNING)
    loop, scheduled = asyncio.get_running_loop(), list[object]()
    call_later = loop.call_later

    def recorded(delay: float, callback: Any, *arguments: Any, **options: Any) -> Any:
        scheduled.append(callback)
        return call_later(delay, callback, *arguments, **options)

    monkeypatch.setattr(loop, "call_later", recorded)
    server = ApiServer(lambda number: ([], 404) if number == 1 else None)
    async with serving(server), KubeClient(Connection(host=server.url)) as client:
        watch = PlatformWatch(client, [], lambda *_: None, lambda *_: None)
        running = asyncio.create_task(watch.run(asyncio.Event()))
        async with asyncio.timeout(30):
            while len(server.watches) < 2:  # noqa: ASYNC110
                await asyncio.sleep(0.05)
            await watch.ready.wait()
            watch.stop_watching()
            await running
    assert scheduled
    assert signal.pthread_kill not in scheduled
    assert "watch pryvplatforms: " in caplog.text
    assert "Traceback" not in caplog.text


async def test_platforms_are_read_as_metadata_also_from_a_server_that_streams_no_lists() -> None:
    """An API server refuses an option that it does not know with 422."""
    server = ApiServer(lambda number: ([], 422) if number == 1 else None)
    async with serving(server), KubeClient(Connection(host=server.url)) as client:
        watch = PlatformWatch(client, [], lambda *_: None, lambda *_: None)
        await until(lambda: len(server.watches) > 1, watch.run(asyncio.Event()))
    assert {(True, METADATA), (False, METADATA_LIST)} == set(server.asked)
    assert [watched for watched, _ in server.asked] == [True, False, False, True]


async def test_a_list_of_platforms_that_is_cut_is_read_again() -> None:
    """Objects do not come in the order of their versions: later ones would be missed."""
    metadata = {"name": "a", "namespace": "n", "uid": "1", "resourceVersion": "900"}
    added = {"type": "ADDED", "object": {"metadata": metadata}}
    server = ApiServer(lambda number: ([added], 200) if number == 1 else None)
    async with serving(server), KubeClient(Connection(host=server.url)) as client:
        watch = PlatformWatch(client, [], lambda *_: None, lambda *_: None)
        await until(lambda: len(server.watches) > 1, watch.run(asyncio.Event()))
    assert [each.get("resourceVersion") for each in server.options[:2]] == [None, None]
    assert all(each["sendInitialEvents"] == "true" for each in server.options[:2])


@pytest.mark.parametrize("cut", [False, True], ids=["ended by the server", "cut"])
async def test_platforms_are_followed_from_the_last_version(cut: bool) -> None:
    """Whoever has 1,000 platforms should not list them every five minutes."""
    metadata = {"name": "a", "namespace": "n", "uid": "1", "resourceVersion": "900"}
    events: list[dict[str, Any]] = [SYNCED, {"type": "ADDED", "object": {"metadata": metadata}}]
    if cut:
        events.append({"type": "CUT"})
    reported: list[object] = []
    server = ApiServer(lambda number: (events, 200) if number == 1 else None)
    async with serving(server), KubeClient(Connection(host=server.url)) as client:
        watch = PlatformWatch(client, [], reported.append, lambda *_: None)
        await until(lambda: len(server.watches) > 1, watch.run(asyncio.Event()))
    assert [each.get("resourceVersion") for each in server.options] == [None, "900"]
    assert "sendInitialEvents" not in server.options[1]
    assert all(watched for watched, _ in server.asked[1:])  # the first one looks for the CRD
    assert len(reported) == 1


async def test_the_reflector_obeys_retry_after() -> None:
    async with (
        serving(ApiServer(lambda _: ([], 429), retry_after="7")) as server,
        KubeClient(Connection(host=server.url)) as client,
    ):
        reflector = Reflector(client, CONFIG_MAPS, None, lambda *_: None)
        await until(lambda: len(server.watches) > 0, reflector.run())
    assert len(server.watches) == 1


class _Busy:
    """A client whose requests for the Lease are answered with 429."""

    def __init__(self) -> None:
        self.asked = 0

    async def read_lease(self, namespace: str, name: str) -> None:
        self.asked += 1
        raise UnavailableError(429, "TooManyRequests", "busy", retry_after=60)


async def test_a_candidate_obeys_retry_after() -> None:
    busy: Any = _Busy()
    election = Election("n", "l", "me", Timing(duration=15, retry=0.05))
    await until(lambda: busy.asked > 0, LeaderElection(busy, election, Leadership(10)).run())
    assert busy.asked == 1


@given(passed=st.floats(0, 9.99), retry_after=st.floats(0, 1000), retry=st.floats(0.05, 2))
def test_a_leader_obeys_it_as_far_as_its_deadline_allows(
    passed: float, retry_after: float, retry: float
) -> None:
    leadership = Leadership(10, lambda: passed)
    leadership.renewed(0)
    nobody: Any = None
    election = Election("n", "l", "me", Timing(duration=15, retry=retry))
    pause = LeaderElection(nobody, election, leadership, lambda: passed)._retry_pause(retry_after)
    assert 0 < pause <= 10 - passed
    assert pause >= min(retry_after, 10 - passed - 2 * retry)


@given(lasted=st.lists(st.floats(0, 9.9), min_size=1, max_size=20))
def test_the_backoff_grows_and_is_bounded(lasted: list[float]) -> None:
    backoff = WatchBackoff()
    found = [backoff.after(each) for each in lasted]
    assert found == sorted(found)
    assert found[0] == 1
    assert found[-1] <= 30
    assert backoff.after(300) == 0
    assert backoff.after(0) == 1


def test_retry_after_is_seconds_or_a_date() -> None:
    """Source: RFC 9110, section 10.2.3."""
    assert parse_retry_after("7") == 7
    soon = email.utils.format_datetime(dt.datetime.now(dt.UTC) + dt.timedelta(seconds=30), True)
    assert 25 < (parse_retry_after(soon) or 0) <= 30
    past = email.utils.format_datetime(dt.datetime.now(dt.UTC) - dt.timedelta(seconds=30), True)
    assert parse_retry_after(past) == 0
    for nonsense in ("", "soon", "-1", "²", "1e3"):
        assert parse_retry_after(nonsense) is None


def test_no_server_stops_the_operator_for_good() -> None:
    assert ApiError(429, "TooManyRequests", "busy", retry_after=1e12).retry_after == 300
