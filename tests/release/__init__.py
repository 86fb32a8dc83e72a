"""Releases: the workflows, and the scripts that they call."""
