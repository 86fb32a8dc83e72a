"""A role's rendered ``pryv.yml`` → its services. Knows nothing of Kubernetes."""
