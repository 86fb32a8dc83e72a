"""A bundle and values become rendered files, by the leader's substitution or Jinja; checks of the result."""
