"""The status of a platform as it was last written."""

from __future__ import annotations

from pydantic import ValidationError

from pryv_operator.api.kubernetes import Object
from pryv_operator.api.status import PryvPlatformStatus


def stored_status(resource: Object) -> PryvPlatformStatus:
    """The status as it was last written; an empty one when it is missing or not valid."""
    try:
        return PryvPlatformStatus.model_validate(resource.get("status") or {})
    except ValidationError:
        return PryvPlatformStatus()
