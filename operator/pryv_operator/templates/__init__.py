"""Where templates come from (built-in releases, archives, ConfigMaps) → a bundle."""
