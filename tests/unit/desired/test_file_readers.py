"""How redis and hfs read their files, and the warnings about what they do not take."""

from __future__ import annotations

import pytest

from pryv_operator.api.reasons import Reason
from pryv_operator.desired.file_readers import is_read_only_replica, reads_hjson
from tests.unit.builders import state
from tests.unit.desired.test_received import of, received

STRICT = b'{"metadataUpdater": {"port": 9000}}'
COMMENT = b'{\n  # a comment\n  "metadataUpdater": {"port": 9000}\n}'


@pytest.mark.parametrize(
    ("image", "hjson"),
    [
        ("pryvsa-docker-release.bintray.io/pryv/hfs:1.4.17", True),
        ("eu.gcr.io/pryvio/hfs:1.6.12", True),
        ("eu.gcr.io/pryvio/hfs:1.6.12-rc02", True),
        ("registry.test:5000/hfs:v1.5.22@sha256:" + "a" * 64, True),
        ("eu.gcr.io/pryvio/hfs:1.6.13", False),
        ("eu.gcr.io/pryvio/hfs:1.6.21", False),
        ("docker.io/pryvio/hfs:1.9.2", False),
        ("docker.io/pryvio/hfs:1.10.0", False),
        ("docker.io/pryvio/hfs:latest", False),
        ("registry.test:1.2.3/hfs", False),
        ("hfs", False),
    ],
)
def test_images_that_read_hjson(image: str, hjson: bool) -> None:
    assert reads_hjson(image) is hjson


@pytest.mark.parametrize(
    ("text", "refuses"),
    [
        ("", False),
        ("replica-read-only yes", False),
        ("replicaof 10.0.0.1 6379", True),
        ("replicaof 10.0.0.1 6379\nreplica-read-only yes", True),
        ("slaveof 10.0.0.1 6379\nslave-read-only yes", True),
        ("replicaof 10.0.0.1 6379\nreplica-read-only no", False),
        ("REPLICAOF 10.0.0.1 6379\r\n\tReplica-Read-Only  NO\r\n", False),
        ('slaveof "10.0.0.1" 6379\nslave-read-only "no"', False),
        ("replicaof 10.0.0.1 6379\nreplica-read-only yes\nreplica-read-only no", False),
        ("replicaof 10.0.0.1 6379\nreplica-read-only no\nslave-read-only yes", True),
        ("replicaof 10.0.0.1 6379\n# replica-read-only no", True),
        ("replicaof 10.0.0.1 6379\nreplicaof no one", False),
        ("# replicaof 10.0.0.1 6379", False),
    ],
)
def test_replicas_that_refuse_writes(text: str, refuses: bool) -> None:
    assert is_read_only_replica(text) is refuses


@pytest.mark.parametrize(
    ("content", "warned"),
    [(STRICT, []), (COMMENT, ["core/hfs/conf/metadata.hjson"])],
)
def test_hjson_for_a_reader_of_json_is_reported(content: bytes, warned: list[str]) -> None:
    found = of(received(("core", "reg-master", "static"), **{"hfs__conf__metadata.hjson": content}))
    assert _files(found.warnings, Reason.NOT_STRICT_JSON) == warned
    assert not found.problems


def test_a_received_replica_that_refuses_writes_is_reported() -> None:
    found = of(received(("core", "reg-master", "reg-slave", "static")), roles={"reg-slave": {}})
    assert _files(found.warnings, Reason.READ_ONLY_REPLICA) == [
        "reg-master/redis/conf/redis.conf",
        "reg-slave/redis/conf/redis.conf",
    ]
    assert not found.problems


def test_the_built_in_release_has_neither() -> None:
    for roles in ({"reg-slave": {}}, {"singlenode": {}}):
        reasons = {warning.reason for warning in state(roles=roles).warnings}
        assert not reasons & {Reason.NOT_STRICT_JSON, Reason.READ_ONLY_REPLICA}


def _files(warnings: object, reason: Reason) -> list[str]:
    assert isinstance(warnings, tuple)
    return sorted(each.message.partition(":")[0] for each in warnings if each.reason is reason)
