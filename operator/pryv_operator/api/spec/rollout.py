"""``spec.rollout``: how changes reach the cluster."""

from __future__ import annotations

from typing import Annotated, Final, Literal

from pydantic import Field

from pryv_operator.api.spec.base import Model

DEFAULT_DEADLINE_SECONDS: Final = 600
DEFAULT_HISTORY_LIMIT: Final = 10


class Rollout(Model):
    """How changes reach the cluster."""

    paused: bool | None = Field(
        None,
        description="Apply nothing, and report in the condition Paused what would be applied, "
        "including drift; default: false.",
    )
    on_failure: Literal["Hold", "Rollback"] | None = Field(
        None,
        description="What to do when a component misses the deadline. Hold (default): stop; the "
        "components after it keep the old configuration. Rollback: restore the last good revision "
        "of every changed component. Components that migrate their data on start never return to "
        "an older image; then the rollout holds.",
    )
    progress_deadline_seconds: Annotated[int, Field(ge=1, le=604_800)] | None = Field(
        None,
        description="Seconds that a component may take to become ready before the rollout fails; "
        f"default: {DEFAULT_DEADLINE_SECONDS}.",
    )
    history_limit: Annotated[int, Field(ge=1, le=100)] | None = Field(
        None,
        description="Number of revisions to retain besides the newest and the last good one; "
        f"default: {DEFAULT_HISTORY_LIMIT}.",
    )
