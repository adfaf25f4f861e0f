"""The data state of one process: one object graph, its arrays as memory blocks."""
