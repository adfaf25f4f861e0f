"""Each error is also the built-in one that a caller would catch."""

import pytest

import sauerkraut as skt
from sauerkraut import errors

BUILT_IN = {
    "CaptureError": TypeError,
    "ResumeError": ValueError,
    "CodeChanged": skt.ResumeError,
    "InterpreterMismatch": skt.ResumeError,
    "WorldSizeMismatch": skt.ResumeError,
    "ArgumentsChanged": skt.ResumeError,
    "StorageError": OSError,
    "NoCheckpoint": (skt.StorageError, FileNotFoundError),
    "CorruptCheckpoint": skt.StorageError,
    "UntrustedCheckpoint": (skt.StorageError, PermissionError),
    "DirectoryOwned": skt.StorageError,
    "Superseded": skt.StorageError,
    "RankError": RuntimeError,
    "MigrationError": RuntimeError,
    "Deadlock": skt.MigrationError,
    "FlowError": RuntimeError,
}


@pytest.mark.parametrize("name", BUILT_IN)
def test_an_error_is_what_a_caller_would_catch(name):
    error, kinds = getattr(skt, name), BUILT_IN[name]
    assert error is getattr(errors, name)
    assert issubclass(error, skt.SauerkrautError)
    for kind in kinds if isinstance(kinds, tuple) else (kinds,):
        assert issubclass(error, kind)
        with pytest.raises(kind, match="why"):
            raise error("why")
