"""Job scripts from `jobs/`, filled in."""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path

from sauerkraut.errors import StorageError

KINDS = {
    "preemptible": "preemptible.sbatch",
    "chain": "time_limit_chain.sbatch",
    "loop": "restart_loop.sbatch",
    "array": "array.sbatch",
}
_HERE = Path(__file__).resolve()
_PLACES = (_HERE.parent / "jobs", _HERE.parents[2] / "jobs")  # installed; in the source tree


def template(kind: str) -> str:
    """Text of a script of `KINDS`.

    Raises:
        StorageError: the installation lacks it.
    """
    for place in _PLACES:
        if (place / KINDS[kind]).exists():
            return (place / KINDS[kind]).read_text("utf-8")
    raise StorageError(f"{KINDS[kind]} is not installed; it is in jobs/ of the source tree")


def filled_in(
    kind: str,
    program: Sequence[str],
    *,
    options: Mapping[str, str],
    directory: str | None = None,
    launcher: str | None = None,
    path: str | None = None,
) -> str:
    """A script of `KINDS` for one program.

    Args:
        kind: Which.
        program: Words of the program, such as ``python heat2d.py``.
        options: Of sbatch by name, such as ``time``; they take the place of the script's own.
        directory: Checkpoint directory, where the program's words do not tell it.
        launcher: What starts the ranks, in place of ``srun --mpi=pmix``.
        path: Put before PATH, so that the job finds the same Python.
    """
    head, *lines = template(kind).splitlines()
    left = dict(options)
    filled = [head, f"# {KINDS[kind]} of sauerkraut, filled in"]
    while lines and lines[0].startswith("#") and not lines[0].startswith("#SBATCH"):
        lines.pop(0)
    for line in lines:
        option = re.match(r"#SBATCH --([a-z-]+)=", line)
        if option and option[1] in left:
            filled.append(f"#SBATCH --{option[1]}={left.pop(option[1])}")
            continue
        if left and not line.startswith("#SBATCH"):
            filled += [f"#SBATCH --{name}={value}" for name, value in left.items()]
            left.clear()
        filled.append(line)
    text = "\n".join(filled) + "\n"
    if launcher is not None:
        text = text.replace("srun --mpi=pmix", launcher)
    if directory is not None:
        quoted = shlex.quote(directory)
        text = text.replace("\ndir=ckpt ", f"\ndir={quoted} ")
        if "launch --dir" not in text:
            text = text.replace("sauerkraut launch ", f"sauerkraut launch --dir {quoted} ")
    setting = [f"set -- {shlex.join(program)}"]  # last: nothing in these words is to be replaced
    if path is not None:
        setting.insert(0, f"export PATH={shlex.quote(path)}:$PATH")
    return text.replace("\n\n", "\n\n" + "\n".join(setting) + "\n\n", 1)
