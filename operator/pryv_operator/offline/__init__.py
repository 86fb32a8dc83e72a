"""A platform without a cluster: read from files, rendered with stand-ins for what only a cluster knows."""
