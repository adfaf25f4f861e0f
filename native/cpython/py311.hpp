// CPython 3.11's answers to the questions of adapter.hpp.
// Source of facts: Include/internal/pycore_frame.h and Python/ceval.c, tag v3.11.7.
#pragma once

#include "internal_headers.hpp"

#include <opcode.h>

namespace sauerkraut::cpython {

struct Layout {
  using Frame = _PyInterpreterFrame;

  // Order and checks of the bytecode.
  static constexpr bool null_below_callable = true;       // PUSH_NULL comes before the callable
  static constexpr bool load_fast_checks = true;          // LOAD_FAST raises on an unbound local
  static constexpr bool pushes_frames = false;            // no exported function makes a frame
  static constexpr bool attribute_makes_methods = false;  // LOAD_ATTR with arg & 1
  static constexpr int intrinsic_list_to_tuple = -1;
  // CPython's own stack effect of RETURN_GENERATOR forgets the generator it pushes.
  static bool is_return_generator(int opcode) noexcept { return opcode == RETURN_GENERATOR; }

  static Frame* frame_of(PyFrameObject* object) noexcept { return object->f_frame; }
  static Frame* current(PyThreadState* state) noexcept { return state->cframe->current_frame; }
  static void set_current(PyThreadState* state, Frame* frame) noexcept
  {
    state->cframe->current_frame = frame;
  }

  static Frame* caller(const Frame& frame) noexcept { return frame.previous; }
  static bool entered_from_c(const Frame& frame) noexcept { return frame.is_entry; }
  static bool is_init_shim(const Frame&) noexcept { return false; }

  static PyCodeObject* code(const Frame& frame) noexcept { return frame.f_code; }
  static PyObject* function(const Frame& frame) noexcept
  {
    return reinterpret_cast<PyObject*>(frame.f_func);
  }
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
  // Before its first instruction a frame has no handler: an exception only unwinds it.
  static void abandon(Frame& frame) noexcept { go_on_at(frame, 0); }

  // -1 inside a C call: the depth is then only in the evaluation loop.
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
    return state->recursion_remaining;
  }

  static Py_ssize_t request_code_extra(freefunc free)
  {
    return _PyEval_RequestCodeExtraIndex(free);
  }
  static int get_code_extra(PyObject* code, Py_ssize_t index, void** extra)
  {
    return _PyCode_GetExtra(code, index, extra);
  }
  static int set_code_extra(PyObject* code, Py_ssize_t index, void* extra)
  {
    return _PyCode_SetExtra(code, index, extra);
  }
};

// Tripwire: a layout change inside the 3.11 series stops the build, not a restart.
static_assert(offsetof(_PyInterpreterFrame, localsplus) == 72);

}  // namespace sauerkraut::cpython
