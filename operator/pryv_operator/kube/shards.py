"""Shards: namespaces that one process reconciles, and which process should. Pure.

The number of shards is fixed, and each shard has a Lease. So replicas come and go without any
namespace changing its shard, and a handover moves whole shards.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

_NUMBER: Final = re.compile(r"([1-9][0-9]{0,3})-shards")


@dataclass(frozen=True)
class Shards:
    """The shards 0 to ``count`` - 1."""

    count: int = 1

    def of(self, namespace: str) -> int:
        """The shard of a namespace; of what has no namespace, if it is empty.

        It is the same in every process and every version of the operator: two that disagree would
        both write.
        """
        return _shard(namespace, self.count)


@lru_cache(maxsize=16_384)
def _shard(namespace: str, count: int) -> int:
    """Rendezvous hashing: the shard whose digest with the namespace is the greatest.

    One shard more takes namespaces from all others, and moves no other namespace.
    """
    return max(range(count), key=lambda shard: (_weight(shard, namespace), shard))


def _weight(shard: int, namespace: str) -> bytes:
    return hashlib.blake2b(f"{shard}/{namespace}".encode(), digest_size=8).digest()


def lease_name(name: str, shard: int) -> str:
    """The Lease of a shard. ``name``: of the operator's own."""
    return f"{name}-shard-{shard}"


def holder_of_number(count: int) -> str:
    """The holder of the operator's own Lease while there are so many shards."""
    return f"{count}-shards"


def shards_of_holder(holder: str) -> Shards | None:
    """The shards, by the holder of the operator's own Lease; None: it leads everything itself."""
    found = _NUMBER.fullmatch(holder)
    return Shards(int(found[1])) if found else None


def assign_shards(
    count: int, holders: Mapping[int, str], members: Collection[str]
) -> dict[int, str]:
    """Shard → the process that should lead it; every process computes the same.

    Free shards go to those that lead the fewest. Then shards move from who leads the most to who
    leads the fewest, while that makes a difference.

    Args:
        count: how many shards there are.
        holders: shard → who leads it; free shards are missing.
        members: the processes that take part; nothing is given to any other.
    """
    assigned = dict(holders)
    if not members:
        return assigned
    led: dict[str, list[int]] = {each: [] for each in sorted({*members, *holders.values()})}
    for shard in sorted(holders):
        led[holders[shard]].append(shard)

    def give(shard: int, to: str) -> None:
        assigned[shard] = to
        led[to].append(shard)

    def load(member: str) -> tuple[int, str]:
        return len(led[member]), member

    for shard in range(count):
        if shard not in holders:
            give(shard, min(members, key=load))
    while True:
        poorest, richest = min(members, key=load), max(led, key=load)
        if len(led[richest]) - len(led[poorest]) < 2:
            return assigned
        give(led[richest].pop(), poorest)
