"""Where templates come from: built-in releases, archives, a leader's folder; each becomes a bundle."""
