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

// What the C code between a frame and its callee does with the callee's value, or with its
// exception. Where the value then goes is told by the opcode. Stored: never renumber.
enum class Continuation : std::uint8_t {
  push = 0,             // nothing: it is the operation's value
  push_object = 1,      // __init__: must be None; the value is `pending_object`, the new object
  none = 2,             // drops it; the value is None (exec, setattr)
  truth = 3,            // __bool__: must be a bool
  truth_of_length = 4,  // __len__ asked for a truth value
  truth_of_any = 5,     // __contains__
  length = 6,           // __len__
  text = 7,             // must be a str; `pending_object`: (method, format spec or None)
  iterator = 8,         // __iter__: must be an iterator
  attribute = 9,        // on AttributeError more is tried; (owner, name[, default])
  binary = 10,          // on NotImplemented more is tried; (left, right, method)
  compare = 11,         // the same; (left, right, method, 0 or 1: whose)
  next_or = 12,         // on StopIteration the value is `pending_object`
  enter = 13,           // `pending_object`, the __exit__, is pushed below the value
  hash = 14,            // __hash__: an int becomes a hash
  closed = 15,          // close(): the generator must end; `pending_object`: what kind it is
  awaited = 16,         // `pending_object`: the asend() or athrow() that a `yield` ends
  last = awaited,
};

struct FrameState {
  Owned code;
  Owned globals;
  Owned locals;  // namespace of a module or class body; for functions, on CPython 3.11 and 3.12
                 // alone, what locals() returns there, if the function has called it
  int unit = 0;  // of the pending operation
  int line = 0;
  Continuation continuation = Continuation::push;
  Owned pending_object;
  Owned generator;          // the running generator whose frame it is
  int local_count = 0;      // leading slots that are fast locals
  std::vector<Slot> slots;  // fast locals, then the value stack below the pending operation
};

// Replaces what a frame holds in a slot. What locals() returns goes with the only name for it.
inline void put_in_slot(FrameState& frame, std::size_t slot, PyObject* value)
{
  Slot& place = frame.slots.at(slot);
  PyObject* held = place.object.get();
  if (held != nullptr && PyCell_Check(held)) {
    held = PyCell_GET(held);
  }
  const auto* code = reinterpret_cast<PyCodeObject*>(frame.code.get());
  if (held != nullptr && held == frame.locals.get() && (code->co_flags & CO_OPTIMIZED) != 0) {
    frame.locals = {};
  }
  place = Slot::of(value);
}

// How far a generator that has not ended has come. Stored: never renumber.
enum class GeneratorStage : std::uint8_t {
  created = 0,    // not started
  suspended = 1,  // at a yield
  active = 2,     // its frame is one of the stack's
};

// A generator, coroutine or async generator.
struct GeneratorState {
  Owned object;
  GeneratorStage stage = GeneratorStage::created;
  FrameState frame;  // of an active one the code and globals only
  Owned handled;     // exception being handled in it
  Owned name;
  Owned qualname;
  std::uint8_t flags = 0;  // of async generators, see below
};

// Stored: never renumber.
enum AsyncFlags : std::uint8_t {
  hooks_asked = 1,    // sys.get_asyncgen_hooks() had its turn
  closed = 2,         // aclose() has begun
  running_async = 4,  // an awaitable of it is being awaited
};
inline constexpr std::uint8_t all_async_flags = hooks_asked | closed | running_async;

struct Stack {
  std::vector<FrameState> frames;  // outermost first
  Owned handled;                   // exception being handled (sys.exception()), or null
};

}  // namespace sauerkraut::capture
