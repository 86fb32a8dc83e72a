"""Revisions carry the operator's MAC; nothing that another client planted or changed is applied."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pryv_operator.api import labels_annotations as keys
from pryv_operator.api.kubernetes import WORKLOAD_KINDS, Object
from pryv_operator.api.status import RevisionRecord
from pryv_operator.kube.client import METADATA
from pryv_operator.kube.errors import ConflictError, TooDeepError
from pryv_operator.kube.transport import JSON
from pryv_operator.live.diff import with_applied_hash
from pryv_operator.live.live_objects import LiveObjects
from pryv_operator.rollout import revision_mac, revision_store, revisions
from pryv_operator.rollout.revision_mac import RevisionSigner
from pryv_operator.rollout.revision_records import RevisionRecords
from pryv_operator.rollout.revisions import Revision, parse_revisions
from tests.unit.builders import UID, platform
from tests.unit.rollout.recorded_revisions import revision_item, workload

SIGNER = RevisionSigner(b"key", UID)
EARLIER = Path(__file__).parents[2] / "api/upgrade/before-the-rooms-moved.json"
#: Stands for data that are nested more deeply than the parser can follow.
DEEP = {"spec": "deep"}
CORE = workload("co1/core", image="core:1")


def signed(number: int = 1, **more: str) -> Object:
    return SIGNER.signed(revision_item(number, CORE, **more))


def as_served(item: Object) -> Object:
    return json.loads(json.dumps(item))  # type: ignore[no-any-return]


def read(item: Object) -> Revision:
    (found,) = parse_revisions([item])
    return found


def rename(item: Object) -> None:
    item["metadata"]["name"] = "acme-revision-2"


def set_image(item: Object) -> None:
    recorded = item["data"]["workloads"]["acme-co1-core"]
    recorded["spec"]["template"]["spec"]["containers"][0]["image"] = "evil"


def annotate(key: str, value: str | None) -> Callable[[Object], None]:
    def change(item: Object) -> None:
        if value is None:
            del item["metadata"]["annotations"][key]
        else:
            item["metadata"]["annotations"][key] = value

    return change


def test_what_the_operator_has_recorded_is_authentic() -> None:
    assert SIGNER.has_recorded(as_served(signed()))


@pytest.mark.parametrize(
    "change",
    [
        rename,
        set_image,
        annotate(keys.COMPLETE, "true"),
        annotate(keys.TEMPLATES, "{}"),
        annotate(keys.FAILED, None),
        annotate(keys.DATA_DIGEST, "0"),
        annotate(keys.DATA_DIGEST, None),
        annotate(keys.MAC, "0" * 64),
        annotate(keys.MAC, "é"),
        annotate(keys.MAC, None),
    ],
)
def test_a_changed_revision_is_not_authentic(change: Callable[[Object], None]) -> None:
    item = as_served(signed(failed="too late"))
    change(item)
    assert not SIGNER.has_recorded(item)


@pytest.mark.parametrize(
    "signer", [RevisionSigner(b"another", UID), RevisionSigner(b"key", "another")]
)
def test_a_revision_of_another_platform_is_not_authentic(signer: RevisionSigner) -> None:
    assert not signer.has_recorded(signed())


def test_annotations_of_others_do_not_count() -> None:
    item = signed()
    item["metadata"]["annotations"]["example.com/note"] = "seen"
    assert SIGNER.has_recorded(item)


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
        lambda each: st.lists(each) | st.dictionaries(st.text(), each),
    )
)
def test_data_keep_their_digest_however_the_api_server_writes_numbers(value: Any) -> None:
    assert revision_mac.data_digest({"data": integral(value)}) == revision_mac.data_digest(
        {"data": value}
    )


def integral(value: Any) -> Any:
    """JSON as Go writes it: a float without a fraction has no point."""
    if isinstance(value, dict):
        return {key: integral(each) for key, each in value.items()}
    if isinstance(value, list):
        return [integral(each) for each in value]
    return int(value) if isinstance(value, float) and value.is_integer() else value


def test_data_nested_too_deeply_are_never_authentic() -> None:
    nested: Any = []
    for _ in range(200_000):
        nested = [nested]
    revision = read(signed())
    item = {**signed(), "data": {"spec": nested, "workloads": signed()["data"]["workloads"]}}
    assert not revision_mac.holds_signed_data(authentic(revision), item)
    assert revision_mac.take_over_annotations(item, running(CORE)) is None


def authentic(revision: Revision) -> Revision:
    return replace(revision, authentic=True)


def running(*workloads: Object) -> LiveObjects:
    return LiveObjects({}).with_objects(with_applied_hash(each) for each in workloads)


class Server:
    """An API server with ControllerRevisions."""

    def __init__(self, *items: Object) -> None:
        self.items = {item["metadata"]["name"]: as_served(item) for item in items}
        self.written: list[str] = []

    async def get(self, _: Any, __: str, name: str, *, accept: str = JSON) -> Object | None:
        found = copy.deepcopy(self.items.get(name))
        managed = found and found["metadata"].get("managedFields")
        if found and accept == METADATA and managed != DEEP:
            return {key: value for key, value in found.items() if key != "data"}
        if found and DEEP in (managed, found["data"]):
            raise TooDeepError(f"GET {name}: an object is nested too deeply", {})
        return found

    async def create_controller_revision(self, item: Object) -> Object:
        if item["metadata"]["name"] in self.items:
            raise ConflictError(409, "AlreadyExists", "exists")
        metadata = {
            "uid": f"uid of {item['metadata']['name']}",
            **item["metadata"],
            "creationTimestamp": "2026-01-01T00:00:00Z",
        }
        self.items[metadata["name"]] = as_served({**item, "metadata": metadata})
        return self.items[metadata["name"]]

    async def patch_annotations(self, item: Object, change: dict[str, str | None]) -> Object:
        name = item["metadata"]["name"]
        live = self.items[name]["metadata"]["annotations"]
        live |= change
        for key in [key for key, value in live.items() if value is None]:
            del live[key]
        self.written.append(name)
        return copy.deepcopy(self.items[name])

    async def delete(self, item: Object) -> bool:
        if self.items[item["metadata"]["name"]]["data"] == DEEP:
            raise TooDeepError("DELETE: an object is nested too deeply", {})
        del self.items[item["metadata"]["name"]]
        return True

    def history(self) -> tuple[Revision, ...]:
        """As it is read: metadata only."""
        return parse_revisions(
            {key: value for key, value in item.items() if key != "data"}
            for item in self.items.values()
        )


async def verified(
    server: Any,
    *live: Object,
    paused: bool = False,
    records: RevisionRecords = RevisionRecords(),  # noqa: B008 - it is frozen
) -> dict[int, bool]:
    of = platform(rollout={"paused": True}) if paused else platform()
    found = await revision_store.authenticate_history(
        server, of, SIGNER, server.history(), records, running(*live)
    )
    return {each.number: each.authentic for each in found}


async def test_a_list_that_lacks_the_newest_revision_is_read_again() -> None:
    """A list may be older than the status; the revision would be created once more."""
    server: Any = Server()
    for number in (1, 2):
        await revision_store.create_revision(
            server, platform(), SIGNER, revision_item(number, CORE)
        )
    history = server.history()
    records = RevisionRecords(()).adopting(history)

    async def read(items: Sequence[Revision]) -> list[int]:
        found = await revision_store.authenticate_history(
            server, platform(), SIGNER, items, records, running()
        )
        return [each.number for each in found]

    for stale in ((), history[:1]):
        with pytest.raises(ConflictError, match="acme-revision-2"):
            await read(stale)
    assert await read(history) == [1, 2]
    # It was deleted, and another client has created one with its name.
    del server.items[history[1].name]
    assert await read(history[:1]) == [1]
    server.items[history[1].name] = {"metadata": {"name": history[1].name, "uid": "another"}}
    assert await read(history[:1]) == [1]


async def test_a_created_revision_stays_authentic_through_its_life() -> None:
    server: Any = Server()
    created = await revision_store.create_revision(
        server, platform(), SIGNER, revision_item(1, CORE, spec={"weight": 1.0, "deep": [1e30]})
    )
    failed = revisions.failed_annotations("too late", "")
    for change in (failed, revisions.complete_annotations(), {keys.FAILED: None}):
        created = await revision_store.patch_revision(server, SIGNER, created, change)
    assert created.authentic
    assert await verified(server) == {1: True}
    assert (await revision_store.read_record(server, platform(), created)) is not None


async def test_a_change_makes_nothing_authentic() -> None:
    server: Any = Server(revision_item(1, CORE))
    (planted,) = server.history()
    after = await revision_store.patch_revision(server, SIGNER, planted, {keys.COMPLETE: "true"})
    assert not after.authentic
    assert keys.MAC not in server.items["acme-revision-1"]["metadata"]["annotations"]


async def test_revisions_of_an_earlier_version_are_taken_over_while_they_run() -> None:
    server: Any = Server(revision_item(1, CORE), revision_item(2, CORE, complete="true"))
    assert await verified(server, CORE, paused=True) == {1: False, 2: False}
    assert server.written == []
    assert await verified(server, CORE) == {1: False, 2: True}
    assert await verified(server) == {1: False, 2: True}
    assert server.written == ["acme-revision-2"]


def records(**numbers: int) -> RevisionRecords:
    """The records: uid and number of each."""
    return RevisionRecords(tuple(RevisionRecord(number=n, uid=uid) for uid, n in numbers.items()))


def with_uid(item: Object, uid: str) -> Object:
    return {**item, "metadata": {**item["metadata"], "uid": uid}}


async def test_an_old_revision_that_was_created_again_is_not_authentic() -> None:
    """Whether its number is recorded for another object, or was before it was pruned."""
    again = with_uid(signed(3), "again")
    for known in (records(first=3, last=9), records(last=9)):
        assert await verified(Server(again), records=known) == {3: False}
        assert await verified(Server(again), CORE, records=known) == {3: False}
    assert await verified(Server(with_uid(signed(3), "first")), records=records(first=3)) == {
        3: True
    }


async def test_a_revision_of_an_operator_that_was_killed_is_authentic() -> None:
    """Its number is new, which only the next one to be created has."""
    items = [with_uid(signed(each), f"uid-{each}") for each in (1, 2)]
    assert await verified(Server(*items), records=records(**{"uid-1": 1})) == {1: True, 2: True}


async def test_what_the_operator_has_not_created_is_never_signed() -> None:
    """Its spec, and what else it says besides pod templates, would be anybody's."""
    server: Any = Server(
        with_uid(revision_item(1, CORE, complete="true"), "first"),
        with_uid(revision_item(2, CORE, complete="true"), "planted"),
    )
    assert await verified(server, CORE, records=records(first=1)) == {1: False, 2: False}
    assert server.written == []
    assert await verified(server, CORE, records=records(first=1, planted=2)) == {1: False, 2: True}


async def test_what_does_not_run_is_not_taken_over() -> None:
    evil = workload("co1/core", image="evil")
    server: Any = Server(
        revision_item(1, CORE, complete="true"), revision_item(2, evil, complete="true")
    )
    # The planted record claims to be what is live.
    live = running(CORE).objects["Deployment", "acme-co1-core"]
    planted = server.items["acme-revision-2"]["data"]["workloads"]["acme-co1-core"]
    planted["annotations"] = live["metadata"]["annotations"]
    assert keys.TEMPLATE in planted["annotations"]
    assert await verified(server, CORE) == {1: False, 2: False}
    assert server.written == []


async def test_an_exchanged_record_is_forged_and_never_read() -> None:
    item = signed()
    server: Any = Server(item)
    revision = authentic(read(item))
    set_image(server.items["acme-revision-1"])
    found = await revision_store.read_recorded_workloads(
        server, platform(), {"acme-co1-core": revision}
    )
    assert (found.workloads, found.forged) == ({}, {1})
    assert await revision_store.read_record(server, platform(), revision) is None


async def test_a_revision_that_is_nested_too_deeply_is_ignored() -> None:
    """It is read as one without data; what is recorded of an authentic one is forged."""
    item = signed()
    server: Any = Server({**item, "data": DEEP})
    revision = read(item)
    assert await verified(Server({**revision_item(1, CORE), "data": DEEP}), CORE) == {1: False}
    for each in (revision, authentic(revision)):
        assert await revision_store.read_record(server, platform(), each) is None
    found = await revision_store.read_recorded_workloads(
        server, platform(), {"acme-co1-core": authentic(revision)}
    )
    assert (found.workloads, found.forged) == ({}, {1})


async def test_a_revision_that_a_finalizer_retains_does_not_end_the_pruning() -> None:
    """The API server returns it as a whole."""
    deep = {**revision_item(1, CORE), "data": DEEP}
    server: Any = Server(deep, revision_item(2, CORE), revision_item(3, CORE), signed(4))
    of = platform(rollout={"historyLimit": 1})
    await revision_store.prune_revisions(server, of, server.history())
    assert server.items.keys() == {f"acme-revision-{number}" for number in (1, 3, 4)}


@pytest.mark.parametrize("managed", [None, DEEP])
async def test_a_number_whose_revision_is_nested_too_deeply_is_skipped(managed: Any) -> None:
    item = revision_item(1, CORE)
    del item["metadata"]["labels"][keys.PURPOSE]
    item["metadata"]["managedFields"] = managed
    server: Any = Server({**item, "data": DEEP})
    created = await revision_store.create_revision(
        server, platform(), SIGNER, revision_item(1, CORE)
    )
    assert created.number == 2


async def test_a_planted_revision_does_not_keep_the_next_one_from_being_created() -> None:
    """Its number is higher than what counts, so reading the history again would not help."""
    first, limit = with_uid(signed(1), "first"), 1 + 1000
    planted = [revision_item(1, CORE) for _ in range(2)]
    for number, item in enumerate(planted, limit):
        item["metadata"]["name"] = f"acme-revision-{number}"
    server: Any = Server(first, *planted)
    history = records(first=1).plausible(server.history())
    assert [each.number for each in history] == [1, limit]
    record = {**revision_item(1, CORE), "revision": limit + 1}
    created = await revision_store.create_revision(server, platform(), SIGNER, record)
    assert (created.number, created.authentic) == (limit + 2, True)


async def test_a_revision_of_the_operator_that_was_not_read_is_a_conflict() -> None:
    server: Any = Server(signed(2))
    record = {**revision_item(1, CORE), "revision": 2}
    with pytest.raises(ConflictError):
        await revision_store.create_revision(server, platform(), SIGNER, record)
    assert server.items.keys() == {"acme-revision-2"}


def test_the_history_of_an_earlier_version_is_what_runs() -> None:
    """So an upgrade signs it, and goes on without a rolled pod."""
    objects = json.loads(EARLIER.read_text())["objects"]
    live = LiveObjects({}).with_objects(each for each in objects if each["kind"] in WORKLOAD_KINDS)
    history = [each for each in objects if each["kind"] == "ControllerRevision"]
    assert history
    assert all(revision_mac.take_over_annotations(each, live) for each in history)
