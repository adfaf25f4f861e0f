"""What is refused by name, with advice."""

from __future__ import annotations

from typing import Any

from sauerkraut.objects.freezing import Freezing, Reducer, reduces, refuse
from sauerkraut.objects.reducers.plain import reduce_with_getattr

_REOPEN = "close it before the checkpoint and open it again in on_restart, or exclude it"
_ATTACH = "other processes have its memory too: copy it, and attach it again in on_restart"
_SERVED = "it lives in the process of a Manager: keep a copy of what it holds, or exclude it"
_JOIN = "join it before the checkpoint, or exclude it and start it again in on_restart"

_ADVICE: dict[str, str] = {
    "_ctypes._Pointer": "it holds an address: keep what it points to",
    "_queue.SimpleQueue": "keep a collections.deque, or exclude it",
    "_socket.socket": _REOPEN,
    "asyncio.events.AbstractEventLoop": "run it to its end before the checkpoint",
    **dict.fromkeys(
        ("builtins.CArgObject", "_ctypes.CArgObject"), "it holds an address: keep what it points to"
    ),
    "concurrent.futures._base.Executor": "shut it down before the checkpoint, or exclude it",
    "concurrent.futures._base.Future": "wait for its result and keep that",
    "functools.KeyWrapper": "keep the function, and call functools.cmp_to_key where it is used",
    "greenlet.greenlet": "let it end before the checkpoint",
    **dict.fromkeys(
        (
            "h5py._hl.base.HLObject",
            "h5py._debian_h5py_mpi._hl.base.HLObject",  # Debian's own packages
            "h5py._debian_h5py_serial._hl.base.HLObject",
        ),
        "h5py objects belong to an open file: "
        "open the file inside a function that returns before the checkpoint",
    ),
    "_io.IncrementalNewlineDecoder": "keep the text that it gave, and make it where it is used",
    "multiprocessing.connection._ConnectionBase": _REOPEN,
    "multiprocessing.managers.BaseManager": _SERVED,
    "multiprocessing.managers.BaseProxy": _SERVED,
    "multiprocessing.pool.Pool": "close it before the checkpoint, or exclude it",
    "multiprocessing.process.BaseProcess": _JOIN,
    "multiprocessing.queues.Queue": "close it before the checkpoint, or exclude it",
    "multiprocessing.shared_memory.ShareableList": _ATTACH,
    "multiprocessing.shared_memory.SharedMemory": _ATTACH,
    "multiprocessing.sharedctypes.SynchronizedBase": _ATTACH,
    "multiprocessing.synchronize.SemLock": "it is shared with other processes; exclude it",
    **dict.fromkeys(
        ("numpy.flagsobj", "numpy._core.multiarray.flagsobj", "numpy.core.multiarray.flagsobj"),
        "keep the array, and ask it for its flags",
    ),
    "posix.DirEntry": "keep its path; for os.walk, iterate over list(os.walk(top))",
    "posix.ScandirIterator": "iterate over a list of it; for os.walk, over list(os.walk(top))",
    "_sre.SRE_Scanner": "iterate over a list of the matches",
    "select.epoll": _REOPEN,
    "selectors.BaseSelector": _REOPEN,
    "socket.socket": _REOPEN,
    "sqlite3.Connection": _REOPEN,
    "sqlite3.Cursor": _REOPEN,
    "_struct.unpack_iterator": "iterate over a list of it",
    "subprocess.Popen": "wait for it before the checkpoint, or exclude it",
    "threading.Thread": _JOIN,
}

_MPI_ADVICE = {
    "Comm": "make it inside a function that returns before the checkpoint, or exclude it "
    "and make it again in on_restart",
    "Request": "complete it (Wait) before the checkpoint",
    "Win": "free it before the checkpoint and make it again in on_restart",
    "File": _REOPEN,
    "buffer": "keep numpy.frombuffer of it",
}


_HANDLES = (
    *("Comm", "Datatype", "Errhandler", "File", "Group", "Info", "Message", "Op"),
    *("Request", "Session", "Status", "Win", "buffer"),
)


def _refusing(advice: str) -> Reducer:
    def reduce(obj: Any, _: Freezing) -> Any:
        raise refuse(obj, advice)

    return reduce


for _name, _advice in _ADVICE.items():
    reduces(_name)(_refusing(_advice))


@reduces("tempfile._TemporaryFileWrapper")
def _reduce_temporary(file: Any, freezing: Freezing) -> Any:
    if vars(vars(file)["_closer"]).get("delete", True):
        raise refuse(file, f"it is deleted when the process ends; {_REOPEN}")
    return reduce_with_getattr(file, freezing)


@reduces(*(f"mpi4py.MPI.{name}" for name in _HANDLES))
def _reduce_handle(handle: Any, freezing: Freezing) -> Any:
    """Predefined handles pickle as their name, data types as their description."""
    if freezing.handles is not None:
        return freezing.handles.reduce(handle, freezing)
    try:
        return handle.__reduce_ex__(5)
    except Exception as error:
        for cls in type(handle).__mro__:
            if cls.__name__ in _MPI_ADVICE:
                raise refuse(handle, _MPI_ADVICE[cls.__name__]) from error
        raise refuse(handle, "make it again in on_restart") from error
