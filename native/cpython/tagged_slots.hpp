// CPython 3.14 and later: a slot of a frame is a tagged reference: to an object that it owns or
// borrows (LOAD_FAST_BORROW), or a plain number. The depth of the value stack is a pointer that is
// valid in every frame but the running one, inside a C call with the operands of the call.
#pragma once

#include "internal_headers.hpp"

#include <cstdint>

namespace sauerkraut::cpython {

struct TaggedSlots {
  using SlotType = _PyStackRef;

  static constexpr bool tags_numbers = true;
  static constexpr bool keeps_unpacked = true;  // f(*xs) puts the tuple of xs into its slot

  static PyCodeObject* code(const _PyInterpreterFrame& frame) noexcept
  {
    return reinterpret_cast<PyCodeObject*>(PyStackRef_AsPyObjectBorrow(frame.f_executable));
  }
  static PyObject* function(const _PyInterpreterFrame& frame) noexcept
  {
    return object_of(frame.f_funcobj);
  }

  static PyObject* object_at(const _PyInterpreterFrame& frame, int slot) noexcept
  {
    return object_of(frame.localsplus[slot]);
  }
  static bool is_number_at(const _PyInterpreterFrame& frame, int slot) noexcept
  {
    return PyStackRef_IsTaggedInt(frame.localsplus[slot]);
  }
  static std::int64_t number_at(const _PyInterpreterFrame& frame, int slot) noexcept
  {
    return PyStackRef_UntagInt(frame.localsplus[slot]);
  }

  static void put(_PyInterpreterFrame& frame, int slot, PyObject* object) noexcept
  {
    frame.localsplus[slot] = object != nullptr ? slot_from(object) : PyStackRef_NULL;
  }
  static void put_number(_PyInterpreterFrame& frame, int slot, std::int64_t number) noexcept
  {
    frame.localsplus[slot] = PyStackRef_TagInt(static_cast<intptr_t>(number));
  }
  static void clear(_PyInterpreterFrame& frame, int slot)
  {
    const _PyStackRef old = frame.localsplus[slot];
    frame.localsplus[slot] = PyStackRef_NULL;
    PyStackRef_XCLOSE(old);
  }
  static SlotType slot_from(PyObject* object) noexcept
  {
    return PyStackRef_FromPyObjectSteal(object);
  }

  static int saved_depth(const _PyInterpreterFrame& frame) noexcept
  {
    return static_cast<int>(frame.stackpointer - frame.localsplus) - code(frame)->co_nlocalsplus;
  }
  static void set_depth(_PyInterpreterFrame& frame, int depth) noexcept
  {
    frame.stackpointer = frame.localsplus + code(frame)->co_nlocalsplus + depth;
  }

  static _PyInterpreterFrame* push_and_init(PyThreadState* state, PyObject* function,
                                            PyObject* locals, _PyStackRef const* arguments,
                                            std::size_t count)
  {
    return _PyEvalFramePushAndInit(state, slot_from(function), locals, arguments, count, nullptr,
                                   state->current_frame);
  }

 private:
  static PyObject* object_of(_PyStackRef reference) noexcept
  {
    return PyStackRef_IsNullOrInt(reference) ? nullptr : PyStackRef_AsPyObjectBorrow(reference);
  }
};

}  // namespace sauerkraut::cpython
