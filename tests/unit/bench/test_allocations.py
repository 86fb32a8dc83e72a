"""What Python allocates for a platform, and how many calls its objects cost: counts, not times.

Bounds are the figures of the day that they were set plus a tenth. When one is exceeded, look for
what has grown; when a change lowers a figure, lower its bound with it.
"""

from __future__ import annotations

from typing import Final

from tests.bench.allocations import desired_bytes, desired_calls, queue_bytes, reflector_bytes

#: Bytes for each platform that stay allocated: of a reflector's objects, and of a queue's key.
REFLECTOR_BYTES: Final = 14_500
QUEUE_BYTES: Final = 600
#: Calls of functions for all objects of a platform of one core that was computed before.
DESIRED_CALLS: Final = 46_500
#: Bytes at most while they are computed.
DESIRED_BYTES: Final = 620_000
#: In the first one, something may be allocated that is not of a platform, and stays.
ROUNDS: Final = range(2)


async def test_memory_of_a_reflector_for_a_platform() -> None:
    assert min([await reflector_bytes() for _ in ROUNDS]) < REFLECTOR_BYTES


async def test_memory_of_the_work_queue_for_a_platform() -> None:
    assert min([await queue_bytes() for _ in ROUNDS]) < QUEUE_BYTES


def test_calls_for_the_objects_of_a_platform() -> None:
    assert desired_calls() < DESIRED_CALLS


def test_memory_for_the_objects_of_a_platform() -> None:
    assert desired_bytes() < DESIRED_BYTES
