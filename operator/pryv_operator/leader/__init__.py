"""All that imitates Pryv's leader, byte for byte.

``platform.yml`` as js-yaml reads it, JavaScript's JSON, listing of files, substitution.
"""
