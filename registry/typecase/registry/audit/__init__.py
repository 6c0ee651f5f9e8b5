"""What happened, in a chain of hashes, and who uses what."""
