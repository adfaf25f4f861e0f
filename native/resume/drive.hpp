// Runs rebuilt frames, innermost first.
#pragma once

#include "../capture/stack.hpp"

#include <vector>

namespace sauerkraut::resume {

// Rebuilds the checked frames of `stack` on this thread and runs them to the end:
// the innermost pending call yields `value`, or raises `thrown` when not null.
// Returns what the outermost frame returns; null with its exception set. The frames take over
// what `stack` holds: it can be driven once.
PyObject* drive(capture::Stack& stack, PyObject* value, PyObject* thrown);

}  // namespace sauerkraut::resume
