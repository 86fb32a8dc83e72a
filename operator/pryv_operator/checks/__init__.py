"""``kubectl pryv check``: judges what was found of a platform and its surroundings. Pure.

Probes in ``cli/probes`` find the facts; the functions here judge them.
"""
