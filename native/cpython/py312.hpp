// CPython 3.12's answers to the questions of adapter.hpp.
// Source of facts: Include/internal/pycore_frame.h and Python/ceval.c, tag v3.12.1.
#pragma once

#include "internal_headers.hpp"

#include <opcode.h>

namespace sauerkraut::cpython {

struct Layout {
  using Frame = _PyInterpreterFrame;

  static constexpr bool null_below_callable = true;
  static constexpr bool load_fast_checks = false;  // LOAD_FAST_CHECK does, LOAD_FAST trusts
  static constexpr bool pushes_frames = false;     // _PyEvalFramePushAndInit is hidden until 3.13
  static constexpr bool attribute_makes_methods = true;  // LOAD_ATTR with arg & 1
  static constexpr int intrinsic_list_to_tuple = 6;
  // CPython's own stack effect of RETURN_GENERATOR forgets the generator it pushes.
  static bool is_return_generator(int opcode) noexcept { return opcode == RETURN_GENERATOR; }

  static Frame* frame_of(PyFrameObject* object) noexcept { return object->f_frame; }
  static Frame* current(PyThreadState* state) noexcept { return state->cframe->current_frame; }
  static void set_current(PyThreadState* state, Frame* frame) noexcept
  {
    state->cframe->current_frame = frame;
  }

  // Each entry into the evaluation loop from C puts a shim frame on the chain (gh-96319).
  static bool is_c_shim(const Frame* frame) noexcept
  {
    return frame != nullptr && frame->owner == FRAME_OWNED_BY_CSTACK;
  }
  static Frame* caller(const Frame& frame) noexcept
  {
    Frame* previous = frame.previous;
    while (is_c_shim(previous)) {
      previous = previous->previous;
    }
    return previous;
  }
  static bool entered_from_c(const Frame& frame) noexcept { return is_c_shim(frame.previous); }

  // Between a class call and its inlined __init__ stands a trampoline that drops
  // the result and returns self; its code object is static and incomplete.
  static bool is_init_shim(const Frame& frame) noexcept
  {
    return frame.f_funcobj == nullptr || !PyFunction_Check(frame.f_funcobj);
  }

  static PyCodeObject* code(const Frame& frame) noexcept { return frame.f_code; }
  static PyObject* function(const Frame& frame) noexcept { return frame.f_funcobj; }
  static bool is_generator(const Frame& frame) noexcept
  {
    return frame.owner == FRAME_OWNED_BY_GENERATOR;
  }

  // prev_instr is the unit before the next: the call itself inside a C call,
  // its last cache unit inside an inlined Python call.
  static int unit(const Frame& frame) noexcept
  {
    return static_cast<int>(frame.prev_instr - _PyCode_CODE(frame.f_code));
  }
  static void wait_at(Frame& frame, int /*start*/, int next) noexcept { go_on_at(frame, next); }
  static void go_on_at(Frame& frame, int next) noexcept
  {
    frame.prev_instr = _PyCode_CODE(frame.f_code) + next - 1;
  }
  static void abandon(Frame& frame) noexcept { go_on_at(frame, 0); }

  static int saved_depth(const Frame& frame) noexcept
  {
    return frame.stacktop < 0 ? -1 : frame.stacktop - frame.f_code->co_nlocalsplus;
  }
  static void set_depth(Frame& frame, int depth) noexcept
  {
    frame.stacktop = frame.f_code->co_nlocalsplus + depth;
  }

  static int& recursion_remaining(PyThreadState* state) noexcept
  {
    return state->py_recursion_remaining;
  }

  static Py_ssize_t request_code_extra(freefunc free)
  {
    return PyUnstable_Eval_RequestCodeExtraIndex(free);
  }
  static int get_code_extra(PyObject* code, Py_ssize_t index, void** extra)
  {
    return PyUnstable_Code_GetExtra(code, index, extra);
  }
  static int set_code_extra(PyObject* code, Py_ssize_t index, void* extra)
  {
    return PyUnstable_Code_SetExtra(code, index, extra);
  }
};

// Tripwire: a layout change inside the 3.12 series stops the build, not a restart.
static_assert(offsetof(_PyInterpreterFrame, localsplus) == 72);

}  // namespace sauerkraut::cpython
