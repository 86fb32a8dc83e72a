"""The API server: client, apply, watches, work queue, events, health. Knows nothing of what a platform is."""
