#include "../cpython/generators.hpp"
// generators.hpp of cpython comes first: it opens CPython's internals.
#include "../cpython/awaitables.hpp"
#include "completion.hpp"
#include "dispatch.hpp"

#include <cstring>

namespace sauerkraut::resume {

using capture::Continuation;
using code::CallSite;
using cpython::Awaitable;
using cpython::AwaitableStage;
using cpython::Layout;
using cpython::Waits;

namespace {

PyObject* part(const Owned& tuple, int place)
{
  return PyTuple_GET_ITEM(tuple.get(), place);
}

// -1 with an exception set when `result` is no length.
Py_ssize_t as_length(PyObject* result)
{
  const Owned index = Owned::take(PyNumber_Index(result));
  if (!index) {
    return -1;
  }
  const Owned zero = Owned::take(PyLong_FromLong(0));
  const int negative = zero ? PyObject_RichCompareBool(index.get(), zero.get(), Py_LT) : -1;
  if (negative != 0) {
    if (negative > 0) {
      PyErr_SetString(PyExc_ValueError, "__len__() should return >= 0");
    }
    return -1;
  }
  return PyNumber_AsSsize_t(index.get(), PyExc_OverflowError);
}

PyObject* as_truth(int truth)
{
  return truth < 0 ? nullptr : PyBool_FromLong(truth);
}

PyObject* as_hash(PyObject* result)
{
  if (!PyLong_Check(result)) {
    PyErr_SetString(PyExc_TypeError, "__hash__ method should return an integer");
    return nullptr;
  }
  Py_ssize_t hash = PyLong_AsSsize_t(result);
  if (hash == -1 && PyErr_Occurred()) {
    PyErr_Clear();
    hash = PyLong_Type.tp_hash(result);
  }
  return PyLong_FromSsize_t(hash == -1 ? -2 : hash);
}

PyObject* as_text(PyObject* result, const Owned& pending)
{
  if (PyUnicode_Check(result)) {
    return Py_NewRef(result);
  }
  const char* method = PyUnicode_AsUTF8(part(pending, 0));
  const char* type = Py_TYPE(result)->tp_name;
  if (method != nullptr && std::strcmp(method, "__format__") == 0) {
    PyErr_Format(PyExc_TypeError, "__format__ must return a str, not %.200s", type);
  } else if (method != nullptr) {
    PyErr_Format(PyExc_TypeError, "%s returned non-string (type %.200s)", method, type);
  }
  return nullptr;
}

// What an AttributeError leads to: __getattr__ of the owner, then the default of getattr().
PyObject* missing_attribute(const Owned& pending)
{
  PyErr_Clear();
  PyObject* owner = part(pending, 0);
  PyObject* name = part(pending, 1);
  PyObject* fallback = PyTuple_GET_SIZE(pending.get()) > 2 ? part(pending, 2) : nullptr;
  PyObject* found = call_special(owner, "__getattr__", name);
  if (fallback == nullptr || (found != nullptr && found != Py_NotImplemented)) {
    return found;
  }
  if (found == nullptr && !PyErr_ExceptionMatches(PyExc_AttributeError)) {
    return nullptr;
  }
  PyErr_Clear();
  Py_XDECREF(found);
  return Py_NewRef(fallback);
}

// What an asend() or athrow() has run to its end, and is awaited no more.
void end_awaitable(PyObject* awaitable)
{
  cpython::set_awaitable_stage(awaitable, AwaitableStage::ended);
  cpython::as_async(cpython::stepped_into(awaitable)).ag_running_async = 0;
}

// What an asend() or athrow() makes of what its generator gave: a value that it yielded ends the
// awaitable, one that it awaits goes on outwards. Null with an exception set.
PyObject* value_awaited(PyObject* awaitable, PyObject* result)
{
  const Owned yielded = cpython::yielded_value(result);
  if (!yielded) {
    return Py_NewRef(result);
  }
  end_awaitable(awaitable);
  if (cpython::awaitable_kind(awaitable) == Awaitable::athrow && cpython::is_close(awaitable)) {
    PyErr_SetString(PyExc_RuntimeError, "async generator ignored GeneratorExit");
  } else {
    const Owned stop = Owned::take(PyObject_CallOneArg(PyExc_StopIteration, yielded.get()));
    if (stop) {
      PyErr_SetObject(PyExc_StopIteration, stop.get());
    }
  }
  return nullptr;
}

// What an asend() or athrow() makes of the exception its generator ended with, which stays set.
void end_by_exception(PyObject* awaitable)
{
  end_awaitable(awaitable);
  if (!PyErr_ExceptionMatches(PyExc_StopAsyncIteration) &&
      !PyErr_ExceptionMatches(PyExc_GeneratorExit)) {
    return;
  }
  cpython::as_async(cpython::stepped_into(awaitable)).ag_closed = 1;
  if (cpython::awaitable_kind(awaitable) == Awaitable::athrow && cpython::is_close(awaitable)) {
    PyErr_Clear();
    PyErr_SetNone(PyExc_StopIteration);
  }
}

// A value that came; new reference, null with an exception set.
PyObject* converted(const FrameState& state, const CallSite& site, PyObject* result)
{
  const Owned& pending = state.pending_object;
  switch (state.continuation) {
    case Continuation::push:
    case Continuation::attribute:
    case Continuation::next_or:
    case Continuation::enter:
      return Py_NewRef(result);
    case Continuation::push_object:
      if (result != Py_None) {
        PyErr_Format(PyExc_TypeError, "__init__() should return None, not '%.200s'",
                     Py_TYPE(result)->tp_name);
        return nullptr;
      }
      return Py_NewRef(pending.get());
    case Continuation::none:
      return Py_NewRef(Py_None);
    case Continuation::truth:
      if (!PyBool_Check(result)) {
        PyErr_Format(PyExc_TypeError, "__bool__ should return bool, returned %s",
                     Py_TYPE(result)->tp_name);
        return nullptr;
      }
      return Py_NewRef(result);
    case Continuation::truth_of_length: {
      const Py_ssize_t length = as_length(result);
      return length < 0 ? nullptr : PyBool_FromLong(length != 0);
    }
    case Continuation::truth_of_any:
      return as_truth(PyObject_IsTrue(result));
    case Continuation::length: {
      const Py_ssize_t length = as_length(result);
      return length < 0 ? nullptr : PyLong_FromSsize_t(length);
    }
    case Continuation::text:
      return as_text(result, pending);
    case Continuation::iterator:
      if (!PyIter_Check(result)) {
        PyErr_Format(PyExc_TypeError, "iter() returned non-iterator of type '%.100s'",
                     Py_TYPE(result)->tp_name);
        return nullptr;
      }
      return Py_NewRef(result);
    case Continuation::binary:
      return after_operator(part(pending, 0), part(pending, 1), site.argument, part(pending, 2),
                            result);
    case Continuation::compare:
      return after_comparison(part(pending, 0), part(pending, 1),
                              site.argument >> Layout::compare_shift, part(pending, 2),
                              PyLong_AsLong(part(pending, 3)) != 0, result);
    case Continuation::hash:
      return as_hash(result);
    case Continuation::closed:
      PyErr_Format(PyExc_RuntimeError, "%U ignored GeneratorExit", pending.get());
      return nullptr;
    case Continuation::awaited:
      return value_awaited(pending.get(), result);
  }
  return nullptr;
}

// What close() makes of the exception a generator ended with.
PyObject* value_of_close()
{
  if (PyErr_ExceptionMatches(PyExc_GeneratorExit)) {
    PyErr_Clear();
    return Py_NewRef(Py_None);
  }
  if (!PyErr_ExceptionMatches(PyExc_StopIteration)) {
    return nullptr;
  }
  const Owned value = Owned::take(value_of_stop());
  return Py_XNewRef(Layout::close_returns_value ? value.get() : Py_None);
}

// The exception that is set; null with an exception set unless the continuation ends it.
PyObject* caught(const FrameState& state)
{
  if (state.continuation == Continuation::attribute &&
      PyErr_ExceptionMatches(PyExc_AttributeError)) {
    return missing_attribute(state.pending_object);
  }
  if (state.continuation == Continuation::closed) {
    return value_of_close();
  }
  if (state.continuation == Continuation::awaited) {
    end_by_exception(state.pending_object.get());
  }
  if (state.continuation == Continuation::next_or && PyErr_ExceptionMatches(PyExc_StopIteration)) {
    PyErr_Clear();
    return Py_NewRef(state.pending_object.get());
  }
  return nullptr;
}

// What an f-string makes of the text that str() or repr() gave.
PyObject* formatted(const FrameState& state, const CallSite& site, PyObject* text)
{
  const int conversion = site.waits == Waits::format_value ? site.argument & 3
                         : site.waits == Waits::convert    ? site.argument
                                                           : 0;
  Owned value = Owned::share(text);
  if (conversion == 3 && !PyUnicode_IS_ASCII(text)) {
    const Owned bytes = Owned::take(PyUnicode_AsEncodedString(text, "ascii", "backslashreplace"));
    value = Owned::take(bytes ? PyUnicode_DecodeASCII(PyBytes_AS_STRING(bytes.get()),
                                                      PyBytes_GET_SIZE(bytes.get()), nullptr)
                              : nullptr);
  }
  if (!value || site.waits != Waits::format_value || conversion == 0) {
    return value.release();
  }
  const bool has_spec = (site.argument & 4) != 0;
  if (!has_spec && PyUnicode_CheckExact(value.get())) {
    return value.release();
  }
  return PyObject_Format(value.get(), has_spec ? part(state.pending_object, 1) : nullptr);
}

}  // namespace

PyObject* value_of_stop()
{
  PyObject *type, *stop, *traceback;
  PyErr_Fetch(&type, &stop, &traceback);
  PyErr_NormalizeException(&type, &stop, &traceback);
  const Owned kept_type = Owned::take(type);
  const Owned kept = Owned::take(stop);
  const Owned kept_traceback = Owned::take(traceback);
  if (!kept || !PyErr_GivenExceptionMatches(stop, PyExc_StopIteration)) {
    return nullptr;
  }
  return Py_NewRef(reinterpret_cast<PyStopIterationObject*>(stop)->value);
}

Owned completed(const FrameState& state, const CallSite& site, const Owned& given)
{
  Owned value = Owned::take(given ? converted(state, site, given.get()) : caught(state));
  if (value && state.continuation == Continuation::text) {
    value = Owned::take(formatted(state, site, value.get()));
  }
  if (value && site.waits == Waits::compare && (site.argument & Layout::compare_to_bool) != 0) {
    value = Owned::take(as_truth(PyObject_IsTrue(value.get())));
  }
  return value;
}

}  // namespace sauerkraut::resume
