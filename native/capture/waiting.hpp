// Rebuilt frames that wait for an inner one to return. Between them stands our
// own C code, and the operands of their calls are not there: a checkpoint
// inside a resumed stack takes their continuation from here.
#pragma once

#include "stack.hpp"

namespace sauerkraut::capture {

// The state a rebuilt frame waits in; null when `frame` does not wait. `frame` is
// the address of an interpreter frame of the calling thread.
const FrameState* waiting_state(const void* frame);

class Waiting {
 public:
  void push(const void* frame, const FrameState* state);
  // Greenlets may end in another order than they began: not always the last one pushed.
  void pop(const void* frame);
};

}  // namespace sauerkraut::capture
