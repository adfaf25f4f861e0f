// What a call in flight called, and which C callables may stand between it and the Python
// function that runs.
#pragma once

#include "boundary.hpp"

namespace sauerkraut::capture {

// Whether calling `callable` runs `inner` and returns its value as it is.
bool passes_through(PyObject* callable, const cpython::Frame& inner);

// Whether the call at which `outer` waits runs `inner`, by a rule or by declaration. Sets what
// becomes of its value.
bool calls_through(const cpython::Frame& outer, const code::CallSite& site,
                   const cpython::Frame& inner, Pending& pending);

// What is called, for a person; null where it cannot be told.
PyObject* callable_of(const cpython::Frame& outer, const code::CallSite& site);

}  // namespace sauerkraut::capture
