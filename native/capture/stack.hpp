// A captured call stack as plain values: what capture makes, wire carries and resume takes.
#pragma once

#include "../cpython/refs.hpp"

#include <cstdint>
#include <string>
#include <vector>

namespace sauerkraut::capture {

using cpython::Owned;

// One slot of a frame: a fast local or a value-stack entry.
struct Slot {
  enum class Kind : std::uint8_t {
    null,    // unbound local, or the NULL that a call expects
    object,  // any object
    number,  // 3.14 and later: an integer that is no object (a handler's lasti, a loop index)
  };

  Kind kind = Kind::null;
  Owned object;
  std::int64_t number = 0;

  static Slot of(PyObject* object)
  {
    return {object != nullptr ? Kind::object : Kind::null, Owned::share(object), 0};
  }
};

// What becomes of the value that a frame's pending operation yields. Stored: never renumber.
enum class Continuation : std::uint8_t {
  push = 0,         // it is the operation's result
  push_object = 1,  // it is dropped, `pending_object` is the result (__init__: the new object)
};

struct FrameState {
  Owned code;
  Owned globals;
  Owned locals;  // namespace of a module or class body; null for functions
  int unit = 0;  // of the pending operation
  int line = 0;
  Continuation continuation = Continuation::push;
  Owned pending_object;
  int local_count = 0;      // leading slots that are fast locals
  std::vector<Slot> slots;  // fast locals, then the value stack below the pending operation
};

struct Stack {
  std::vector<FrameState> frames;  // outermost first
  Owned handled;                   // exception being handled (sys.exception()), or null
};

}  // namespace sauerkraut::capture
