// What CPython 3.11 and 3.12 answer alike.
#pragma once

#include "internal_headers.hpp"
#include "object_slots.hpp"

namespace sauerkraut::cpython {

template <typename Layout>
struct Until312 : ObjectSlots<Layout> {
  using Frame = _PyInterpreterFrame;

  static constexpr bool null_below_callable = true;   // PUSH_NULL comes before the callable
  static constexpr bool close_returns_value = false;  // generator.close() gives None
  static constexpr bool pushes_frames = false;    // _PyEvalFramePushAndInit is hidden until 3.13
  static constexpr bool exit_keeps_self = false;  // a with statement keeps a bound __exit__
  static constexpr int item_operator = -1;        // BINARY_SUBSCR fetches items
  static constexpr bool loops_by_index = false;   // a loop keeps an iterator, in one slot
  static constexpr bool keeps_locals = true;      // locals() of a function is one dict
  static bool can_be_indexed(PyObject*) noexcept { return false; }
  // CPython's own stack effect of RETURN_GENERATOR forgets the generator it pushes.
  static bool is_return_generator(int opcode) noexcept { return opcode == RETURN_GENERATOR; }

  static Frame* current(PyThreadState* state) noexcept { return state->cframe->current_frame; }
  static void set_current(PyThreadState* state, Frame* frame) noexcept
  {
    state->cframe->current_frame = frame;
  }

  static PyCodeObject* code(const Frame& frame) noexcept { return frame.f_code; }

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

  // A suspended generator stands at its yield, one not started at the RETURN_GENERATOR.
  static int suspended_unit(const Frame& frame) noexcept { return unit(frame); }
  static bool is_suspended(int state) noexcept { return state == FRAME_SUSPENDED; }
  static std::int8_t suspended_state(bool /*delegates*/) noexcept { return FRAME_SUSPENDED; }
};

}  // namespace sauerkraut::cpython
