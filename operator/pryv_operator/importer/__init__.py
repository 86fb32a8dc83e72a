"""Turns a docker-compose installation into a PryvPlatform, its Secrets and a report. Pure."""
