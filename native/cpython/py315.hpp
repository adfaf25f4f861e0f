// CPython 3.15's answers to the questions of adapter.hpp.
// Source of facts: Include/internal/pycore_interpframe.h, pycore_interpframe_structs.h and
// pycore_stackref.h of 3.15.2.
#pragma once

#include "since313.hpp"
#include "tagged_slots.hpp"

namespace sauerkraut::cpython {

struct Layout : Since313<Layout>, TaggedSlots {
  static constexpr bool exit_keeps_self = true;  // __exit__, then self or NULL
  static constexpr int item_operator = NB_SUBSCR;
  // A loop over a list or tuple keeps it and the place of the next item; any other an iterator
  // and NULL.
  static constexpr bool loops_by_index = true;
  static bool can_be_indexed(PyObject* object) noexcept
  {
    return Py_TYPE(object)->_tp_iteritem != nullptr;
  }
};

// Tripwire: a layout change inside the 3.15 series stops the build, not a restart.
static_assert(sizeof(_PyStackRef) == sizeof(PyObject*));
static_assert(offsetof(_PyInterpreterFrame, instr_ptr) == 56);
static_assert(offsetof(_PyInterpreterFrame, stackpointer) == 64);
static_assert(offsetof(_PyInterpreterFrame, owner) == 74);
static_assert(offsetof(_PyInterpreterFrame, localsplus) == 80);
static_assert(FRAME_OWNED_BY_INTERPRETER == 3);

}  // namespace sauerkraut::cpython
