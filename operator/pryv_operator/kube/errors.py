"""Errors of requests to the API server."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

#: A server's Retry-After is obeyed up to so many seconds.
_LONGEST_RETRY_AFTER: Final = 300.0


class ApiError(Exception):
    """A request that failed. ``status`` is the HTTP code; 0 when there was no answer."""

    def __init__(
        self, status: int, reason: str, message: str, *, retry_after: float | None = None
    ) -> None:
        """``retry_after``: seconds, when the server names them."""
        self.status = status
        self.reason = reason
        self.message = message
        self.retry_after = None if retry_after is None else min(retry_after, _LONGEST_RETRY_AFTER)
        super().__init__(f"{status} {reason}: {message}" if status else f"{reason}: {message}")


class NotFoundError(ApiError):
    """404: no such object, or no such kind."""


class ConflictError(ApiError):
    """409: the object exists already, or has changed since it was read.

    Reading again helps, so it is retried soon.
    """

    first_backoff: Final = 0.1


class GoneError(ApiError):
    """410: the resource version is too old to continue a watch from."""


class RejectedError(ApiError):
    """400, 403, 422 and the like: retrying changes nothing until the cause is fixed."""


class UnavailableError(ApiError):
    """429, 5xx, or no answer: retrying later may help."""


class UnreadableError(ApiError):
    """There is more than the operator reads, until somebody deletes some of it."""


class TooLargeError(UnreadableError):
    """There are more bytes than the reader accepts; they were not read to their end."""


class TooDeepError(UnreadableError):
    """The answer is nested more deeply than Python's parser can follow.

    The API server takes 10,000 levels. ``list_metadata``: of a list, what stands before its items.
    """

    def __init__(self, message: str, list_metadata: Mapping[str, Any]) -> None:
        """``message``: of which request."""
        super().__init__(0, "TooDeep", message)
        self.list_metadata = list_metadata


class NotLeaderError(ApiError):
    """Nothing was sent: this process is not, or may no longer be, the leader."""

    def __init__(self, message: str) -> None:
        """``message``: why."""
        super().__init__(0, "NotLeader", message)


def retry_after_of(status: Mapping[str, Any]) -> float | None:
    """Seconds that a status (metav1.Status) of the API server asks to wait."""
    seconds = (status.get("details") or {}).get("retryAfterSeconds")
    return float(seconds) if isinstance(seconds, int) else None


def error_from_status(
    status: int, reason: str, message: str, retry_after: float | None = None
) -> ApiError:
    """The error that a status (metav1.Status) of the API server stands for."""
    kind: type[ApiError]
    match status:
        case 404:
            kind = NotFoundError
        case 409:
            kind = ConflictError
        case 410:
            kind = GoneError
        case 0 | 408 | 429:
            kind = UnavailableError
        case 500 if "failed to create typed patch object" in message:
            # The object does not fit its schema, which the server reports as its own error.
            kind = RejectedError
        case _ if status >= 500:
            kind = UnavailableError
        case _:
            kind = RejectedError
    return kind(status, reason, message, retry_after=retry_after)
