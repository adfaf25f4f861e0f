"""What the image is made from: from its registry, or what stands in for it where none is reached.

That is Debian's own CPython on the Debian that the image is made of: an archive of its files, made
once by mmdebstrap and kept in the user's cache.
"""

import fcntl
import hashlib
import os
import subprocess
import sys
import urllib.error
import urllib.request
from pathlib import Path

REGISTRY = "docker.io"
PACKAGES = "ca-certificates,python3-pip,python3.13-dev,python3.13-venv"
OPTIONS = [
    "--quiet",
    "--variant=minbase",
    f"--include={PACKAGES}",
    '--aptopt=Acquire::Check-Valid-Until "false"',  # a mirror may be past its date
    '--aptopt=Apt::Install-Recommends "false"',
    "--dpkgopt=force-unsafe-io",
    *(f"--dpkgopt=path-exclude=/usr/share/{name}/*" for name in ("doc", "man", "locale")),
    '--customize-hook=ln -s /usr/bin/python3.13 "$1/usr/local/bin/python"',
]
DEBIAN = "trixie"


class UnavailableError(Exception):
    """Neither the registry can be reached nor a stand-in be made."""


def has_registry():
    """Whether the registry answers."""
    try:
        urllib.request.urlopen("https://registry-1.docker.io/v2/", timeout=20).close()
    except urllib.error.HTTPError as answer:
        return answer.code == 401  # it wants a token, which anybody may have
    except OSError:
        return False
    return True


def stand_in():
    """Path of the archive, made where it is not there. A part of one is never taken for it.

    Raises:
        UnavailableError: No Debian can be made here.
    """
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "sauerkraut"
    cache.mkdir(parents=True, exist_ok=True)
    digest = hashlib.sha256("\n".join([DEBIAN, *OPTIONS]).encode()).hexdigest()[:10]
    archive = cache / f"container-base-{digest}.tar"
    with (cache / "container-base.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not archive.exists():
            part = archive.with_name(f"part-{archive.name}")
            print(f"+ mmdebstrap {DEBIAN} {archive}", file=sys.stderr, flush=True)
            done = subprocess.run(
                ["mmdebstrap", *OPTIONS, DEBIAN, part],
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                check=False,
            )
            if done.returncode:
                why = (done.stderr.strip().splitlines() or ["no reason given"])[-1]
                raise UnavailableError(f"no {REGISTRY}, and no Debian in its place: {why}")
            part.rename(archive)
    return archive
