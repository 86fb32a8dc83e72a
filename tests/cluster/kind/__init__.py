"""A cluster of real pods: kind, on a machine with a container registry or without one."""
