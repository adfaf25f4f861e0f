"""Programs of others, and what has to be said to start them under `sauerkraut run`."""

from dataclasses import dataclass

from tests.compatibility import sources


@dataclass(frozen=True)
class Program:
    """Files of a repository at one commit; the first is the script."""

    name: str
    shape: str
    repository: str
    commit: str
    files: dict[str, str]
    """Path in the repository, and SHA-256."""
    at: str
    """The safepoint."""
    check: str
    """What the program says at its end when its own check holds, as a regular expression."""
    results: tuple[str, ...] = ()
    """Files that must hold the bytes of an undisturbed run."""
    arguments: tuple[str, ...] = ()
    options: tuple[str, ...] = ()
    """Of `sauerkraut run`, beside --dir, --every and --at."""
    every: str = "0.1s"
    """Time between checkpoints: next to none where the program is soon done."""
    inside: int = 0
    """How many kills must fall inside a checkpoint."""
    ranks: int = 2
    victim: str = "rank"
    """What is killed: one rank, or all."""
    packages: tuple[str, ...] = ()
    """What pip installs for it."""
    prepare: tuple[tuple[str, ...], ...] = ()
    """Commands of its own that go before; `python` is the test's."""

    def __str__(self):
        return self.name

    @property
    def script(self):
        return next(iter(self.files)).rpartition("/")[2]

    def fetched(self):
        """Paths of its files here.

        Raises:
            MissingError: A file is not here and cannot be fetched.
        """
        return [
            sources.file_of(self.repository, self.commit, path, digest)
            for path, digest in self.files.items()
        ]


MATPLOTLIB = (
    *("matplotlib==3.11.2", "contourpy==1.3.3", "cycler==0.12.1", "fonttools==4.68.0"),
    *("kiwisolver==1.5.1", "packaging==26.3", "pillow==13.0.0", "pyparsing==3.3.3"),
    *("python-dateutil==4.0.0", "six==1.17.0"),
)

KERNELS = {
    "repository": "ParRes/Kernels",
    "commit": "04248b66a03d7f5edba8d54c9ae7834dd718027a",
    "check": r"^(Solution validates.*)$",
}

PROGRAMS = (
    Program(
        "heat",
        "stencil, halo exchange with Sendrecv, pictures by Matplotlib",
        repository="csc-training/hpc-python",
        commit="a7625fd02e0e7b71a24c5893d21cb41a4320ea73",
        files={
            "mpi/heat-equation/solution/heat-p2p.py": (
                "033bb5172f89d66f4d432d88796ccfa33e7397c0a63463e1ce0d23a4f9c01495"
            ),
            "numpy/heat-equation/bottle.dat": (
                "3b060b0a2ef4df4ae8e7a60ea26c94579774c12be6ccc71be4d335d3e04cadc0"
            ),
        },
        at="heat-p2p.py:exchange",
        check=r"^(Running time): ",
        ranks=4,
        results=("heat_000.png", "heat_200.png"),
        packages=MATPLOTLIB,
        every="0.0001s",
        inside=1,
    ),
    Program(
        "transpose",
        "transpose, Alltoall",
        victim="all",
        files={
            "PYTHON/transpose-numpy-mpi.py": (
                "420ea3921afbb494c7f3a9e772871cf648f302988f156c4d9925c4f3efc1f6da"
            )
        },
        at="transpose-numpy-mpi.py:149",
        arguments=("20000", "128"),
        **KERNELS,
    ),
    Program(
        "pipeline",
        "pipelined sweep, Send and Recv",
        victim="all",
        files={
            "PYTHON/p2p-numpy-mpi.py": (
                "cdb4fa2623d1c686c2daaffa86bee453f9f8a471714caf240bf9189be38b05bd"
            )
        },
        at="p2p-numpy-mpi.py:138",
        arguments=("3000", "48", "48"),
        **KERNELS,
    ),
    Program(
        "spectral",
        "spectral, FFT and Alltoall",
        repository="spectralDNS/spectralDNS",
        commit="76863d12e36cfd5a5959d79c9e41c5eead1248b0",
        files={
            "spectralDNS3D_short.py": (
                "6062a2b2ab6e506876ad2559f265554b054c483e04a94342d2ecc21411251735"
            )
        },
        at="spectralDNS3D_short.py:ComputeRHS",
        check=r"^(Time) = ",  # an assertion follows
        every="0.01s",
        inside=1,
    ),
    Program(
        "conjugate gradients",
        "linear solver, Allgatherv and Reduce_scatter",
        victim="all",
        repository="Kae1thas/lb_pv_3",
        commit="db14909030560576e02ebb64781dbfafa7469dab",
        files={
            "parallel_cg.py": "77c5beaf2df7e9be04a016d1c0dc55e13132e10d6841af0303317e7f7832c4fb",
            "generate.py": "3178f5c432648a93395c8712a7116d837d685b7d489fb1a3747d9bcb7e1f6e9b",
        },
        at="parallel_cg.py:49",
        check=r"^(rel err to numpy lstsq: .*)$",
        prepare=(("python", "generate.py"),),
        every="0.0001s",
    ),
    Program(
        "particles",
        "particles, passed around a ring by Isend and Recv",
        repository="tomekzaw/agh_sem9_ar_proj1",
        commit="8ae0b1e65ab4f545daba1f2f87847e6737ed32d9",
        files={
            "main.py": "a0866a3e230eaa881ba4276cc39efdaf246a1c5a001d6a01703aa4f2bef785b8",
            "utils.py": "18e21856af2592932f70da872812ee9fe4c10d51fc37dbc9845455b1868cbd21",
            "gen.py": "820c769eda97da7d4b67d67d9822e4c6c65ebd209de6eb5b2c25cd0277e3fccd",
        },
        at="main.py:48",
        arguments=("160", "3"),
        check=r"^()\d+\.\d+$",  # the time it took
        results=("snapshots.npy",),
        prepare=(("python", "gen.py"),),
        ranks=4,
    ),
    Program(
        "jacobi",
        "linear solver, its figure drawn with Matplotlib",
        victim="all",
        repository="quocanh0810/Jacobi",
        commit="ba7a59219105b4ce1a422b0379d1aa82441d651f",
        files={"jacobi_mpi.py": "e00c3df91222d0e483f97390fdad4f542037d67a059e9d0856da6365276974ee"},
        at="jacobi_mpi.py:46",
        check=r"^(Converge.*|Error : .*)$",
        packages=MATPLOTLIB,
    ),
)

FARM = Program(
    "task farm",
    "tasks that the workers ask the first rank for",
    repository="jbornschein/mpi4py-examples",
    commit="c0f5fa18bab612fb5afbd9a5bdbc47521d6c6dd6",
    files={"09-task-pull.py": "4d0951bb44bb8024542e0e7a4e97c46523548a9a3177564fe523f047a9ac6fa9"},
    at="09-task-pull.py:41",
    check=r"^(Master finishing)$",
    ranks=3,
)
"""Its ranks meet no statement equally often: no checkpoint can be taken."""


def tell_missing():
    """Print a line for each program that is not here and cannot be fetched."""
    for program in (*PROGRAMS, FARM):
        try:
            program.fetched()
            if program.packages:
                sources.packages(program.packages)
        except sources.MissingError as missing:
            print(f"{program.name}, of {program.repository}: {missing}; not run")
