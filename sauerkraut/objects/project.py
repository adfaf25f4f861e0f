"""Which modules are the user's own program, as opposed to installed packages."""

from __future__ import annotations

import contextlib
import functools
import re
import site
import sys
import sysconfig
from pathlib import Path

_known: dict[str, tuple[str | None, bool]] = {}


@functools.cache
def _installed() -> tuple[str, ...]:
    paths = {sysconfig.get_path(name) for name in ("stdlib", "platstdlib", "purelib", "platlib")}
    paths.update(site.getsitepackages())
    if site.ENABLE_USER_SITE:
        paths.add(site.getusersitepackages())
    roots = {str(Path(path)) for path in paths} | {str(Path(path).resolve()) for path in paths}
    return tuple(sorted(f"{root}/" for root in roots))


_INSTALLED_NAMES = ("/site-packages/", "/dist-packages/")
"""Also where PYTHONPATH leads to them, as with the modules of a cluster."""


def is_project(module: str | None) -> bool:
    """Whether a loaded module belongs to the user's program.

    ``__main__`` does, and every module with a source file outside the standard library, the
    site-packages folders and what pip has put elsewhere (``--target``), except sauerkraut itself.
    """
    if module == "__main__":
        return True
    if not module or module not in sys.modules:
        return False
    file = getattr(sys.modules[module], "__file__", None)
    known = _known.get(module)
    if known is None or known[0] != file:
        known = _known[module] = (file, is_project_file(module, file))
    return known[1]


def is_project_file(module: str, file: object) -> bool:
    """Whether ``module`` belongs to the user's program if ``file`` is where its source is."""
    if not isinstance(file, str) or module.partition(".")[0] == "sauerkraut":
        return False
    if file.startswith(_installed()) or any(name in file for name in _INSTALLED_NAMES):
        return False
    path = Path(file)
    depth = module.count(".") + path.name.startswith("__init__.")
    if not path.is_absolute() or len(path.parents) <= depth:
        return True
    root = path.parents[depth]
    return path.relative_to(root).parts[0] not in _recorded(root)


@functools.cache
def _recorded(root: Path) -> frozenset[str]:
    """Top-level names in a folder that pip has put there."""
    names: set[str] = set()
    for record in root.glob("*.dist-info/RECORD"):
        with contextlib.suppress(OSError, UnicodeDecodeError):
            names.update(re.split("[/,]", line, maxsplit=1)[0] for line in record.open())
    return frozenset(names)
