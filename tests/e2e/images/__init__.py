"""Stand-ins for Pryv's images, and the operator's image, as archives that nodes can load."""
