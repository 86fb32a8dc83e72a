"""Who may read the metrics: the API server decides, and the decision is valid for a short while."""

from __future__ import annotations

import hashlib
import logging
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Final

from pryv_operator.api.kubernetes import Object
from pryv_operator.kube.client import KubeClient
from pryv_operator.kube.errors import ApiError, RejectedError
from pryv_operator.kube.resources import SUBJECT_ACCESS_REVIEWS, TOKEN_REVIEWS

log = logging.getLogger(__name__)

#: A decision is asked for again after so long; a revoked token works no longer than this.
_VALID_SECONDS: Final = 30.0
#: Decisions that are remembered: so many tokens that were admitted, and so many others.
_CACHED: Final = 64
#: Tokens that are reviewed at a time: a flood of invalid ones must not reach the API server.
_REVIEWED_AT_ONCE: Final = 8
_SCHEME: Final = "bearer "


@dataclass
class _Tokens:
    """The decisions about some tokens, and how many of them are being reviewed.

    ``decisions``: digest of a token → the decision, and until when it is valid.
    """

    decisions: OrderedDict[bytes, tuple[HTTPStatus, float]] = field(
        default_factory=OrderedDict, repr=False
    )
    reviewed: int = 0

    def remember(self, digest: bytes, decision: HTTPStatus, until: float) -> None:
        self.decisions[digest] = decision, until
        self.decisions.move_to_end(digest)
        if len(self.decisions) > _CACHED:
            self.decisions.popitem(last=False)


class MetricsAccess:
    """Decides whether a request may read the metrics, as kube-rbac-proxy does.

    The token is authenticated by a TokenReview; its user needs the verb ``get`` on the
    non-resource URL ``/metrics``. Whoever reaches the port can send any number of tokens, so those
    that were admitted before have decisions and reviews of their own.
    """

    def __init__(self, client: KubeClient, clock: Callable[[], float] = time.monotonic) -> None:
        """No decision is known yet."""
        self._client = client
        self._clock = clock
        self._admitted = _Tokens()
        self._others = _Tokens()

    async def decide(self, authorization: str) -> HTTPStatus:
        """OK, or the status to refuse with. ``authorization``: the header of the request."""
        token = authorization[len(_SCHEME) :].strip()
        if not token or authorization[: len(_SCHEME)].lower() != _SCHEME:
            return HTTPStatus.UNAUTHORIZED
        digest = hashlib.sha256(token.encode(errors="surrogateescape")).digest()
        known = self._admitted if digest in self._admitted.decisions else self._others
        decision, valid_until = known.decisions.get(digest, (HTTPStatus.FORBIDDEN, 0.0))
        if self._clock() < valid_until:
            return decision
        if known.reviewed >= _REVIEWED_AT_ONCE:
            return HTTPStatus.TOO_MANY_REQUESTS
        known.reviewed += 1
        try:
            decision = await self._review(token)
        except RejectedError as error:
            log.warning("metrics: reviews are forbidden (%d %s)", error.status, error.reason)
            return HTTPStatus.FORBIDDEN
        except ApiError as error:
            log.warning("metrics: no review (%d %s)", error.status, error.reason)
            return HTTPStatus.SERVICE_UNAVAILABLE
        finally:
            known.reviewed -= 1
        self._remember(digest, decision)
        return decision

    async def _review(self, token: str) -> HTTPStatus:
        status = await self._client.review(TOKEN_REVIEWS, {"token": token})
        if not status.get("authenticated"):
            return HTTPStatus.UNAUTHORIZED
        user: Object = status.get("user") or {}
        spec = {
            "user": user.get("username", ""),
            "uid": user.get("uid", ""),
            "groups": user.get("groups") or [],
            "extra": user.get("extra") or {},
            "nonResourceAttributes": {"path": "/metrics", "verb": "get"},
        }
        access = await self._client.review(SUBJECT_ACCESS_REVIEWS, spec)
        return HTTPStatus.OK if access.get("allowed") is True else HTTPStatus.FORBIDDEN

    def _remember(self, digest: bytes, decision: HTTPStatus) -> None:
        kept, dropped = self._others, self._admitted
        if decision is HTTPStatus.OK:
            kept, dropped = dropped, kept
        dropped.decisions.pop(digest, None)
        kept.remember(digest, decision, self._clock() + _VALID_SECONDS)
