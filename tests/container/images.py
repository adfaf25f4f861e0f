"""Images without an engine: built by buildah with chroot isolation, run by podman and runc.

All of it lies in one directory; this machine's own images and containers are not touched. Needs
root.
"""

import ast
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

from tests.container import base

PROGRAMS = ("buildah", "podman", "runc", "mmdebstrap")
SETTING = re.compile(r"^([\w:]+)\.([a-z-]+)=(.*)$", re.MULTILINE)
NETWORK = ("index-url", "extra-index-url", "trusted-host", "proxy")
CERTIFICATES = "/run/certificates.crt"  # not Debian's path for them, which its package writes
STORAGE = """[storage]
driver = "overlay"
graphroot = "{0}/root"
runroot = "{0}/run"
"""
CONTAINERS = """[containers]
netns = "host"
default_ulimits = ["nofile=4096:4096", "nproc=4096:4096"]
[engine]
cgroup_manager = "cgroupfs"
events_logger = "none"
runtime = "runc"
lock_type = "file"
tmp_dir = "{0}/engine"
"""


def missing():
    """What this machine lacks to build and run images: one line, or None."""
    path = f"{os.environ['PATH']}:/usr/sbin:/sbin"
    absent = [name for name in PROGRAMS if shutil.which(name, path=path) is None]
    if absent:
        return f"{', '.join(absent)}: apt-get install {' '.join(PROGRAMS)}"
    if os.getuid() != 0:
        return "root, to mount the layers of images"
    try:
        if not base.has_registry():
            base.stand_in()
    except base.UnavailableError as error:
        return str(error)
    return None


class Images:
    """Images and the containers that run them; on leaving the ``with`` block no container is left.

    Args:
        directory: Empty; for all their files.
    """

    def __init__(self, directory):
        self.directory = Path(directory)
        for name, text in (("storage", STORAGE), ("containers", CONTAINERS)):
            (self.directory / f"{name}.conf").write_text(text.format(self.directory))
        self.environment = {
            **os.environ,
            "PATH": f"{os.environ['PATH']}:/usr/sbin:/sbin",
            "CONTAINERS_STORAGE_CONF": str(self.directory / "storage.conf"),
            "CONTAINERS_CONF": str(self.directory / "containers.conf"),
        }

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.command("podman", "rm", "--all", "--force", "--time=0")
        # a build that was ended leaves its layers mounted
        layers = self.directory / "root" / "overlay"
        subprocess.run(["umount", "--recursive", layers], capture_output=True, check=False)

    def base(self, name):
        """Fetch the image `name`, or make what stands in for it; a line that says which."""
        name = f"{base.REGISTRY}/library/{name}"
        if base.has_registry():
            self.command("podman", "pull", "--quiet", name, timeout=1200)
            return f"{name} comes from its registry"
        self.command("podman", "import", "--quiet", base.stand_in(), name)
        return f"{base.REGISTRY} cannot be reached: CPython of Debian stands in for {name}"

    def build(self, tag, context):
        """Build the Dockerfile in `context`; what was said.

        pip finds in it the index and the certificates that this machine's pip uses.
        """
        settings, certificates = of_pip()
        mounts = ["-v", f"{self.directory}/pip.conf:/etc/pip.conf:ro"]
        if certificates is not None:
            settings["cert"] = CERTIFICATES
            mounts += ["-v", f"{certificates}:{CERTIFICATES}:ro"]
        lines = [f"{name} = {value}" for name, value in settings.items()]
        (self.directory / "pip.conf").write_text("\n".join(["[global]", *lines, ""]))
        options = ["--isolation=chroot", "--network=host", "--pull-never", *mounts]
        return self.command("buildah", "build", *options, "-t", tag, context, timeout=2300).stdout

    def run(self, tag, *words, options=(), **settings):
        """Run a container to its end; it has no network. `settings` are those of `command`."""
        options = ["--rm", "--network=none", *options]
        return self.command("podman", "run", *options, tag, *words, **settings)

    def command(self, *words, check=True, timeout=600):
        """Run one command; with `check` another status than 0 is an error with all it said."""
        done = subprocess.run(
            [str(word) for word in words],
            env=self.environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=timeout,
            check=False,
        )
        if check:
            assert done.returncode == 0, f"{words}: {done.stdout}\n{done.stderr}"
        return done


def of_pip():
    """Settings by which this machine's pip reaches its index, and its certificates or None.

    Directories of this machine are left out: a build does not see them.
    """
    listed = subprocess.run(
        [sys.executable, "-m", "pip", "config", "list"],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        text=True,
        timeout=60,
        check=True,
    ).stdout
    settings = {}
    for where, name, value in SETTING.findall(listed):
        if name not in settings or where == ":env:":  # variables win over files
            settings[name] = ast.literal_eval(value)
    certificates = settings.pop("cert", None)
    kept = {}
    for name in NETWORK:
        words = settings.get(name, "").split()
        if away := [word for word in words if not word.startswith(("file:", "/"))]:
            kept[name] = " ".join(away)
    return kept, certificates
