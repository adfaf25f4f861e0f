// Reads live frames of the calling thread into a Stack, changing nothing.
#pragma once

#include "stack.hpp"

namespace sauerkraut::capture {

// Captures from the frame object `innermost` outwards. The walk ends with
// (including) `base`, a frame object or a code object, when given; otherwise
// before the first frame that runs `marker` (skt.call) or is a module body.
//
// Throws CaptureError when a frame cannot be captured, or `base` is not on the stack.
Stack capture_stack(PyObject* innermost, PyObject* base, PyObject* marker);

}  // namespace sauerkraut::capture
