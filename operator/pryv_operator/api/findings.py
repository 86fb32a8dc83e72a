"""What is reported about a platform: a reason for scripts, and a message for people."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar


@dataclass(frozen=True, order=True)
class Finding:
    """A reason and a message.

    ``reason`` is one of ``api.reasons``, or one that Kubernetes reports for a pod. ``message`` has
    the form ``<where>: <what is wrong>; <what to do>`` and never contains a secret value.
    """

    reason: str
    message: str


@dataclass(frozen=True, order=True)
class Problem(Finding):
    """An error that a person has to correct; nothing is applied until then."""


@dataclass(frozen=True, order=True)
class Waiting(Finding):
    """Something that the platform or a component waits for."""


@dataclass(frozen=True, order=True)
class Advisory(Finding):
    """A warning about a platform that works: an entry of ``status.warnings``."""


@dataclass(frozen=True, order=True)
class Explanation(Finding):
    """Why a condition has its status, or why a component is not ready."""


@dataclass(frozen=True, order=True)
class Announcement(Finding):
    """Something that happened once and is worth an event, such as a generated secret."""


SomeFinding = TypeVar("SomeFinding", bound=Finding)


def joined(findings: Sequence[SomeFinding]) -> SomeFinding:
    """One finding for several: the reason of the first, the messages of all.

    Messages with the reason of the first come first; duplicates are dropped.
    """
    unique = list(dict.fromkeys(findings))
    first = unique[0]
    same = [each for each in unique if each.reason == first.reason]
    others = [each for each in unique if each.reason != first.reason]
    return type(first)(first.reason, "; ".join(each.message for each in (*same, *others)))
