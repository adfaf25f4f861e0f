// The end of a wait: what C code would have done with the value of its callee.
#pragma once

#include "rebuild.hpp"

namespace sauerkraut::resume {

// Applies the continuation of `state` to `result` (stolen; null: an exception is set), puts the
// value where the pending operation leaves it and moves on behind it. Returns whether to throw
// into the frame, which must be the current one: Python code may run here.
bool settle(Frame& frame, const FrameState& state, PyObject* result);

}  // namespace sauerkraut::resume
