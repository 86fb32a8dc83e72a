"""What commands show, computed from objects that were read. Pure."""
