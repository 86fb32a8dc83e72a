"""Rests as they are kept over a restart: the bytes of an object, and back. Pure.

What is read is trusted as a whole or not at all: whoever may edit the object could have. Versions
of objects and names are in it, never contents.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import json
import zlib
from collections.abc import Callable, Mapping
from typing import Annotated, Final

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from pryv_operator.kube.work_queue import Key
from pryv_operator.reconcile.at_rest import PLURALS, KeptRest, Rest
from pryv_operator.reconcile.platform_metrics import (
    CertificateExpiry,
    ComponentReplicas,
    Observed,
    RolloutProgress,
)

#: Bytes of one object's data. The API server accepts 1 MiB, the name and all else included.
MOST_BYTES: Final = 700 << 10
#: Bytes of the text: of a thousand platforms, it has a megabyte.
_MOST_TEXT: Final = 32 << 20
_DIGEST_BYTES: Final = 16
#: A high level costs more time than it saves bytes.
_LEVEL: Final = 6

_Name = Annotated[str, Field(max_length=253)]
_Count = Annotated[int, Field(ge=0, lt=1 << 31)]
_Components = tuple[tuple[_Name, _Name, _Name, _Count, _Count], ...]
#: A little may be added to it, or taken away.
_Time = Annotated[
    AwareDatetime,
    Field(ge=dt.datetime(1971, 1, 1, tzinfo=dt.UTC), lt=dt.datetime(9999, 1, 1, tzinfo=dt.UTC)),
]
_Rollout = tuple[_Time | None, _Count, _Count]
_Certificates = tuple[tuple[_Name, _Name, _Time], ...]
_Facts = tuple[_Components, _Rollout | None, _Certificates]
_FACTS: Final[TypeAdapter[_Facts]] = TypeAdapter(_Facts)
_NO_FACTS: Final = b"[[],null,[]]"


class NotUsableError(Exception):
    """Nothing in an object's data is used; the message is why, and quotes nothing of it."""


class OtherProgramError(NotUsableError):
    """It is of another version of the operator, or of one with other settings."""


class _Record(BaseModel):
    """The rest of a platform."""

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True)

    namespace: _Name
    name: _Name
    plurals: tuple[_Name, ...]
    others: tuple[tuple[_Name, _Name], ...]
    fingerprint: Annotated[str, Field(pattern=r"^[0-9a-f]{32}$")]
    until: Annotated[float, Field(ge=0, allow_inf_nan=False)]
    domain: Annotated[str, Field(pattern=r"^[0-9a-f]{32}$")]
    facts: _Facts


class _Document(BaseModel):
    """All that an object holds. ``program``: what has made it (``program_digest``)."""

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True)

    program: str
    rests: tuple[_Record, ...]


def encode_rests(program: str, rests: Mapping[Key, KeptRest]) -> bytes:
    """The data of an object.

    What does not fit is not kept, and then reconciled after a restart.
    """
    records = [_record(key, rests[key]) for key in sorted(rests)]
    while len(data := _packed({"program": program, "rests": records})) > MOST_BYTES:
        records = records[: len(records) // 2]
    return data


def _record(key: Key, kept: KeptRest) -> dict[str, object]:
    rest = kept.rest
    return {
        "namespace": key.namespace,
        "name": key.name,
        "plurals": rest.plurals,
        "others": rest.others,
        "fingerprint": rest.fingerprint.hex(),
        "until": rest.until,
        "domain": kept.domain,
        "facts": json.loads(rest.facts or _NO_FACTS),
    }


def _packed(document: Mapping[str, object]) -> bytes:
    text = json.dumps(document, separators=(",", ":"))
    packed = zlib.compress(text.encode(), _LEVEL)
    return _digest(packed) + packed


def _digest(packed: bytes) -> bytes:
    return hashlib.blake2b(packed, digest_size=_DIGEST_BYTES).digest()


def decode_rests(
    data: bytes, program: str, belongs: Callable[[Key], bool] = lambda _: True
) -> dict[Key, KeptRest]:
    """The rests in an object's data. ``belongs``: whether a platform's rest is kept there.

    Raises:
        OtherProgramError: another program has made it, or this one with other settings.
        NotUsableError: it is damaged, or is not what this version writes.
    """
    digest, packed = data[:_DIGEST_BYTES], data[_DIGEST_BYTES:]
    if _digest(packed) != digest:
        raise NotUsableError("the data are damaged or were edited")
    text = _unpacked(packed)
    try:
        document = _Document.model_validate_json(text)
    except ValidationError:
        raise NotUsableError("the data have another form") from None
    if document.program != program:
        raise OtherProgramError("another version of the operator, or other options, made them")
    found = {Key(each.namespace, each.name): _kept(each) for each in document.rests}
    if len(found) < len(document.rests) or not all(map(belongs, found)):
        raise NotUsableError("the data are of other platforms")
    known = all(
        set(each.rest.plurals) <= PLURALS and {plural for plural, _ in each.rest.others} <= PLURALS
        for each in found.values()
    )
    if not known:
        raise NotUsableError("the data name resources that are not followed")
    return found


def decode_facts(rest: Rest) -> tuple[Observed, tuple[CertificateExpiry, ...]]:
    """What metrics say of a platform beyond its status, of a rest that was read."""
    components, rollout, certificates = _FACTS.validate_json(rest.facts or _NO_FACTS)
    observed = Observed(
        tuple(ComponentReplicas(*each) for each in components),
        RolloutProgress(*rollout) if rollout else None,
    )
    return observed, tuple(CertificateExpiry(*each) for each in certificates)


def _unpacked(packed: bytes) -> bytes:
    reader = zlib.decompressobj()
    try:
        text = reader.decompress(packed, _MOST_TEXT)
    except zlib.error:
        raise NotUsableError("the data are damaged") from None
    if not reader.eof or reader.unused_data:
        raise NotUsableError("the data are too large, or end too early")
    return text


def _kept(record: _Record) -> KeptRest:
    fingerprint, facts = bytes.fromhex(record.fingerprint), _FACTS.dump_json(record.facts)
    rest = Rest(record.plurals, record.others, fingerprint, record.until, facts)
    return KeptRest(rest, record.domain)
