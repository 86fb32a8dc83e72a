"""Templates and values become files, by the leader's substitution or Jinja; checks of them."""
