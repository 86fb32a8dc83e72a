"""The baseline of writing: a client that creates objects, and does nothing else.

``python -m tests.bench.bare_writer KUBECONFIG OBJECTS.json CONCURRENCY`` prints JSON: seconds and
CPU seconds of the creations, without its start.
"""

from __future__ import annotations

import asyncio
import json
import ssl
import sys
import time
from base64 import b64decode
from pathlib import Path
from typing import Any

import aiohttp

Object = dict[str, Any]


async def create_all(config: Object, requests: list[tuple[str, Object]], slots: int) -> float:
    """Send a POST for each path and object, so many at a time; return the seconds it took."""
    cluster = config["clusters"][0]["cluster"]
    authority = b64decode(cluster["certificate-authority-data"]).decode()
    context = ssl.create_default_context(cadata=authority)
    headers = {"Authorization": f"Bearer {config['users'][0]['user']['token']}"}
    waiting = iter(requests)
    async with aiohttp.ClientSession(
        cluster["server"], headers=headers, connector=aiohttp.TCPConnector(ssl=context)
    ) as session:

        async def work() -> None:
            for path, item in waiting:
                async with session.post(path, json=item) as answer:
                    body = await answer.read()
                    if answer.status >= 300:
                        raise SystemExit(f"{path}: {answer.status} {body.decode()[:500]}")

        started = time.perf_counter()
        await asyncio.gather(*(work() for _ in range(slots)))
        return time.perf_counter() - started


def main(kubeconfig: str, objects: str, slots: str) -> None:
    """Create what a file holds: a list of pairs, a path and an object."""
    requests = [(path, item) for path, item in json.loads(Path(objects).read_text())]
    before = time.process_time()
    seconds = asyncio.run(
        create_all(json.loads(Path(kubeconfig).read_text()), requests, int(slots))
    )
    print(json.dumps({"seconds": seconds, "cpu_seconds": time.process_time() - before}))


if __name__ == "__main__":
    main(*sys.argv[1:])
