"""Live objects: read, compared with desired ones, applied, and their health."""
