"""Which modules are the user's own program, as opposed to installed packages."""

from __future__ import annotations

import site
import sys
import sysconfig
from pathlib import Path

_known: dict[str, tuple[str | None, bool]] = {}


def _installed() -> tuple[str, ...]:
    paths = {sysconfig.get_path(name) for name in ("stdlib", "platstdlib", "purelib", "platlib")}
    paths.update(site.getsitepackages())
    if site.ENABLE_USER_SITE:
        paths.add(site.getusersitepackages())
    roots = {str(Path(path)) for path in paths} | {str(Path(path).resolve()) for path in paths}
    return tuple(sorted(f"{root}/" for root in roots))


_INSTALLED = _installed()


def is_project(module: str | None) -> bool:
    """Whether a loaded module belongs to the user's program.

    ``__main__`` does, and every module with a source file outside the standard library and the
    site-packages folders, except sauerkraut itself.
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
    return (
        isinstance(file, str)
        and module.partition(".")[0] != "sauerkraut"
        and not file.startswith(_INSTALLED)
    )
