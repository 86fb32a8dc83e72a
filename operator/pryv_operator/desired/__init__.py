"""Inputs become the desired state: the one pure function, with its checks and warnings."""
