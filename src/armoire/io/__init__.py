"""Files: atomic writes, locks, checksummed tensors and tables."""
