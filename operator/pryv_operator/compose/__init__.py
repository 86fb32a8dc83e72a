"""A role's rendered pryv.yml becomes its services. Knows nothing of Kubernetes."""
