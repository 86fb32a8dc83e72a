"""Copies of a namespace, written into etcd: a thousand platforms in minutes.

The operator has installed one platform, controllers and nodes have done their part. Its namespace,
with all that is in it, is copied under other names of the same length. Each uid becomes another
one, so that owners own their own objects. All else is equal, the domain too.

etcd is written directly, through its JSON gateway, because the API server would give uids,
addresses and status of its own, and because controllers take far longer for so many objects.
"""

from __future__ import annotations

import base64
import http.client
import json
import re
import uuid
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from tests.cluster.control_plane import ControlPlane
from tests.cluster.waiting import wait_until

#: What an owner is comes before what it owns: the garbage collector deletes what it finds without.
_ORDER: Final = (
    b"/registry/namespaces/",
    b"/registry/persistentvolumes/",
    b"/registry/serviceaccounts/",
    b"/registry/pryv.io/pryvplatforms/",
    b"/registry/deployments/",
    b"/registry/statefulsets/",
    b"/registry/replicasets/",
    b"/registry/services/",
    b"/registry/persistentvolumeclaims/",
)
#: For an operator that meets copies.
PATCH: Final = f"import runpy; runpy.run_path({str(Path(__file__).with_name('copy_patch.py'))!r})"
#: Where it is seen whether the API server's caches hold all copies.
_SERVED: Final = {
    "/api/v1/pods": b"/registry/pods/",
    "/api/v1/configmaps": b"/registry/configmaps/",
    "/apis/apps/v1/deployments": b"/registry/deployments/",
}
#: Those of the source's history do not matter.
_NOT_COPIED: Final = (b"/registry/events/",)
_REGISTRY: Final = b"/registry/"
_REGISTRY_END: Final = b"/registry0"
_UID: Final = re.compile(rb"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")


@dataclass(frozen=True)
class Entry:
    """A key of etcd with its value."""

    key: bytes
    value: bytes = field(repr=False)


def entries_of(entries: Iterable[Entry], namespace: str) -> tuple[Entry, ...]:
    """What belongs to a namespace: it, what is in it, and the volumes that it has claimed."""
    name = namespace.encode()
    own = re.compile(rb"/" + name + rb"(/|$)")
    found = [
        each
        for each in entries
        if not each.key.startswith(_NOT_COPIED)
        and (own.search(each.key) or (b"/persistentvolumes/" in each.key and name in each.value))
    ]
    return tuple(sorted(found, key=lambda each: (_place(each.key), each.key)))


def _place(key: bytes) -> int:
    return next(
        (number for number, prefix in enumerate(_ORDER) if key.startswith(prefix)), len(_ORDER)
    )


def copied(entries: Sequence[Entry], source: str, target: str) -> Iterator[Entry]:
    """The same in another namespace, with other uids.

    Raises:
        ValueError: the names differ in length, which values in Protobuf do not allow.
    """
    if len(source) != len(target):
        raise ValueError(f"{target}: not as long as {source}; choose a name of the same length")
    old, new = source.encode(), target.encode()

    def another(found: re.Match[bytes]) -> bytes:
        return str(uuid.uuid5(uuid.NAMESPACE_OID, f"{target} {found[0].decode()}")).encode()

    for each in entries:
        yield Entry(*(_UID.sub(another, part.replace(old, new)) for part in (each.key, each.value)))


class Etcd:
    """The JSON gateway of an etcd on this machine."""

    def __init__(self, port: int) -> None:
        self._connection = http.client.HTTPConnection("127.0.0.1", port, timeout=120)

    def all_entries(self) -> list[Entry]:
        """Everything that the API server has stored."""
        answer = self._post(
            "range", {"key": _encoded(_REGISTRY), "range_end": _encoded(_REGISTRY_END)}
        )
        return [
            Entry(base64.b64decode(each["key"]), base64.b64decode(each.get("value", "")))
            for each in answer.get("kvs", ())
        ]

    def put(self, entries: Iterable[Entry]) -> None:
        """Write them one by one, so that each has a revision of its own, as the API server does."""
        for each in entries:
            self._post("put", {"key": _encoded(each.key), "value": _encoded(each.value)})

    def _post(self, call: str, body: object) -> dict[str, list[dict[str, str]]]:
        self._connection.request("POST", f"/v3/kv/{call}", json.dumps(body))
        answer = self._connection.getresponse()
        text = answer.read()
        if answer.status != 200:
            raise RuntimeError(f"etcd: {call}: {answer.status}: {text[:500]!r}")
        found: dict[str, list[dict[str, str]]] = json.loads(text)
        return found


def copy_namespace(
    cluster: ControlPlane, source: str, targets: Sequence[str], echo: Callable[[str], None]
) -> int:
    """Copy a namespace so many times; return the number of objects in each.

    Controllers are stopped meanwhile: they would create what has not been copied yet.
    """
    etcd = Etcd(cluster.etcd_port)
    with cluster.without_controllers():
        entries = entries_of(etcd.all_entries(), source)
        for number, target in enumerate(targets, start=1):
            etcd.put(copied(entries, source, target))
            if number % 50 == 0:
                echo(f"{number} copies of {len(entries)} objects")
        wait_until(
            lambda: all(_is_served(cluster, entries, each) for each in targets[-1:]),
            "the API server to serve the copies",
            seconds=60 + len(targets),
            every=1.0,
        )
    return len(entries)


def _is_served(cluster: ControlPlane, entries: Iterable[Entry], target: str) -> bool:
    """Whether the API server's caches hold a copy, and so those that were written before it.

    A list of all would be 75 MB of pods, which a busy API server does not send within its limit.
    """
    for resource, prefix in _SERVED.items():
        group, _, plural = resource.rpartition("/")
        path = f"{group}/namespaces/{target}/{plural}?resourceVersion=0"
        if len(cluster.api.get(path)["items"]) < sum(
            each.key.startswith(prefix) for each in entries
        ):
            return False
    return True


def _encoded(data: bytes) -> str:
    return base64.b64encode(data).decode()
