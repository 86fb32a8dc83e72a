"""What an operator has used: CPU time, requests by verb and resource, reconciliations."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Self

from prometheus_client.parser import text_string_to_metric_families

READING = frozenset({"get", "list", "watch"})


@dataclass(frozen=True)
class Usage:
    """Of a stretch of time, or since the start of a process."""

    cpu_seconds: float = 0.0
    reconciliations: float = 0
    #: Verb and resource → number.
    requests: Mapping[tuple[str, str], float] = field(default_factory=dict)

    @classmethod
    def from_metrics(cls, exposition: str, cpu_seconds: float) -> Self:
        """What the text of ``/metrics`` counts. Those of the Lease are not among the requests."""
        reconciliations = 0
        requests: Counter[tuple[str, str]] = Counter()
        for family in text_string_to_metric_families(exposition):
            for sample in family.samples:
                if sample.name == "pryv_operator_reconciliations_total":
                    reconciliations += int(sample.value)
                elif sample.name == "pryv_operator_api_requests_total":
                    labels = sample.labels
                    requests[labels["verb"], labels["resource"]] += int(sample.value)
        return cls(cpu_seconds, reconciliations, dict(requests))

    def since(self, before: Usage) -> Usage:
        """What was used after ``before``."""
        requests = {
            key: count - before.requests.get(key, 0) for key, count in self.requests.items()
        }
        return Usage(
            self.cpu_seconds - before.cpu_seconds,
            self.reconciliations - before.reconciliations,
            {key: count for key, count in sorted(requests.items()) if count},
        )

    def divided_by(self, count: float) -> Usage:
        """What each of so many used."""
        requests = {key: number / count for key, number in self.requests.items()}
        return Usage(self.cpu_seconds / count, self.reconciliations / count, requests)

    @property
    def by_verb(self) -> dict[str, float]:
        """Verb → number of requests."""
        found: dict[str, float] = {}
        for (verb, _), count in sorted(self.requests.items()):
            found[verb] = found.get(verb, 0) + count
        return found

    @property
    def reads(self) -> float:
        """Requests that read, those that begin a watch among them."""
        return sum(count for (verb, _), count in self.requests.items() if verb in READING)

    @property
    def writes(self) -> float:
        """Requests that write, dry runs among them."""
        return sum(count for (verb, _), count in self.requests.items() if verb not in READING)
