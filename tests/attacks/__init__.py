"""What a hostile tenant or neighbour tries, and what it gets; docs/secure.md lists the attempts."""
