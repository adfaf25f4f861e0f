"""Tasks: call stacks that many ranks run together, and that move between them."""
