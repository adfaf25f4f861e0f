// How a frame came to wait for the one inside it, and so what it does with the result.
#pragma once

#include "../code/code_map.hpp"
#include "../cpython/adapter.hpp"
#include "stack.hpp"

namespace sauerkraut::capture {

struct Pending {
  code::CallSite site;
  Continuation continuation = Continuation::push;
  Owned object;
};

// The pending operation of `outer`, whose callee is `inner`. Python-to-Python
// calls are always known; of the C callables that can stand between, those
// that only pass the value through. Throws CaptureError naming both frames
// and the callable for all others.
Pending pending_operation(cpython::Frame& outer, cpython::Frame& inner);

// The same in a greenlet that has been switched away from, whose C stack is not there: `inner`
// is null for its innermost frame, which must be in a switch or throw of `greenlet`.
Pending suspended_operation(cpython::Frame& outer, cpython::Frame* inner, PyTypeObject* greenlet);

// "name() at file:line" of a frame, for messages.
std::string describe(cpython::Frame& frame);

// The line a frame stands at; 0 when it has none.
int line_of(cpython::Frame& frame);

}  // namespace sauerkraut::capture
