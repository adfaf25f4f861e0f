"""Arrays in the memory of a device: through the host as blocks, back to the same device number.

CuPy's are written by us, PyTorch's pickle themselves; those of other libraries are refused by name,
unless the program registers a reducer.
"""

from __future__ import annotations

import importlib
from typing import Any

from sauerkraut.errors import CaptureError, ResumeError
from sauerkraut.objects.freezing import Freezing, Reduced, describe, reduces

_HOST_KINDS = (1, 3)  # kDLCPU, kDLCUDAHost of DLPack
_KINDS = {2: "CUDA", 4: "OpenCL", 7: "Vulkan", 8: "Metal", 10: "ROCm", 13: "CUDA managed"}
_KEEP_THEIR_DEVICE = ("torch",)


class UnknownDeviceError(CaptureError, RuntimeError):
    """An array is on a device of a library that is not known; a RuntimeError, as the seed says."""


def is_device_array(cls: type) -> bool:
    """Whether instances of a class may lie in the memory of a device."""
    if cls.__module__.partition(".")[0] in _KEEP_THEIR_DEVICE:
        return False
    # Not by hasattr(), which asks the metaclass, and so may run code of the program.
    return any(
        name in vars(base)
        for base in cls.__mro__
        for name in ("__cuda_array_interface__", "__dlpack_device__")
    )


def reduce_unknown(value: Any, _: Freezing) -> Any:
    """Refuse an array of a library that is not known; one in host memory pickles itself."""
    device = _device_of(value)
    if device is None:
        return NotImplemented
    raise UnknownDeviceError(
        f"{describe(type(value))} cannot be captured; it lies on {device}, and its library is not "
        "known here; copy it to the host before the checkpoint, or register a reducer"
    )


def _device_of(value: Any) -> str | None:
    """The device by name and number; None: host memory."""
    of = getattr(value, "__dlpack_device__", None)
    if of is None:
        return "a CUDA device"
    kind, number = of()
    kind = int(kind)
    return None if kind in _HOST_KINDS else f"{_KINDS.get(kind, f'device kind {kind},')} {number}"


@reduces("cupy.ndarray")
def _reduce_cupy(value: Any, freezing: Freezing) -> Reduced:
    memory = value.data.mem
    entry = freezing.shells.get(id(memory))
    if entry is None:
        with value.device:
            pointer = value.data + (memory.ptr - value.data.ptr)
            host = type(value)((memory.size,), "u1", pointer).get()
        shell = freezing.shell_of(memory, to_device, host, value.device.id)
    else:
        shell = entry[1]
    offset = value.data.ptr - memory.ptr
    return (view_on_device, (shell, offset, value.dtype, value.shape, value.strides))


def to_device(host: Any, number: int) -> Any:
    """An array of bytes on a CUDA device."""
    cupy = _cupy(number)
    with cupy.cuda.Device(number):
        made = cupy.empty(host.shape, host.dtype)
        made.set(host)
    return made


def view_on_device(
    root: Any, offset: int, dtype: Any, shape: tuple[int, ...], strides: tuple[int, ...]
) -> Any:
    """An array over the memory of another one on the same device."""
    with root.device:
        return type(root)(shape, dtype, root.data + offset, strides)


def _cupy(number: int) -> Any:
    try:
        cupy = importlib.import_module("cupy")
        count = cupy.cuda.runtime.getDeviceCount()
    except Exception as error:  # without a driver CuPy raises an error of its own
        raise ResumeError(f"an array on CUDA device {number} needs CuPy: {error}") from error
    if number >= count:
        raise ResumeError(f"an array was on CUDA device {number}; this process sees {count}")
    return cupy
