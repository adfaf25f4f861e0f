"""A star cluster in a bath of random kicks: all-pairs gravity, bodies spread over the ranks.

    mpiexec -n 4 python examples/nbody.py

The same command starts it and, after a crash, brings it back inside the loops of `evolve`.
"""

import argparse

import numpy as np
from mpi4py import MPI

import sauerkraut as skt

SOFTENING = 0.05
DT = 1e-3


class Cluster:
    """The bodies of this rank, and what the whole cluster needs to move them."""

    def __init__(self, size, comm):
        self.comm = comm
        self.rng = np.random.default_rng([7, comm.rank])
        mine = size * (comm.rank + 1) // comm.size - size * comm.rank // comm.size
        self.mass = np.full(mine, 1.0 / size)
        self.position = self.rng.normal(size=(mine, 3))
        self.velocity = 0.3 * self.rng.normal(size=(mine, 3))
        self.history = []  # (step, kinetic energy) of the whole cluster

    def all_bodies(self):
        """Mass and position of every rank's bodies, rank by rank."""
        pieces = self.comm.allgather((self.mass, self.position))
        return (np.concatenate(part) for part in zip(*pieces, strict=True))

    def accelerations(self):
        mass, position = self.all_bodies()
        pull = np.zeros_like(self.position)
        for i, here in enumerate(self.position):
            away = position - here
            distance = np.sqrt((away**2).sum(axis=1) + SOFTENING**2)
            pull[i] = (mass / distance**3) @ away
        return pull

    def kick(self, pull, strength):
        """Half a step of acceleration, and the push of the bath."""
        self.velocity += 0.5 * DT * pull
        self.velocity += strength * np.sqrt(0.5 * DT) * self.rng.normal(size=self.velocity.shape)

    def step(self, pull, strength):
        """Kick, drift, kick; returns the accelerations at the new positions."""
        for stage in ("kick", "drift", "kick"):
            if stage == "kick":
                self.kick(pull, strength)
            else:
                self.position += DT * self.velocity
                pull = self.accelerations()
                skt.current().poll(len(self.history))  # library code polls the running job
        return pull

    def evolve(self, steps, strength=0.05):
        """Move the cluster on by `steps` steps."""
        pull = self.accelerations()
        for step in range(1, steps + 1):
            pull = self.step(pull, strength)
            kinetic = self.comm.allreduce(0.5 * float(self.mass @ (self.velocity**2).sum(axis=1)))
            self.history.append((step, kinetic))

    def save(self, name):
        """Write every rank's bodies to `name`.npy and the history to `name`.txt; collective."""
        bodies = self.comm.gather(np.hstack([self.position, self.velocity]))
        if bodies is not None:
            np.save(f"{name}.npy", np.concatenate(bodies))
            np.savetxt(f"{name}.txt", self.history, fmt="%d %.17g")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--size", type=int, default=400, help="bodies in all (400)")
    parser.add_argument("--steps", type=int, default=2000, help="time steps (2000)")
    parser.add_argument("--dir", default="ckpt-nbody", help="checkpoint directory")
    parser.add_argument("--interval", default="10min", help="time between checkpoints (10min)")
    parser.add_argument("--out", default="nbody", help="the final state goes to OUT.npy, OUT.txt")
    args = parser.parse_args()

    cluster = Cluster(args.size, MPI.COMM_WORLD)
    with skt.Checkpointer(args.dir, comm=MPI.COMM_WORLD, interval=args.interval) as ckpt:
        ckpt.run(cluster.evolve, args.steps)
    cluster.save(
        args.out
    )  # the restored cluster: the arguments of run are the caller's own objects


if __name__ == "__main__":
    main()
