// Trace and profile functions of this thread: a rebuilt frame is not called, but it returns, and
// tools like coverage count both.
#pragma once

#include "../cpython/adapter.hpp"
#include "../cpython/refs.hpp"

namespace sauerkraut::resume {

// Tells them that the current frame, a rebuilt one, is entered. False with their exception set;
// an exception that was set is then dropped.
inline bool announce(PyThreadState* state)
{
  if ((state->c_tracefunc == nullptr && state->c_profilefunc == nullptr) || state->tracing != 0) {
    return true;
  }
  PyObject *type, *value, *traceback;
  PyErr_Fetch(&type, &value, &traceback);
  using cpython::Owned;
  const Owned frame = Owned::take(reinterpret_cast<PyObject*>(PyThreadState_GetFrame(state)));
  auto tell = [&](Py_tracefunc function, PyObject* object) {
    const Owned kept = Owned::share(object);  // the function may replace itself
    return !frame || function == nullptr ||
           function(object, reinterpret_cast<PyFrameObject*>(frame.get()), PyTrace_CALL, Py_None) ==
               0;
  };
  PyThreadState_EnterTracing(state);
  const bool told = tell(state->c_tracefunc, state->c_traceobj) &&
                    tell(state->c_profilefunc, state->c_profileobj);
  PyThreadState_LeaveTracing(state);
  if (told) {
    PyErr_Restore(type, value, traceback);
  } else {
    Py_XDECREF(type);
    Py_XDECREF(value);
    Py_XDECREF(traceback);
  }
  return told;
}

}  // namespace sauerkraut::resume
