"""What is wrong, or should be known: a reason for machines and a message for people."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, order=True)
class Problem:
    """Something to mend, or to wait for. ``reason`` is CamelCase; ``message`` says what, where, and what to do."""

    reason: str
    message: str


def joined(problems: tuple[Problem, ...]) -> Problem:
    """All problems as one: the first one's reason, everybody's message."""
    unique = list(dict.fromkeys(problems))
    same = [problem for problem in unique if problem.reason == unique[0].reason]
    others = [problem for problem in unique if problem.reason != unique[0].reason]
    return Problem(unique[0].reason, "; ".join(problem.message for problem in (*same, *others)))
