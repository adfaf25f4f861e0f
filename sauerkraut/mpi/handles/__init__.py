"""Handles of MPI in what is captured, one file per family; docs/handles.md says how they agree."""
