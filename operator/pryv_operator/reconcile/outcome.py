"""What a reconciliation has applied, and its outcome: everything the status is computed from."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from pryv_operator.api.findings import Finding
from pryv_operator.api.kubernetes import Object
from pryv_operator.api.status import Ownership, ReplacedFileStatus, RevisionRecord
from pryv_operator.desired.state import Desired
from pryv_operator.live.health import HealthInputs
from pryv_operator.live.live_objects import LiveObjects
from pryv_operator.rollout.execute import RolloutResult
from pryv_operator.values.addresses import Address


@dataclass(frozen=True)
class Applied:
    """How far applying the desired state came."""

    desired: Desired
    #: The live objects, those just applied included.
    live: LiveObjects
    #: An object that the API server has rejected.
    rejected: Finding | None = None
    certificate_problem: Finding | None = None
    #: None: the rollout was not reached.
    rollout: RolloutResult | None = None
    health_inputs: HealthInputs | None = None
    #: With ``spec.rollout.paused``: what would be applied or deleted. None: not paused.
    pending: tuple[str, ...] | None = None

    def with_objects(self, applied: Iterable[Object]) -> Applied:
        """The same after objects were applied."""
        return replace(self, live=self.live.with_objects(applied))


@dataclass(frozen=True)
class Outcome:
    """What one reconciliation has found and done."""

    #: The generation of the resource that was reconciled.
    generation: int
    desired: Desired
    health_inputs: HealthInputs
    #: Service → its addresses, as last known.
    addresses: Mapping[str, Address]
    #: Names of the desired Services; empty: not known.
    services: frozenset[str]
    domain: str
    #: An object that the API server has rejected.
    rejected: Finding | None = None
    certificate_problem: Finding | None = None
    #: None: not known.
    replaced_files: tuple[ReplacedFileStatus, ...] | None = None
    #: What the operator has created; None: not known.
    ownership: Ownership | None = None
    #: The revision history; None: not known.
    revisions: Sequence[RevisionRecord] | None = None
    #: Names of the private authorities that the desired configuration trusts.
    authorities: tuple[str, ...] = ()
    #: None: the rollout was not reached.
    rollout: RolloutResult | None = None
    #: With ``spec.rollout.paused``: what would be applied or deleted. None: not paused.
    pending: tuple[str, ...] | None = None
    stopped: bool = False
    #: Why the reconciliation did not finish: then nothing is known of the rest.
    interrupted: Finding | None = None
    #: Whether an interrupted reconciliation may succeed when it is retried.
    retryable: bool = False

    @property
    def rolled_out(self) -> bool:
        """Whether everything desired was applied, by the rollout or (paused) before it."""
        if self.pending is not None:
            return not self.pending
        return self.rollout is not None and self.rollout.decision.kind == "Complete"

    @property
    def finished(self) -> bool:
        """Whether the reconciliation reached its end with all objects known and accepted."""
        return self.desired.complete and self.rejected is None and self.interrupted is None
