"""Rollouts: the decision (pure), the recorded revisions, the execution of a step."""
