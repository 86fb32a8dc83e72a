"""Clients that ask a platform's services without pause, and what they missed."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from tests.e2e.outside import CERTIFICATE, NAMESPACE, Outside

_SCRIPT: Final = Path(__file__).parent / "traffic.js"
_END_SECONDS: Final = 60


@dataclass(frozen=True)
class Missed:
    """What the clients of one service missed."""

    sent: int
    failed: int
    errors: Mapping[str, int]
    resent: int
    """Queries of DNS that were sent again, as resolvers do."""
    away_seconds: float
    """From the first request without an answer to the next answer; the longest of these."""

    def __str__(self) -> str:
        if not self.failed:
            return f"0 of {self.sent}" + (f" ({self.resent} sent again)" if self.resent else "")
        return f"{self.failed} of {self.sent}, for {self.away_seconds:.1f} s {dict(self.errors)}"


@dataclass
class Traffic:
    """What was missed, by service: known once the traffic has ended."""

    missed: dict[str, Missed] = field(default_factory=dict)

    def lost(self, *services: str) -> dict[str, str]:
        """What these services lost; empty if nothing. Each of them was asked."""
        assert all(self.missed[each].sent for each in services)
        return {each: str(self.missed[each]) for each in services if self.missed[each].failed}

    def __str__(self) -> str:
        return "; ".join(f"{name} {missed}" for name, missed in self.missed.items())


@contextmanager
def traffic(outside: Outside, targets: Sequence[Mapping[str, Any]]) -> Iterator[Traffic]:
    """Ask each target 20 times a second, or as its `rate` says, while the context is open."""
    settings = (f"NODE_EXTRA_CA_CERTS={CERTIFICATE}", "NODE_PATH=/app/bin/node_modules")
    outside.run("sh", "-c", "cat >/tmp/traffic.js", stdin=_SCRIPT.read_text())
    command = ("env", *settings, "node", "/tmp/traffic.js", json.dumps(list(targets)))
    where = (f"--namespace={NAMESPACE}", "exec", "--stdin", "client", "--")
    kubectl = (str(outside.cluster.binaries.kubectl), *where, *command)
    seen = Traffic()
    with outside.cluster.start(
        *kubectl, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as running:
        try:
            assert running.stdout is not None
            first = running.stdout.readline()
            assert first == "started\n", running.communicate(timeout=_END_SECONDS)
            yield seen
            output, errors = running.communicate(timeout=_END_SECONDS)
        except BaseException:
            running.kill()
            raise
    assert running.returncode == 0, errors
    for name, found in json.loads(output).items():
        away = found["away"] / 1000
        counts = (found["sent"], found["failed"], found["errors"], found["resent"])
        seen.missed[name] = Missed(*counts, away)
