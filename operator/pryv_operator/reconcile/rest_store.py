"""Keeps the rests of platforms in ConfigMaps of the operator's own namespace.

Nothing depends on them: without them, every platform is reconciled once. Each shard has its own, so
that whoever leads it next finds them; several, so that each stays small.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import hashlib
import logging
import time
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass, field
from typing import Final

from pryv_operator.api import labels_annotations as keys
from pryv_operator.api.kubernetes import Object
from pryv_operator.kube.client import KubeClient
from pryv_operator.kube.errors import ApiError, ConflictError, NotLeaderError
from pryv_operator.kube.resources import CONFIG_MAPS
from pryv_operator.kube.shards import Shards
from pryv_operator.kube.work_queue import Key
from pryv_operator.reconcile.at_rest import AtRest, KeptRest, fraction
from pryv_operator.reconcile.domains import Domains

log = logging.getLogger(__name__)

#: ConfigMaps of all shards together, about.
_PARTS: Final = 8
_FIELD: Final = "rests"
#: What has moved is kept again after so many seconds at the latest.
SAVE_SECONDS: Final = 300.0
#: What has only been looked at again: the next process would do that again a little early.
_LOOKED_AT_SECONDS: Final = 3600.0


@dataclass(frozen=True)
class Place:
    """Where rests are kept. ``name``: what the names of the ConfigMaps begin with."""

    namespace: str
    name: str


@dataclass(frozen=True, order=True)
class Part:
    """One ConfigMap of a shard."""

    shard: int
    number: int

    def name(self, place: Place) -> str:
        """The ConfigMap's name."""
        return f"{place.name}-at-rest-{self.shard}-{self.number}"


def parts_of_shard(shard: int, shards: Shards) -> list[Part]:
    """The ConfigMaps of a shard."""
    return [Part(shard, number) for number in range(max(1, _PARTS // shards.count))]


def part_of(key: Key, shards: Shards) -> Part:
    """Where the rest of a platform is kept."""
    parts = parts_of_shard(shards.of(key.namespace), shards)
    return parts[min(int(fraction(key) * len(parts)), len(parts) - 1)]


@dataclass
class _Stored:
    """A ConfigMap as this process knows it.

    ``version``: its resourceVersion, empty if it does not exist; None: it has to be read.
    ``seen``: what stands for the versions in it, and ``due``: for when they are due. ``at``: when
    it was written. ``foreign``: another client has created it, so it is left alone. ``failure``:
    why it could not be written the last time.
    """

    version: str | None = None
    seen: bytes = field(default=b"", repr=False)
    due: bytes = field(default=b"", repr=False)
    at: float = 0.0
    foreign: bool = False
    failure: str = ""


class RestStore:
    """Reads and writes the rests of the shards that this process leads."""

    def __init__(
        self,
        client: KubeClient,
        place: Place,
        shards: Shards,
        at_rest: AtRest,
        domains: Domains,
        program: Callable[[], str],
        now: Callable[[], float] = time.time,
    ) -> None:
        """``program``: what stands for this version and its settings; called in a thread."""
        self._client = client
        self._place = place
        self._shards = shards
        self._at_rest = at_rest
        self._domains = domains
        self._program = program
        self._now = now
        self._digest = ""
        self._stored: dict[Part, _Stored] = {}
        #: The shards whose platforms are known: before, what is kept is not replaced.
        self._begun: set[int] = set()
        self._saving = asyncio.Lock()

    async def load(self, shards: Collection[int]) -> dict[Key, KeptRest]:
        """What is kept of the platforms of some shards."""
        self.end(shards)
        try:
            self._digest = self._digest or await asyncio.to_thread(self._program)
        except OSError as error:
            log.warning("which platforms are at rest is not kept: %s", error)
            return {}
        found: dict[Key, KeptRest] = {}
        for shard in sorted(shards):
            for part in parts_of_shard(shard, self._shards):  # one after another, for memory's sake
                found |= await self._load(part)
        return found

    def begin(self, shards: Iterable[int]) -> None:
        """The platforms of some shards are known to rest, or not: from now on that is saved."""
        if self._digest:
            self._begun.update(shards)

    async def save(self, shards: Iterable[int] | None = None, *, last: bool = False) -> None:
        """Keep what has moved since it was kept.

        Args:
            shards: those that are saved; None: all that were begun.
            last: no later save follows, so also what was only looked at again.
        """
        async with self._saving:
            wanted = self._begun if shards is None else self._begun.intersection(shards)
            parts = [each for each in self._stored if each.shard in wanted]
            rests: dict[Part, dict[Key, KeptRest]] = {each: {} for each in parts}
            for key, rest in self._at_rest.kept():
                part = part_of(key, self._shards)
                if part in rests:
                    rests[part][key] = KeptRest(rest, self._domains.digest(key))
            await asyncio.gather(*(self._save(each, rests[each], last=last) for each in parts))

    def end(self, shards: Iterable[int] | None = None) -> None:
        """Another process leads some shards from now on; None: all of them."""
        self._begun.difference_update(self._begun.copy() if shards is None else shards)

    async def _load(self, part: Part) -> dict[Key, KeptRest]:
        stored = self._stored[part] = _Stored()
        name = part.name(self._place)
        try:
            item = await self._read(part, stored)
        except ApiError as error:
            self._log_ignored(name, error)
            return {}
        if item is None:
            return {}
        found = await asyncio.to_thread(self._decoded, item, part)
        if found:
            stored.seen, stored.due, stored.at = _seen(found), _due(found), self._now()
        return found

    async def _read(self, part: Part, stored: _Stored) -> Object | None:
        """The ConfigMap; None if it does not exist, or is not ours."""
        name = part.name(self._place)
        item = await self._client.get(CONFIG_MAPS, self._place.namespace, name)
        stored.version = item["metadata"]["resourceVersion"] if item else ""
        labels = (item["metadata"].get("labels") or {}) if item else {}
        stored.foreign = item is not None and _LABELS.items() - labels.items() != set()
        if stored.foreign:
            self._log_ignored(name, "another client has created it, so delete it")
        return None if stored.foreign else item

    def _decoded(self, item: Object, part: Part) -> dict[Key, KeptRest]:
        """What is in a ConfigMap, if it is usable."""
        from pryv_operator.reconcile.rest_records import (  # noqa: PLC0415 - loads models
            NotUsableError,
            OtherProgramError,
            decode_rests,
        )

        name = part.name(self._place)
        try:
            text = (item.get("binaryData") or {}).get(_FIELD, "")
            data = base64.b64decode(text, validate=True)
            return decode_rests(data, self._digest, lambda key: part_of(key, self._shards) == part)
        except OtherProgramError as error:
            log.info("ConfigMap %s/%s: ignored: %s", self._place.namespace, name, error)
        except (NotUsableError, binascii.Error, ValueError, AttributeError, TypeError) as error:
            why = error if isinstance(error, NotUsableError) else "the data are no Base64"
            self._log_ignored(name, why)
        return {}

    def _log_ignored(self, name: str, why: object) -> None:
        log.warning(
            "ConfigMap %s/%s: ignored: %s; its platforms are reconciled after a restart",
            self._place.namespace,
            name,
            why,
        )

    async def _save(self, part: Part, rests: dict[Key, KeptRest], *, last: bool) -> None:
        """Write a ConfigMap, if that is due."""
        stored, now = self._stored[part], self._now()
        seen, due = _seen(rests), _due(rests)
        looked_at = due != stored.due and (last or now - stored.at >= _LOOKED_AT_SECONDS)
        if stored.foreign or (seen == stored.seen and not looked_at):
            return
        if not rests and stored.version == "":
            return  # nothing is kept, and nothing was
        try:
            written = await self._write(part, stored, rests)
        except NotLeaderError:
            return
        except ConflictError:
            stored.version = None
            return
        except ApiError as error:
            stored.version = None
            self._log_failure(part, stored, str(error))
            return
        if written:
            stored.version = written["metadata"]["resourceVersion"]
            stored.seen, stored.due, stored.at, stored.failure = seen, due, now, ""

    def _log_failure(self, part: Part, stored: _Stored, why: str) -> None:
        """Log why a ConfigMap cannot be written, once while that is the same."""
        if why != stored.failure:
            log.warning(
                "ConfigMap %s/%s: not written: %s; its platforms are reconciled after a restart",
                self._place.namespace,
                part.name(self._place),
                why,
            )
        stored.failure = why

    async def _write(
        self, part: Part, stored: _Stored, rests: dict[Key, KeptRest]
    ) -> Object | None:
        """Create a ConfigMap, or replace it as it was read; None: it is not ours."""
        if stored.version is None:
            await self._read(part, stored)
            if stored.foreign:
                return None
        body = await asyncio.to_thread(self._body, part, stored.version or "", rests)
        return await self._client.write_own(body, shard=part.shard)

    def _body(self, part: Part, version: str, rests: dict[Key, KeptRest]) -> Object:
        from pryv_operator.reconcile.rest_records import encode_rests  # noqa: PLC0415

        metadata = {
            "name": part.name(self._place),
            "namespace": self._place.namespace,
            "labels": dict(_LABELS),
            **({"resourceVersion": version} if version else {}),
        }
        data = encode_rests(self._digest, rests)
        return {
            "apiVersion": CONFIG_MAPS.api_version,
            "kind": CONFIG_MAPS.kind,
            "metadata": metadata,
            "binaryData": {_FIELD: base64.b64encode(data).decode()},
        }


_LABELS: Final = {keys.MANAGED_BY: keys.FIELD_MANAGER, keys.PURPOSE: keys.AT_REST}


def _seen(rests: dict[Key, KeptRest]) -> bytes:
    """What stands for the versions that platforms were seen in."""
    found = hashlib.blake2b(digest_size=16)
    for key in sorted(rests):
        rest, domain = rests[key].rest, rests[key].domain
        found.update("/".join(key).encode() + b"\0" + rest.fingerprint + domain.encode())
    return found.digest()


def _due(rests: dict[Key, KeptRest]) -> bytes:
    """What stands for when platforms are due."""
    times = repr([(key, rests[key].rest.until) for key in sorted(rests)])
    return hashlib.blake2b(times.encode(), digest_size=16).digest()
