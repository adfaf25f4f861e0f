"""Which libraries of arrays reach a GPU here."""

import importlib

LIBRARIES = {"cupy": "cupy-cuda13x", "torch": "torch"}
"""The packages that bring them, by module."""


def missing(library):
    """Why arrays of ``library`` cannot be tested on a GPU here; None: they can."""
    try:
        found = importlib.import_module(library)
        cuda = found.cuda
        count = cuda.device_count() if library == "torch" else cuda.runtime.getDeviceCount()
    except ImportError:
        return f"{library}: `pip install {LIBRARIES[library]}` where there is a GPU"
    except Exception as error:  # without a driver CuPy raises an error of its own
        return f"a GPU that {library} reaches: {error}"
    return None if count else f"a GPU that {library} sees"


if __name__ == "__main__":
    for told in filter(None, map(missing, LIBRARIES)):
        print(f"arrays on a GPU: {told}; tests/unit/objects/test_gpu.py was not run for it")
