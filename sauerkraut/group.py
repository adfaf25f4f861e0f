"""The ranks that act together: the protocol Group, and SoloGroup for one process."""
