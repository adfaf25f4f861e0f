"""Look at the checkpoints of a job, check them, and start the job again.

Results go to standard output (--json: for machines), all else to standard error.
Exit status: 0 done, 1 error or damage, 2 usage, 85 checkpointed - requeue,
86 ranks lost - restart, 87 do not restart.
"""

from __future__ import annotations

import argparse
import inspect as introspection
import os
import sys
import traceback
from collections.abc import Callable, Sequence
from types import ModuleType

from sauerkraut import __version__
from sauerkraut.cli import (
    doctor,
    flow,
    inspect,
    launch,
    ls,
    request,
    resume,
    run,
    slurm,
    verify,
)
from sauerkraut.errors import (
    DirectoryOwned,
    ResumeError,
    SauerkrautError,
    Superseded,
    UntrustedCheckpoint,
)
from sauerkraut.wording import printable

VERBS: tuple[ModuleType, ...] = (
    *(ls, inspect, verify, resume),
    *(run, launch, request, slurm, doctor, flow),
)
DO_NOT_RESTART = (ResumeError, DirectoryOwned, Superseded, UntrustedCheckpoint)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one verb; the exit status. ``None``: the words of the command line."""
    chosen = _parser().parse_args(arguments)
    if chosen.verb == "run":  # what the program raises is the program's
        return run.run(chosen)
    # under an MPI launcher only rank 0 speaks
    if _rank() != 0 and not (chosen.verb == "flow" and flow.on_every_rank(chosen)):
        return 0
    act: Callable[[argparse.Namespace], int] = chosen.run
    try:
        status = act(chosen)
        sys.stdout.flush()
    except SauerkrautError as error:
        if chosen.verbose >= 2:
            traceback.print_exc()
        print(f"sauerkraut {chosen.verb}: {printable(str(error))}", file=sys.stderr)
        return 87 if isinstance(error, DO_NOT_RESTART) else 1
    except MemoryError:  # what a file says of its own size is anybody's
        print(f"sauerkraut {chosen.verb}: not enough memory for what is stored", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print(f"sauerkraut {chosen.verb}: interrupted", file=sys.stderr)
        return 130
    except BrokenPipeError:  # the reader, such as `head`, had enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    return status


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="sauerkraut",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"sauerkraut {__version__}")
    verbs = parser.add_subparsers(dest="verb", metavar="VERB", required=True)
    for verb in VERBS:
        text = introspection.cleandoc(verb.__doc__ or "")
        each = verbs.add_parser(
            verb.__name__.rpartition(".")[2],
            help=text.partition("\n")[0].rstrip("."),
            description=text,
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        each.add_argument("--json", action="store_true", help="print one JSON document")
        each.add_argument(
            "-v", "--verbose", action="count", default=0, help="-vv: traceback of an error"
        )
        verb.add_arguments(each)
        each.set_defaults(run=verb.run)
    return parser


def _rank() -> int:
    """This process's rank by the launcher's environment; MPI is not loaded for it."""
    return int(os.environ.get("OMPI_COMM_WORLD_RANK") or os.environ.get("PMI_RANK") or 0)
