"""Which libraries of arrays reach a GPU here."""

import importlib

LIBRARIES = ("cupy", "torch")


def missing(library):
    """Why arrays of ``library`` cannot be tested on a GPU here; None: they can."""
    try:
        found = importlib.import_module(library)
        cuda = found.cuda
        count = cuda.device_count() if library == "torch" else cuda.runtime.getDeviceCount()
    except ImportError:
        return f"{library} is not installed"
    except Exception as error:  # without a driver CuPy raises an error of its own
        return f"{library} reaches no GPU: {error}"
    return None if count else f"{library} sees no GPU"


if __name__ == "__main__":
    for told in filter(None, map(missing, LIBRARIES)):
        print(f"arrays on a GPU: {told}; tests/unit/objects/test_gpu.py was not run for it")
