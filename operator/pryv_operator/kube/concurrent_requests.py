"""Several requests at the same time."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Iterable
from typing import Final, TypeVar

#: More do not end sooner: the API server and this process then wait for each other.
_CONCURRENT_REQUESTS: Final = 8

T = TypeVar("T")


async def concurrently(calls: Iterable[Awaitable[T]]) -> list[T]:
    """The results of calls, a few at a time; after all have ended, the first failure is raised."""
    slots = asyncio.Semaphore(_CONCURRENT_REQUESTS)

    async def run(call: Awaitable[T]) -> T:
        async with slots:
            return await call

    results = await asyncio.gather(*(run(call) for call in calls), return_exceptions=True)
    failures = [result for result in results if isinstance(result, BaseException)]
    if failures:
        raise failures[0]
    return [result for result in results if not isinstance(result, BaseException)]
