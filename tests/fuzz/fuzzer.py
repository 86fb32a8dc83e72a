"""Fuzzes one target with hypothesis: replay the corpus, generate inputs, measure leaks.

It belongs into a process of its own (`process.py`): an input that hangs inside C, or crashes the
interpreter, ends that process.
"""

from __future__ import annotations

import math
import time
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from hypothesis import HealthCheck, Phase, Verbosity, given, seed, settings
from hypothesis.errors import Flaky

from tests.fuzz.inputs import generated
from tests.fuzz.limits import Finding, measure_growth, run_limited
from tests.fuzz.target import Target

_FINDINGS = 20
#: Bytes of the inputs that leaks are measured with.
_LEAK_INPUT_SIZE = 10_000
#: CPU seconds to make the inputs of findings smaller, once the time to fuzz is over.
_SHRINK_SECONDS = 3.0
#: Examples of one run of hypothesis; after them, another one begins with another seed.
_EXAMPLES = 2000
_SETTINGS = settings(
    max_examples=_EXAMPLES,
    database=None,
    deadline=None,
    phases=[Phase.generate, Phase.shrink],
    suppress_health_check=list(HealthCheck),
    verbosity=Verbosity.quiet,
)


@dataclass
class Result:
    """What fuzzing a target has done and found."""

    replayed: int = 0
    executions: int = 0
    #: The most CPU seconds and the most memory (MiB) that one input took.
    slowest: float = 0.0
    largest: float = 0.0
    #: What was not freed while inputs were run repeatedly.
    growth_objects: int = 0
    growth_bytes: int = 0
    #: Kind and place → the smallest input.
    findings: dict[str, Finding] = field(default_factory=dict)


class _FoundError(Exception):
    """Tells hypothesis that an input is a finding, so that it is made smaller."""


class _TimeUpError(BaseException):
    """Leaves hypothesis, which catches exceptions."""


class Fuzzer:
    """Fuzzes one target. ``corpus``: name → input. ``note`` is called before an input is run."""

    def __init__(
        self,
        target: Target,
        corpus: Mapping[str, bytes],
        *,
        seed: int,
        note: Callable[[bytes], None] = lambda _: None,
    ) -> None:
        self.result = Result()
        self._target = target
        self._corpus = corpus
        self._seed = seed
        self._note = note
        #: Inputs without a finding, to measure leaks with: the corpus, then generated ones.
        self._clean: deque[bytes] = deque(maxlen=300)
        #: CPU time of this process at which to stop; set with the first generated input, because
        #: hypothesis takes a while to start.
        self._end = math.inf
        #: Findings of former runs of hypothesis, which are not searched for again.
        self._known: frozenset[str] = frozenset()

    def fuzz(self, *, seconds: float) -> Result:
        """Replay the corpus, run generated inputs for `seconds` of CPU time, and measure leaks."""
        for data in self._corpus.values():
            self.result.replayed += 1
            self._check(data)
        run = 0
        while seconds and len(self._findings) < _FINDINGS:
            self._known = frozenset(self._findings)
            self._search(self._seed + run, seconds)
            run += 1
            if time.process_time() > self._end:
                break
        growth = measure_growth(self._target, self._clean)
        self.result.growth_objects, self.result.growth_bytes = growth.objects, growth.bytes
        if growth.finding:
            self._findings["growth"] = growth.finding
        return self.result

    @property
    def _findings(self) -> dict[str, Finding]:
        return self.result.findings

    def _search(self, run_seed: int, seconds: float) -> None:
        """One run of hypothesis: until it has a new finding, `_EXAMPLES` inputs, or no time."""

        @seed(run_seed)
        @_SETTINGS
        @given(generated(self._target, tuple(self._corpus.values())))
        def search(data: bytes) -> None:
            now = time.process_time()
            self._end = min(self._end, now + seconds)
            is_shrinking = self._findings.keys() > self._known
            if now > self._end + (_SHRINK_SECONDS if is_shrinking else 0):
                raise _TimeUpError
            self.result.executions += 1
            finding = self._check(data)
            if finding and finding not in self._known:
                raise _FoundError(finding)

        try:
            search()
        except (_FoundError, _TimeUpError, Flaky):  # flaky: a slow input that is fast again
            pass
        except BaseExceptionGroup as errors:
            if errors.split((_FoundError, _TimeUpError))[1]:
                raise

    def _check(self, data: bytes) -> str | None:
        """Run one input; record its finding, or a smaller input for it. Returns kind and place."""
        self._note(data)
        usage, finding = run_limited(self._target, data)
        self.result.slowest = max(self.result.slowest, usage.seconds)
        self.result.largest = max(self.result.largest, usage.memory)
        if finding is None:
            if len(data) <= _LEAK_INPUT_SIZE:
                self._clean.append(data)
            return None
        name = f"{finding.kind}: {finding.what}"
        known = self._findings.get(name)
        if known is None or len(data) < len(known.data):
            self._findings[name] = finding
        return name
