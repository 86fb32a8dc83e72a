"""Platforms without a cluster: read from files, rendered with placeholders."""
