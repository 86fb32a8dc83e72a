"""A platform's live objects: read, compared, applied, judged for health."""
