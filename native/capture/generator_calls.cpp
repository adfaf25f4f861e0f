#include "../cpython/generators.hpp"
// generators.hpp of cpython comes first: it opens CPython's internals.
#include "../cpython/awaitables.hpp"
#include "callables.hpp"
#include "driving.hpp"
#include "generator_calls.hpp"
#include "operands.hpp"

#include <cstring>

namespace sauerkraut::capture {

using code::CallSite;
using cpython::Awaitable;
using cpython::Waits;

namespace {

// The method of generators and coroutines that `callable` is, bound or not; null for others.
const char* method_name(PyObject* callable)
{
  if (PyCFunction_Check(callable)) {
    return reinterpret_cast<PyCFunctionObject*>(callable)->m_ml->ml_name;
  }
  if (Py_IS_TYPE(callable, &PyMethodDescr_Type)) {
    return reinterpret_cast<PyMethodDescrObject*>(callable)->d_method->ml_name;
  }
  return nullptr;
}

// g.__next__, bound or not: a method that wraps the slot of the type.
bool wraps_next(PyObject* callable, PyObject* generator)
{
  if (callable == on_type(Py_TYPE(generator), "__next__")) {
    return true;
  }
  if (std::strcmp(Py_TYPE(callable)->tp_name, "method-wrapper") != 0) {
    return false;
  }
  const Owned self = Owned::take(PyObject_GetAttrString(callable, "__self__"));
  const Owned name = Owned::take(PyObject_GetAttrString(callable, "__name__"));
  PyErr_Clear();
  return self.get() == generator && name && PyUnicode_Check(name.get()) &&
         PyUnicode_CompareWithASCIIString(name.get(), "__next__") == 0;
}

bool takes(Pending& pending, Continuation continuation, Owned object = {})
{
  pending.continuation = continuation;
  pending.object = std::move(object);
  return true;
}

// Whether a step of `object` is one of `generator`: it is itself, or an awaitable of it.
bool leads_to(PyObject* object, PyObject* generator)
{
  return object != nullptr && (object == generator || cpython::stepped_into(object) == generator);
}

// What a step of a generator, or of an awaitable of one, makes of its value.
bool steps(PyObject* object, Pending& pending)
{
  switch (cpython::awaitable_kind(object)) {
    case Awaitable::asend:
    case Awaitable::athrow:
      return takes(pending, Continuation::awaited, Owned::share(object));
    default:
      return takes(pending, Continuation::push);
  }
}

// What send(), throw() and close() make of it.
bool by_method(const char* name, PyObject* generator, Pending& pending)
{
  if (std::strcmp(name, "send") == 0 || std::strcmp(name, "throw") == 0) {
    return steps(generator, pending);
  }
  if (std::strcmp(name, "close") != 0 || !cpython::is_generator(generator)) {
    return false;
  }
  const char* kind = PyCoro_CheckExact(generator) ? "coroutine" : "generator";
  Owned told = Owned::take(PyUnicode_FromString(kind));
  PyErr_Clear();
  return told && takes(pending, Continuation::closed, std::move(told));
}

bool is_next(PyObject* callable)
{
  PyObject* found = PyDict_GetItemString(PyEval_GetBuiltins(), "next");
  PyErr_Clear();
  return callable == found && PyCFunction_Check(callable);
}

// A C function that is called with `generator` as its first argument or as its self.
bool calls_into(const Frame& outer, const CallSite& site, PyObject* generator, Pending& pending)
{
  PyObject* callable = callable_of(outer, site);
  if (callable == nullptr || may_be_unpacking(outer, site, cpython::frame_of(generator))) {
    return false;
  }
  if (PyCFunction_Check(callable) && leads_to(PyCFunction_GET_SELF(callable), generator)) {
    return by_method(method_name(callable), PyCFunction_GET_SELF(callable), pending);
  }
  if (wraps_next(callable, generator) &&
      !Py_IS_TYPE(callable, &PyWrapperDescr_Type)) {  // bound: it takes no argument
    return takes(pending, Continuation::push);
  }
  if (site.waits != Waits::call && site.waits != Waits::precall) {
    return false;
  }
  const int first = site.kept + 2;
  // Beside the callable lies a self, or NULL.
  const bool has_self =
      operand(outer, site.kept + (Layout::null_below_callable ? 0 : 1)) != nullptr;
  PyObject* given = has_self            ? operand(outer, site.kept + 1)
                    : site.argument > 0 ? operand(outer, first)
                                        : nullptr;
  if (!leads_to(given, generator)) {
    return false;
  }
  if (is_next(callable)) {
    if (site.argument == 2 && given == generator) {
      return takes(pending, Continuation::next_or, Owned::share(operand(outer, first + 1)));
    }
    return site.argument == 1 && steps(given, pending);
  }
  if (Py_IS_TYPE(callable, &PyWrapperDescr_Type)) {
    return wraps_next(callable, given) && steps(given, pending);
  }
  const char* name = method_name(callable);
  return name != nullptr && Py_IS_TYPE(callable, &PyMethodDescr_Type) &&
         PyDescr_TYPE(callable) == Py_TYPE(given) && by_method(name, given, pending);
}

}  // namespace

bool steps_into(const Frame& outer, const CallSite& site, PyObject* generator, Pending& pending)
{
  switch (site.waits) {
    case Waits::next:
    case Waits::send:
      // Below the value that is sent, if any: the very generator, not one that uses it up.
      return leads_to(receiver_of(outer, site), generator) &&
             steps(receiver_of(outer, site), pending);
    case Waits::call:
    case Waits::precall:
    case Waits::call_kw:
    case Waits::call_ex:
      return calls_into(outer, site, generator, pending);
    default:
      return false;
  }
}

}  // namespace sauerkraut::capture
