// Drives frames through the frame evaluation hook (PEP 523), for CPython 3.11 and
// 3.12: there only the interpreter can allocate and release a frame, so each is
// made by a call to a surrogate function and taken over when the hook sees it.
// The C stack nests once per frame.
#pragma once

#include "../capture/waiting.hpp"
#include "../errors.hpp"
#include "c_stack.hpp"
#include "rebuild.hpp"
#include "settle.hpp"
#include "trace.hpp"

#include <string>
#include <utility>
#include <vector>

namespace sauerkraut::resume {

// One level of our recursion takes about 200 bytes of the C stack, at most these; what the
// innermost frame itself needs comes on top.
inline constexpr std::size_t nested_frame_bytes = 512;
inline constexpr std::size_t running_bytes = 16 * 1024;
inline constexpr std::size_t most_nested_frames = 5000;

template <typename Layout>
class NestedDrive {
 public:
  NestedDrive(PyThreadState* state, capture::Stack& stack, const std::vector<Owned>& functions,
              PyObject* value, PyObject* thrown)
      : state_(state),
        stack_(stack),
        functions_(functions),
        value_(value),
        thrown_(thrown),
        outer_(active_)
  {
  }

  PyObject* run()
  {
    install();
    PyObject* result = enter();
    uninstall();
    return result;
  }

 private:
  static PyObject* hook(PyThreadState* state, Frame* frame, int throws)
  {
    NestedDrive* drive = active_;
    if (drive == nullptr || drive->state_ != state || !drive->expects(*frame)) {
      return below_(state, frame, throws);
    }
    return drive->take_over(frame);
  }

  bool expects(const Frame& frame) const
  {
    if (entered_ >= functions_.size()) {
      return false;
    }
    return entering_ != nullptr ? &frame == &cpython::frame_of(entering_)
                                : Layout::function(frame) == functions_[entered_].get();
  }

  // The hook belongs to the interpreter, a drive to a thread: it stays until no thread needs it.
  void install()
  {
    active_ = this;
    if (users_++ == 0) {
      const _PyFrameEvalFunction now = _PyInterpreterState_GetEvalFrameFunc(state_->interp);
      if (now != hook) {  // else a stranger put his own over ours, and now took it back
        below_ = now;
        _PyInterpreterState_SetEvalFrameFunc(state_->interp, hook);
      }
    }
  }

  void uninstall()
  {
    if (active_ != this) {
      return;
    }
    active_ = outer_;
    if (--users_ == 0 && _PyInterpreterState_GetEvalFrameFunc(state_->interp) == hook) {
      _PyInterpreterState_SetEvalFrameFunc(state_->interp, below_);
    }
  }

  // Makes the next frame, or steps into the next generator; the hook takes it over.
  PyObject* enter()
  {
    const Owned generator = std::exchange(stack_.frames[entered_].generator, Owned());
    entering_ = generator.get();
    if (!generator) {
      return call_with_none(functions_[entered_].get());
    }
    cpython::set_suspended(generator.get(), false);
    PyObject* result = nullptr;
    PyIter_Send(generator.get(), Py_None, &result);
    return outcome(generator.get(), result);
  }

  PyObject* take_over(Frame* frame)
  {
    FrameState& saved = stack_.frames[entered_];
    ++entered_;
    if (cpython::is_generator(*frame)) {
      Layout::clear(*frame, saved.local_count);  // the None that was sent
    }
    fill(*frame, saved);
    frame->previous = Layout::current(state_);
    Layout::set_current(state_, frame);
    waiting_.push(frame, &saved);
    --Layout::recursion_remaining(state_);

    PyObject* result = nullptr;
    if (entered_ < stack_.frames.size()) {
      const std::size_t inner = entered_;
      result = enter();
      if (entered_ == inner) {  // the call failed before the hook saw a frame
        failed_ = true;
      }
    } else {
      uninstall();
      complete_ = true;
      result = first_result(value_, thrown_);
    }

    waiting_.pop(frame);
    const bool broken = failed_ && !complete_;
    const bool settled = !broken && !settle(*frame, saved, result);
    const bool throws = broken || !announce(state_) || !settled;
    saved.pending_object = Owned();
    ++Layout::recursion_remaining(state_);
    Layout::set_current(state_, frame->previous);
    if (broken) {  // no user code may see our own failure
      uninstall();
      Layout::set_depth(*frame, 0);
      drop_stack(*frame, saved);
      Layout::abandon(*frame);
      return _PyEval_EvalFrameDefault(state_, frame, 1);
    }
    return _PyEval_EvalFrameDefault(state_, frame, throws ? 1 : 0);
  }

  static void drop_stack(Frame& frame, const FrameState& saved)
  {
    for (std::size_t slot = static_cast<std::size_t>(saved.local_count); slot < saved.slots.size();
         ++slot) {
      Layout::clear(frame, static_cast<int>(slot));
    }
  }

  static inline thread_local NestedDrive* active_ = nullptr;
  static inline int users_ = 0;  // drives of all threads; the GIL guards it
  static inline _PyFrameEvalFunction below_ = _PyEval_EvalFrameDefault;

  PyThreadState* state_;
  capture::Stack& stack_;
  const std::vector<Owned>& functions_;
  PyObject* value_;
  PyObject* thrown_;
  NestedDrive* outer_;
  capture::Waiting waiting_;
  std::size_t entered_ = 0;
  PyObject* entering_ = nullptr;  // the generator that is stepped into, null for a function
  bool failed_ = false;
  bool complete_ = false;
};

template <typename Layout>
PyObject* drive_nested(PyThreadState* state, capture::Stack& stack,
                       const std::vector<Owned>& functions, PyObject* value, PyObject* thrown)
{
  if (stack.frames.size() > most_nested_frames) {
    throw ResumeError("the stack is " + std::to_string(stack.frames.size()) +
                      " frames deep; this CPython can rebuild " +
                      std::to_string(most_nested_frames) + " (3.13 and later: any number)");
  }
  if (c_stack_left() < running_bytes + stack.frames.size() * nested_frame_bytes) {
    throw ResumeError("the stack is " + std::to_string(stack.frames.size()) +
                      " frames deep: too deep for the C stack of this thread; raise "
                      "threading.stack_size() or `ulimit -s`");
  }
  return NestedDrive<Layout>(state, stack, functions, value, thrown).run();
}

}  // namespace sauerkraut::resume
