"""All that imitates Pryv's leader byte for byte: platform.yml, JavaScript's JSON, listing, substitution."""
