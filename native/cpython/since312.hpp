// What CPython 3.12 and later answer alike.
#pragma once

#include "internal_headers.hpp"

namespace sauerkraut::cpython {

template <typename Layout>
struct Since312 {
  static constexpr bool load_fast_checks = false;        // LOAD_FAST_CHECK does, LOAD_FAST trusts
  static constexpr bool attribute_makes_methods = true;  // LOAD_ATTR with arg & 1
  static constexpr int intrinsic_list_to_tuple = 6;
  static constexpr int intrinsic_positive = 5;
  static constexpr bool exit_replaces_manager = false;  // BEFORE_WITH keeps __exit__ in C

  // Each entry into the evaluation loop from C puts a shim frame on the chain (gh-96319):
  // FRAME_OWNED_BY_CSTACK, from 3.14 on FRAME_OWNED_BY_INTERPRETER.
  static bool is_c_shim(const _PyInterpreterFrame* frame) noexcept
  {
    return frame != nullptr && frame->owner >= 3;
  }
  static _PyInterpreterFrame* caller(const _PyInterpreterFrame& frame) noexcept
  {
    _PyInterpreterFrame* previous = frame.previous;
    while (is_c_shim(previous)) {
      previous = previous->previous;
    }
    return previous;
  }
  static bool entered_from_c(const _PyInterpreterFrame& frame) noexcept
  {
    return is_c_shim(frame.previous);
  }

  // Between a class call and its inlined __init__ stands a trampoline that drops
  // the result and returns self; its code object is static and incomplete.
  static bool is_init_shim(const _PyInterpreterFrame& frame) noexcept
  {
    PyObject* function = Layout::function(frame);
    return function == nullptr || !PyFunction_Check(function);
  }

  static int& recursion_remaining(PyThreadState* state) noexcept
  {
    return state->py_recursion_remaining;
  }

  static constexpr auto* request_code_extra = &PyUnstable_Eval_RequestCodeExtraIndex;
  static constexpr auto* get_code_extra = &PyUnstable_Code_GetExtra;
  static constexpr auto* set_code_extra = &PyUnstable_Code_SetExtra;
};

}  // namespace sauerkraut::cpython
