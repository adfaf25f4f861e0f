"""Whole call stacks: capture, the snapshot, resume."""
