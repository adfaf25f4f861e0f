"""Text that is read or written piece by piece through `codecs`: with the rest of the last piece."""

from __future__ import annotations

import codecs
from typing import Any

from sauerkraut.objects.freezing import Freezing, Reduced, reduces, refuse
from sauerkraut.objects.reducers.containers import make_empty
from sauerkraut.objects.reducers.plain import own_state, set_attributes

_STREAMS = (
    codecs.StreamReader,
    codecs.StreamReaderWriter,
    codecs.StreamRecoder,
    codecs.StreamWriter,
)


@reduces(*_STREAMS, subclasses=True)
def _reduce_stream(stream: Any, _: Freezing) -> Reduced:
    cls = type(stream)
    if any(each.__module__ == "_multibytecodec" for each in cls.__mro__):
        raise refuse(stream, "its state in C cannot be read: open the file with open()")
    return (make_empty, (object, cls), own_state(stream), None, None, set_attributes)


@reduces("_multibytecodec.MultibyteIncrementalDecoder")
@reduces("_multibytecodec.MultibyteIncrementalEncoder")
def _reduce_multibyte(coder: Any, _: Freezing) -> Reduced:
    return (type(coder), (coder.errors,), (coder.getstate(),), None, None, set_coder)


def set_coder(coder: Any, state: tuple[Any]) -> None:
    """Give an incremental coder what it has of the last piece."""
    coder.setstate(state[0])
