// CPython 3.11's answers to the questions of adapter.hpp.
// Source of facts: Include/internal/pycore_frame.h and Python/ceval.c, tag v3.11.7.
#pragma once

#include "until312.hpp"

namespace sauerkraut::cpython {

struct Layout : Until312<Layout> {
  static constexpr bool load_fast_checks = true;          // LOAD_FAST raises on an unbound local
  static constexpr bool attribute_makes_methods = false;  // LOAD_METHOD does
  static constexpr int intrinsic_list_to_tuple = -1;
  static constexpr int intrinsic_positive = -1;        // UNARY_POSITIVE is an opcode
  static constexpr bool exit_replaces_manager = true;  // BEFORE_WITH keeps __exit__ in its slot
  static constexpr int compare_shift = 0;              // the argument of COMPARE_OP is the operator
  static constexpr int compare_to_bool = 0;

  static Frame* caller(const Frame& frame) noexcept { return frame.previous; }
  static bool entered_from_c(const Frame& frame) noexcept { return frame.is_entry; }
  static bool is_init_shim(const Frame&) noexcept { return false; }

  static PyObject* function(const Frame& frame) noexcept
  {
    return reinterpret_cast<PyObject*>(frame.f_func);
  }

  static int& recursion_remaining(PyThreadState* state) noexcept
  {
    return state->recursion_remaining;
  }

  static constexpr auto* request_code_extra = &_PyEval_RequestCodeExtraIndex;
  static constexpr auto* get_code_extra = &_PyCode_GetExtra;
  static constexpr auto* set_code_extra = &_PyCode_SetExtra;
};

// Tripwire: a layout change inside the 3.11 series stops the build, not a restart.
static_assert(offsetof(_PyInterpreterFrame, localsplus) == 72);
static_assert(offsetof(_PyInterpreterFrame, prev_instr) == 56);

}  // namespace sauerkraut::cpython
