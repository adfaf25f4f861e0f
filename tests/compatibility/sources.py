"""Where the programs of others come from: files at one commit, each known by its hash.

They are looked for in the directory that FOREIGN_PROGRAMS names (OWNER/NAME/COMMIT/PATH below it),
by default build/foreign, and fetched from GitHub where that can be reached.
"""

import hashlib
import os
import subprocess
import sys
import urllib.error
import urllib.request
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
KEPT = Path(os.environ.get("FOREIGN_PROGRAMS", ROOT / "build" / "foreign"))
RAW = "https://raw.githubusercontent.com"
PATIENCE = 20  # seconds for a file
PIP_PATIENCE = 600  # seconds for the packages of a program
_out_of_reach = []


class MissingError(Exception):
    """A program or a package of it is not here and cannot be fetched."""


def file_of(repository, commit, path, digest):
    """Path of one file of a repository at a commit, fetched where it is not here yet."""
    place = KEPT / repository / commit / path
    if not place.exists():
        place.parent.mkdir(parents=True, exist_ok=True)
        content = _fetched(f"{RAW}/{repository}/{commit}/{path}")
        partial = place.with_name(f"{place.name}.{os.getpid()}")
        partial.write_bytes(content)
        partial.replace(place)
    found = hashlib.sha256(place.read_bytes()).hexdigest()
    if found != digest:
        raise MissingError(f"{place}: its SHA-256 is {found}, not {digest}; remove it")
    return place


def _fetched(address):
    if _out_of_reach:  # asked once
        raise MissingError(f"{address}: {_out_of_reach[0]}")
    try:
        with urllib.request.urlopen(address, timeout=PATIENCE) as answer:
            return answer.read()
    except urllib.error.HTTPError as error:
        raise MissingError(f"{address}: {error}") from None
    except OSError as error:
        _out_of_reach.append(f"{RAW} cannot be reached: {error}")
        raise MissingError(f"{address}: {_out_of_reach[0]}") from None


def packages(wanted):
    """Directory that holds packages, such as ``numba==0.68.1``, for this Python alone."""
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    number = hashlib.sha256(" ".join(wanted).encode()).hexdigest()[:12]
    place = KEPT / f"packages-{version}-{number}"
    done = place / ".complete"
    if not done.exists():
        words = [sys.executable, "-m", "pip", "install", "-q", "--no-deps", "--target", str(place)]
        words += ["--only-binary", ":all:", "--upgrade", *wanted]
        told = {"stdin": subprocess.DEVNULL, "capture_output": True, "text": True}
        try:
            said = subprocess.run(words, **told, timeout=PIP_PATIENCE, check=False)
        except subprocess.TimeoutExpired:
            raise MissingError(f"{' '.join(wanted)}: pip took {PIP_PATIENCE} s") from None
        if said.returncode:
            why = (said.stderr.strip().splitlines() or ["no reason given"])[-1]
            raise MissingError(f"{' '.join(wanted)}: {why}")
        done.touch()
    return place
