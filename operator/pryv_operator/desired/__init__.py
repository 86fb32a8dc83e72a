"""The desired state of a platform: one pure function of its inputs, with checks and warnings."""
