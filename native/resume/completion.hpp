// What the C code between two frames would have made of the value or exception of its callee.
#pragma once

#include "../capture/stack.hpp"
#include "../code/code_map.hpp"

namespace sauerkraut::resume {

using capture::FrameState;
using capture::Owned;

// The value of the operation at `site`, `given` being that of the callee, or empty with an
// exception set; empty with an exception set when the operation raises.
Owned completed(const FrameState& state, const code::CallSite& site, const Owned& given);

// The value of the StopIteration that is set; null with another exception set when it has none.
PyObject* value_of_stop();

}  // namespace sauerkraut::resume
