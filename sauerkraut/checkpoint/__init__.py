"""The Checkpointer: ranks decide, checkpoint and restart together, over a Group."""
