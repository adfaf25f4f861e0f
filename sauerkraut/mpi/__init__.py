"""The MPI layer: the only package that imports mpi4py."""
