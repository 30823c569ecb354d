"""Word vectors in the forms of other programs."""
