"""The scheduler: its nodes, its settings, scripts for it. No MPI, and no job of its own."""
