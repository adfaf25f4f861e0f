#include "../cpython/generators.hpp"
// generators.hpp of cpython comes first: it opens CPython's internals.
#include "../capture/waiting.hpp"
#include "drive.hpp"
#include "drive_flat.hpp"
#include "drive_nested.hpp"

namespace sauerkraut::resume {

namespace {

// The handled exception of the captured stack (sys.exception(), bare raise),
// in force while the rebuilt frames run. They see none of the frames that resume them:
// an exception handled there is not theirs, so the chain ends here.
class HandledException {
 public:
  HandledException(PyThreadState* state, PyObject* exception)
      : state_(state), outer_(state->exc_info)
  {
    item_.exc_value = Py_XNewRef(exception);
    state->exc_info = &item_;
  }
  ~HandledException()
  {
    state_->exc_info = outer_;
    Py_XDECREF(item_.exc_value);
  }
  HandledException(const HandledException&) = delete;
  HandledException& operator=(const HandledException&) = delete;

 private:
  PyThreadState* state_;
  _PyErr_StackItem* outer_;
  _PyErr_StackItem item_{};
};

// Whether a surrogate does for `frame` as well: a recursion runs one function.
bool runs(const Owned& function, const FrameState& frame)
{
  return function && PyFunction_GET_CODE(function.get()) == frame.code.get() &&
         PyFunction_GET_GLOBALS(function.get()) == frame.globals.get() &&
         PyFunction_GET_CLOSURE(function.get()) == nullptr;
}

}  // namespace

PyObject* drive(capture::Stack& stack, PyObject* value, PyObject* thrown)
{
  std::vector<Owned> functions;
  functions.reserve(stack.frames.size());
  for (const FrameState& frame : stack.frames) {
    if (frame.generator) {
      functions.emplace_back();
    } else if (!functions.empty() && runs(functions.back(), frame)) {
      functions.push_back(functions.back());
    } else if (!functions.emplace_back(surrogate(frame))) {
      return nullptr;
    }
  }
  PyThreadState* state = PyThreadState_Get();
  const int frames = static_cast<int>(stack.frames.size());
  if (cpython::Layout::recursion_remaining(state) <= frames) {
    PyErr_Format(PyExc_RecursionError,
                 "resuming %d frames exceeds the recursion limit; raise sys.setrecursionlimit()",
                 frames);
    return nullptr;
  }
  const HandledException handled(state, stack.handled.get());
  if constexpr (cpython::Layout::pushes_frames) {
    return drive_flat<cpython::Layout>(state, stack, functions, value, thrown);
  } else {
    return drive_nested<cpython::Layout>(state, stack, functions, value, thrown);
  }
}

}  // namespace sauerkraut::resume
