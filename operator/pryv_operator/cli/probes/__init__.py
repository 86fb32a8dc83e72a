"""Asks DNS servers, web servers, mail servers and registries; ``checks`` judges the answers."""
