// Drives frames one after the other on one C stack frame (CPython 3.13 and later):
// all frames are pushed, then run from the innermost outwards.
#pragma once

#include "../capture/waiting.hpp"
#include "rebuild.hpp"
#include "settle.hpp"
#include "shells.hpp"
#include "trace.hpp"

#include <utility>
#include <vector>

namespace sauerkraut::resume {

template <typename Layout>
PyObject* drive_flat(PyThreadState* state, capture::Stack& stack,
                     const std::vector<Owned>& functions, PyObject* value, PyObject* thrown)
{
  capture::Waiting waiting;
  std::vector<Frame*> frames;
  frames.reserve(stack.frames.size());
  int& recursion = Layout::recursion_remaining(state);

  // A waiting frame counts as one level of recursion, as it did when it ran.
  auto leave = [&]() {
    Frame* frame = frames.back();
    frames.pop_back();
    ++recursion;
    Layout::set_current(state, frame->previous);
    return frame;
  };

  for (std::size_t i = 0; i < stack.frames.size(); ++i) {
    FrameState& saved = stack.frames[i];
    Frame* frame = saved.generator ? &cpython::frame_of(saved.generator.get())
                                   : Layout::push(state, functions[i].get(), saved.locals.get());
    if (frame == nullptr) {
      while (!frames.empty()) {
        waiting.pop(frames.back());
        frame = leave();
        if (PyObject* generator = stack.frames[frames.size()].generator.get()) {
          step_out(state, generator);
          end(generator);
        } else {
          Layout::pop(state, frame);
        }
      }
      return nullptr;
    }
    fill(*frame, saved);
    if (saved.generator) {
      step_into(state, saved.generator.get());
    }
    frame->previous = Layout::current(state);
    Layout::set_current(state, frame);
    waiting.push(frame, &saved);
    frames.push_back(frame);
    --recursion;
  }

  PyObject* result = first_result(value, thrown);
  for (std::size_t i = stack.frames.size(); i-- > 0;) {
    waiting.pop(frames.back());
    const bool settled = !settle(*frames.back(), stack.frames[i], result);
    const bool throws = !announce(state) || !settled;
    Frame* frame = leave();
    result = _PyEval_EvalFrameDefault(state, frame, throws ? 1 : 0);
    if (const Owned generator = std::exchange(stack.frames[i].generator, Owned())) {
      result = outcome(generator.get(), result);
    }
    stack.frames[i].pending_object = Owned();
  }
  return result;
}

}  // namespace sauerkraut::resume
