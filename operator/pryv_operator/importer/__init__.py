"""A docker-compose installation becomes a resource, its Secrets and a report. Pure."""
