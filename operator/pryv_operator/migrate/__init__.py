"""From an installation with a leader to a resource: the leader's folder in, the texts of files out. Pure."""
