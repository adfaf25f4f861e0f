"""Ranks that know nothing of checkpoints pass on edges by persistent requests, and write a file."""

import sys
import time

import numpy as np
from mpi4py import MPI

line = MPI.COMM_WORLD.Create_cart([MPI.COMM_WORLD.size], [True])
rank, size = line.Get_rank(), line.Get_size()
left, right = line.Shift(0, 1)
u, edge = np.random.default_rng(rank).random(200), np.zeros(1)
requests = [line.Recv_init(edge, source=left), line.Send_init([u[-1:], MPI.DOUBLE], dest=right)]
out = MPI.File.Open(line, sys.argv[2], MPI.MODE_CREATE | MPI.MODE_WRONLY)
part = MPI.DOUBLE.Create_contiguous(u.size).Create_resized(0, 8 * u.size * size).Commit()
out.Set_view(8 * u.size * rank, MPI.DOUBLE, part)
norm, places = 0.0, []

for step in range(int(sys.argv[1])):
    MPI.Prequest.Startall(requests)
    MPI.Prequest.Waitall(requests)
    u[1:] = 0.4 * u[1:] + 0.6 * u[:-1]
    u[0] = 0.4 * u[0] + 0.6 * edge[0]
    norm += line.allreduce(float(u @ u))
    if step % 50 == 0:
        out.Write_all(u)
        places.append(out.Get_position())
    time.sleep(0.004)

for request in requests:
    request.Free()
out.Close()
if rank == 0:
    print(repr(norm), places)
