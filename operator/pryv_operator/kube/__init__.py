"""The API server: client, watches, work queue, lease, events, metrics.

Knows nothing of what a platform consists of.
"""
