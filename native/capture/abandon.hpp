// Ends a stack that goes on elsewhere: its frames are left, and none of their handlers run.
#pragma once

#include "generators.hpp"
#include "stack.hpp"

namespace sauerkraut::capture {

// Calls `end`, which makes an exception leave every frame of `stack`, and lets go of what the
// stack and the generators it alone held refer to. No `except`, `finally` or `with` block of the
// frames and of those generators runs; objects are finalized as ever. False: `end` raised, and
// the Python error is set.
bool abandon(Stack stack, Generators& generators, PyObject* end);

}  // namespace sauerkraut::capture
