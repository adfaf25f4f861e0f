// CPython 3.11 to 3.13: the slots of a frame are plain pointers, and the depth of its value stack
// is kept as a number while it waits for an inlined call.
#pragma once

#include "internal_headers.hpp"

#include <cstdint>

namespace sauerkraut::cpython {

template <typename Layout>
struct ObjectSlots {
  using SlotType = PyObject*;

  static constexpr bool tags_numbers = false;    // whether a slot may hold a number
  static constexpr bool keeps_unpacked = false;  // f(*xs) keeps the tuple of xs in C

  static PyObject* object_at(const _PyInterpreterFrame& frame, int slot) noexcept
  {
    return frame.localsplus[slot];
  }
  static bool is_number_at(const _PyInterpreterFrame&, int) noexcept { return false; }
  static std::int64_t number_at(const _PyInterpreterFrame&, int) noexcept { return 0; }

  static void put(_PyInterpreterFrame& frame, int slot, PyObject* object) noexcept
  {
    frame.localsplus[slot] = object;
  }
  static void put_number(_PyInterpreterFrame&, int, std::int64_t) noexcept {}  // never asked to
  static void clear(_PyInterpreterFrame& frame, int slot) { Py_CLEAR(frame.localsplus[slot]); }
  static SlotType slot_from(PyObject* object) noexcept { return object; }

  // -1 inside a C call: the depth is then only in the evaluation loop.
  static int saved_depth(const _PyInterpreterFrame& frame) noexcept
  {
    return frame.stacktop < 0 ? -1 : frame.stacktop - Layout::code(frame)->co_nlocalsplus;
  }
  static void set_depth(_PyInterpreterFrame& frame, int depth) noexcept
  {
    frame.stacktop = Layout::code(frame)->co_nlocalsplus + depth;
  }
};

}  // namespace sauerkraut::cpython
