"""The client of one reconciliation: it reads what has moved, and notes what it has seen.

A list of the platform's own objects is answered from memory while the watches show that nothing in
it has moved. What the reconciliation itself writes is noted there too.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from pryv_operator.api import labels_annotations as keys
from pryv_operator.api.kubernetes import Object
from pryv_operator.kube.client import METADATA_LIST, PAGE, KubeClient
from pryv_operator.kube.errors import NotFoundError, TooLargeError
from pryv_operator.kube.known_objects import mark
from pryv_operator.kube.resources import (
    CERTIFICATES,
    CONTROLLER_REVISIONS,
    PLATFORMS,
    PODS,
    Resource,
)
from pryv_operator.kube.transport import JSON
from pryv_operator.kube.work_queue import Key
from pryv_operator.reconcile.followed import OWNED, REFERENCED, Followed
from pryv_operator.reconcile.remembered import (
    ListKey,
    RememberedList,
    RememberedLists,
    UnservedResources,
)

_FOLLOWED: Final = frozenset(each.plural for each in (*OWNED, *REFERENCED))
#: So many objects are read as a whole where only their metadata are asked for first: their content
#: is asked for next, if they are few.
_FEW: Final = 64
_FEW_BYTES: Final = 1 << 20


@dataclass
class Seen:
    """What a reconciliation has read, and what it has made of that by writing.

    ``platform``: the resourceVersion. ``own``: plural → what stands for the platform's objects of
    that kind (``KnownObjects.sum``). ``others``: plural and name → the mark of an object that is
    read by its name, 0 if it does not exist. ``complete``: the watches follow all that was read.
    ``moved``: what it had read before was read again and has changed in between.
    """

    platform: str = ""
    own: dict[str, int] = field(default_factory=dict)
    others: dict[tuple[str, str], int] = field(default_factory=dict)
    complete: bool = True
    moved: bool = False


class PlatformClient(KubeClient):
    """A client that knows which platform is reconciled. ``seen`` grows with each request."""

    def __init__(
        self,
        client: KubeClient,
        key: Key,
        followed: Followed,
        remembered: RememberedLists,
        unserved: UnservedResources,
    ) -> None:
        """It shares the connections of ``client``."""
        self.__dict__.update(client.__dict__)
        self._client = client
        self._key = key
        self._followed = followed
        self._remembered = remembered
        self._unserved = unserved
        self._own = f"{keys.MANAGED_BY}={keys.FIELD_MANAGER},{keys.PLATFORM}={key.name}"
        #: Lists that this reconciliation has read: later in it, they are the same snapshot.
        self._read: set[ListKey] = set()
        self.seen = Seen()

    def unremembered(self) -> KubeClient:
        """The client itself, which answers nothing from memory. What it reads is not noted."""
        self.seen.complete = False
        return self._client

    async def get(
        self, resource: Resource, namespace: str, name: str, *, accept: str = JSON
    ) -> Object | None:
        """Read an object, or remember it; None when it does not exist."""
        found = await self._get(resource, namespace, name, accept)
        version = found["metadata"]["resourceVersion"] if found else ""
        if (resource, namespace, name) == (PLATFORMS, *self._key):
            # Once it is read, it is only asked whether it still exists.
            self.seen.platform = self.seen.platform or version
        elif resource in REFERENCED:
            self.seen.others[resource.plural, name] = mark(name, version) if version else 0
        elif resource != CONTROLLER_REVISIONS:  # these are listed, too
            self.seen.complete = False
        return found

    async def _get(
        self, resource: Resource, namespace: str, name: str, accept: str
    ) -> Object | None:
        """The platform and its revisions are remembered: others ask whether one still exists."""
        if accept != JSON or resource not in (PLATFORMS, CONTROLLER_REVISIONS):
            return await super().get(resource, namespace, name, accept=accept)
        wanted = ListKey(resource.plural, "", accept, name)
        remembered = self._remembered.get(self._key, wanted, self._version_of(resource, name))
        if remembered and remembered.marks:
            (known,) = remembered.parsed()
            return known
        found = await super().get(resource, namespace, name)
        if found is not None:
            self._remembered.remember(self._key, wanted, [found])
        return found

    def _version_of(self, resource: Resource, name: str) -> int | None:
        """The mark of the version that the watches show of an object by its name."""
        if resource == CONTROLLER_REVISIONS:
            return self._followed.one(resource, self._key.namespace, name)
        version = self._followed.platform(self._key) if name == self._key.name else None
        return mark(name, version) if version else None

    async def list_page(
        self,
        resource: Resource,
        namespace: str | None,
        *,
        labels: str | None = None,
        fields: str | None = None,
        token: str | None = None,
        limit: int = PAGE,
        accept: str = JSON,
        max_bytes: int | None = None,
    ) -> Object:
        """Read one page of a list, as the API server returns it, or from memory."""
        if resource == CERTIFICATES:
            return await self._list_certificates(namespace, labels, limit, max_bytes)
        wanted = ListKey(resource.plural, labels or "", accept)
        if not self._is_own(wanted) or fields or token:
            self.seen.complete = False
        else:
            known = self._known_list(resource, wanted) or await self._read_few(resource, wanted)
            if known and len(known.marks) <= limit:
                self._note_list(wanted, known.sum)
                return {"metadata": {}, "items": known.parsed()}
        page = await super().list_page(
            resource,
            namespace,
            labels=labels,
            fields=fields,
            token=token,
            limit=limit,
            accept=accept,
            max_bytes=max_bytes,
        )
        if page["metadata"].get("continue"):
            self.seen.complete = False
        elif self._is_own(wanted) and not token:
            read = self._remembered.remember(self._key, wanted, page["items"])
            self._read.add(wanted)
            self._note_list(wanted, read.sum)
        return page

    def _note_list(self, wanted: ListKey, found: int) -> None:
        """What was read first counts: the reconciliation may have acted on that."""
        if wanted.plural == PODS.plural and "!=" not in wanted.labels:
            self.seen.complete = False  # a part of those that the watches follow
        elif self.seen.own.setdefault(wanted.plural, found) != found:
            self.seen.moved = True

    def _is_own(self, wanted: ListKey) -> bool:
        """Whether a list is one of the platform's own objects."""
        of_platform = wanted.labels == self._own or wanted.labels.startswith(f"{self._own},")
        return of_platform and wanted.plural in _FOLLOWED

    def _known_list(self, resource: Resource, wanted: ListKey) -> RememberedList | None:
        """A list as it is now, if that is known. One of whole objects has their metadata, too."""
        current = self._followed.own(resource, self._key)
        whole = wanted._replace(accept=JSON)
        if wanted != whole and whole in self._read:
            return self._remembered.last(self._key, whole)
        known = self._remembered.get(self._key, wanted, current)
        known = known or self._remembered.get(self._key, whole, current)
        if known is None and self._remembered.get(self._key, _complement(whole), current):
            return RememberedList(read_at=0.0)  # that list holds all there are
        return known

    async def _read_few(self, resource: Resource, wanted: ListKey) -> RememberedList | None:
        """Whole objects in place of their metadata, if the watches know of a few only."""
        if resource not in REFERENCED or wanted.accept != METADATA_LIST:
            return None
        if not 0 < self._followed.count(resource, self._key) <= _FEW:
            return None
        try:
            page = await super().list_page(
                resource,
                self._key.namespace,
                labels=wanted.labels,
                limit=_FEW,
                max_bytes=_FEW_BYTES,
            )
        except TooLargeError:
            return None
        if page["metadata"].get("continue"):
            return None
        whole = wanted._replace(accept=JSON)
        return self._remembered.remember(self._key, whole, page["items"])

    async def _list_certificates(
        self, namespace: str | None, labels: str | None, limit: int, max_bytes: int | None
    ) -> Object:
        """Certificates of cert-manager are not followed, as it may not be installed."""
        if CERTIFICATES.plural in self._unserved:
            raise NotFoundError(404, "NotFound", "certificates: not served by the API server")
        try:
            page = await super().list_page(
                CERTIFICATES, namespace, labels=labels, limit=limit, max_bytes=max_bytes
            )
        except NotFoundError:
            self._unserved.add(CERTIFICATES.plural)
            raise
        if page["items"]:
            self.seen.complete = False
        return page

    async def _write(
        self,
        method: str,
        path: str,
        query: Mapping[str, Any],
        body: Object | str,
        *,
        content_type: str = JSON,
    ) -> Object:
        written = await super()._write(method, path, query, body, content_type=content_type)
        if query.get("dryRun"):
            return written
        if method == "DELETE":
            self._note_deletion(path)
        elif written.get("kind") == PLATFORMS.kind:
            self.seen.platform = written["metadata"]["resourceVersion"]
            wanted = ListKey(PLATFORMS.plural, "", JSON, self._key.name)
            self._remembered.remember(self._key, wanted, [written])
        else:
            self._note(path, written)
        return written

    def _note_deletion(self, path: str) -> None:
        *_, plural, name = path.split("/")
        for wanted, remembered in self._remembered.of_resource(self._key, plural):
            remembered.remove(name)
            if not wanted.name:
                self.seen.own[plural] = remembered.sum
        self.seen.others.pop((plural, name), None)

    def _note(self, path: str, written: Object) -> None:
        """Keep the lists as they are after an object was created or changed."""
        metadata = written["metadata"]
        name = metadata["name"]
        plural = next(each for each in reversed(path.split("/")) if each != name)
        for wanted, remembered in self._remembered.of_resource(self._key, plural):
            if wanted.name or not _selects(
                wanted.labels, metadata.get("labels") or {}
            ):  # a part of it may have been sent: it is read again
                remembered.remove(name)
            elif wanted.accept == METADATA_LIST:
                remembered.set({"metadata": metadata})
            else:
                remembered.set(written)
            if not wanted.name:
                self.seen.own[plural] = remembered.sum
        if (plural, name) in self.seen.others:
            self.seen.others[plural, name] = mark(name, metadata["resourceVersion"])
        self._remembered.fit()


def _complement(wanted: ListKey) -> ListKey:
    """The list of what a list does not select, if its last term has ``=`` or ``!=``."""
    first, comma, last = wanted.labels.rpartition(",")
    name, operator, value = last.partition("=")
    other = f"{name[:-1]}=" if name.endswith("!") else f"{name}!{operator}"
    return wanted._replace(labels=f"{first}{comma}{other}{value}")


def _selects(selector: str, labels: Mapping[str, str]) -> bool:
    """Whether a label selector of ``=`` and ``!=`` matches."""
    return all(_holds(term, labels) for term in _terms(selector))


def _terms(selector: str) -> Iterable[str]:
    return selector.split(",")


def _holds(term: str, labels: Mapping[str, str]) -> bool:
    name, operator, value = term.partition("=")
    if name.endswith("!"):
        return labels.get(name[:-1]) != value
    return bool(operator) and labels.get(name) == value
