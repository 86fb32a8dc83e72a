"""A real Kubernetes control plane with simulated nodes, for tests and the demo.

Needs only Python and Go.
"""
