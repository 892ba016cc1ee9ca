"""Evidence of a run: what it read, packed with what it made, signed, and checked offline."""
