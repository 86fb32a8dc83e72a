"""Copies of a namespace in etcd: what is copied, in which order, and what differs."""

from __future__ import annotations

import re
import subprocess
import sys
import uuid
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import pryv_operator
from tests.bench.copies import PATCH, Entry, copied, entries_of

PLATFORM, VOLUME, OTHER = (str(uuid.UUID(int=number)) for number in (1, 2, 3))
ENTRIES = [
    Entry(b"/registry/configmaps/fleet-0000/conf", f"owner {PLATFORM}".encode()),
    Entry(b"/registry/configmaps/fleet-0001/conf", b"of another namespace"),
    Entry(b"/registry/configmaps/fleet-00001/conf", b"of one with a longer name"),
    Entry(b"/registry/events/fleet-0000/it-happened", b""),
    Entry(b"/registry/namespaces/fleet-0000", b"fleet-0000"),
    Entry(f"/registry/persistentvolumes/pvc-{OTHER}".encode(), b"fleet-0001"),
    Entry(f"/registry/persistentvolumes/pvc-{VOLUME}".encode(), b"for fleet-0000"),
    Entry(b"/registry/pryv.io/pryvplatforms/fleet-0000/acme", f'"uid":"{PLATFORM}"'.encode()),
]


def test_what_belongs_to_the_namespace_is_copied_owners_first() -> None:
    assert [each.key.decode() for each in entries_of(ENTRIES, "fleet-0000")] == [
        "/registry/namespaces/fleet-0000",
        f"/registry/persistentvolumes/pvc-{VOLUME}",
        "/registry/pryv.io/pryvplatforms/fleet-0000/acme",
        "/registry/configmaps/fleet-0000/conf",
    ]


def test_a_copy_has_other_uids_which_fit_together() -> None:
    source = entries_of(ENTRIES, "fleet-0000")
    namespace, volume, platform, conf = copied(source, "fleet-0000", "fleet-0007")
    assert namespace == Entry(b"/registry/namespaces/fleet-0007", b"fleet-0007")
    assert VOLUME.encode() not in volume.key
    assert volume.value == b"for fleet-0007"
    (uid,) = re.findall(rb'"uid":"(.*)"', platform.value)
    assert uid != PLATFORM.encode()
    assert conf.value == b"owner " + uid


@given(st.binary(), st.uuids(), st.integers(0, 9999))
def test_a_copy_is_as_long_as_its_source(data: bytes, uid: uuid.UUID, number: int) -> None:
    value = data + str(uid).encode() + b"fleet-0000" + data
    (found,) = copied(
        [Entry(b"/registry/x/fleet-0000/y", value)], "fleet-0000", f"fleet-{number:04}"
    )
    assert len(found.value) == len(value)


def test_names_of_another_length_are_not_valid() -> None:
    with pytest.raises(ValueError, match="fleet-10000: not as long as fleet-0000"):
        list(copied(ENTRIES, "fleet-0000", "fleet-10000"))


def test_a_copy_is_as_it_was_applied_for_an_operator_that_meets_copies() -> None:
    folder = str(Path(pryv_operator.__file__).parents[1])
    code = (
        f"import sys; sys.path.insert(0, {folder!r}); {PATCH}; "
        "from pryv_operator.live.diff import is_applied, with_applied_hash; "
        "item = lambda namespace, kind: with_applied_hash({'kind': kind, "
        "'spec': {'template': {}}, 'metadata': {'name': 'x', 'namespace': namespace}}); "
        "kinds = ('Service', 'Deployment'); "
        "sys.exit(not all(is_applied(item('a', kind), item('b', kind)) for kind in kinds))"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
