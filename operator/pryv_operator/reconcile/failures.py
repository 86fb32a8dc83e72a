"""Statuses of reconciliations that did not finish: why, and everything else as it was. Pure."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass, field, replace

from pydantic import ValidationError

from pryv_operator.api.findings import Advisory, Finding, Problem, Waiting
from pryv_operator.api.kubernetes import Object
from pryv_operator.api.reasons import Reason
from pryv_operator.api.status import PryvPlatformStatus
from pryv_operator.child_processes.pool import UnexpectedInChildError
from pryv_operator.desired.state import Desired
from pryv_operator.kube.errors import RejectedError, UnavailableError, UnreadableError
from pryv_operator.live.health import HealthInputs
from pryv_operator.live.rejections import message_without_content
from pryv_operator.reconcile.outcome import Outcome
from pryv_operator.reconcile.platform_status import compute_status
from pryv_operator.reconcile.stored_status import stored_status
from pryv_operator.values.addresses import Address

#: Problems of a stored spec that a message lists.
_SHOWN = 5


@dataclass(frozen=True)
class Failures:
    """The possible statuses of one resource at one time."""

    resource: Object = field(repr=False)
    now: str

    @property
    def _before(self) -> PryvPlatformStatus:
        return stored_status(self.resource)

    def invalid(self, problem: Problem) -> PryvPlatformStatus:
        """Something that the platform needs is not valid or missing."""
        outcome = self._nothing_new()
        desired = replace(outcome.desired, problems=(problem,))
        return compute_status(replace(outcome, desired=desired), self._before, self.now)

    def invalid_spec(self, error: ValidationError) -> PryvPlatformStatus:
        """The stored spec does not fit the models: fields and reasons, without the values."""
        errors = error.errors(include_input=False, include_url=False, include_context=False)
        fields = "; ".join(
            f"spec.{'.'.join(str(step) for step in each['loc'])}: {each['msg']}"
            for each in errors[:_SHOWN]
        )
        text = f"{fields}; correct these fields (this version of the operator rejects them)"
        return self.invalid(Problem(Reason.INVALID_SPEC, text))

    def rejected(self, error: RejectedError) -> PryvPlatformStatus:
        """The API server rejects what every reconciliation needs: a right, a quota, a webhook."""
        reason = Reason.FORBIDDEN if error.status == 403 else Reason.REJECTED
        text = f"API server: request of the operator rejected: {message_without_content(error)}"
        return self._interrupted(Problem(reason, text))

    def unavailable(self, error: UnavailableError) -> PryvPlatformStatus:
        """The API server has failed several times in a row."""
        text = f"API server: requests fail repeatedly: {error.reason}: {error.message}; retrying"
        return self._interrupted(Waiting(Reason.API_SERVER_FAILING, text), retryable=True)

    def unreadable(self, error: UnreadableError) -> PryvPlatformStatus:
        """There is more than the operator reads, or something that it cannot read."""
        return self._interrupted(Problem(Reason.LIMIT_EXCEEDED, f"API server: {error.message}"))

    def bug(self, error: Exception) -> PryvPlatformStatus:
        """An unexpected exception: its type, without the message, which could quote anything."""
        name = (
            error.type_name if isinstance(error, UnexpectedInChildError) else type(error).__name__
        )
        text = f"operator bug: unexpected {name}; see the operator's log"
        return self._interrupted(Problem(Reason.INTERNAL_ERROR, text))

    def _interrupted(self, why: Finding, *, retryable: bool = False) -> PryvPlatformStatus:
        outcome = replace(self._nothing_new(), interrupted=why, retryable=retryable)
        return compute_status(outcome, self._before, self.now)

    def _nothing_new(self) -> Outcome:
        before = self._before
        return Outcome(
            generation=self.resource["metadata"]["generation"],
            desired=Desired(
                before.release or "",
                warnings=tuple(Advisory(each.reason, each.message) for each in before.warnings),
            ),
            health_inputs=HealthInputs({}),
            addresses={
                each.name: Address(each.cluster_ip, each.load_balancer_ip)
                for each in before.services
            },
            services=frozenset(),
            domain="",
        )


def api_time(time: dt.datetime) -> str:
    """A time (UTC) as the API server writes it."""
    return f"{time:%Y-%m-%dT%H:%M:%SZ}"
