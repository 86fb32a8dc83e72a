"""Variables: declared, computed, resolved; which are secret."""
