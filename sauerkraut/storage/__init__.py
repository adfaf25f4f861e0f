"""Named byte streams and typed arrays per rank, in epochs that are committed atomically."""
