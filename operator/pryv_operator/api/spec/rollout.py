"""``spec.rollout``: how changes reach the cluster."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from pryv_operator.api.spec.base import Model


class Rollout(Model):
    """How changes are brought to what runs."""

    paused: bool | None = Field(
        None,
        description="Apply nothing, not even what was changed by hand: only say what would be applied; false when left out.",
    )
    on_failure: Literal["Hold", "Rollback"] | None = Field(
        None,
        description="What follows when a component does not become ready in time. Hold (when left out): stop there, everything after it "
        "keeps what it runs. Rollback: put back what the last good revision ran, on all that was touched; components that migrate their "
        "data when they start are never put back to another image, then it holds.",
    )
    progress_deadline_seconds: Annotated[int, Field(ge=1, le=604_800)] | None = Field(
        None,
        description="How long a component may take to become ready before the rollout counts as failed; 600 when left out.",
    )
    history_limit: Annotated[int, Field(ge=1, le=100)] | None = Field(
        None,
        description="How many revisions are kept, besides the newest and the last good one; 10 when left out.",
    )
