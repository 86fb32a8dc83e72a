"""The operator on a real cluster, with real pods."""
