#include "../cpython/adapter.hpp"
// adapter.hpp comes first: it opens CPython's internals.
#include "alive.hpp"
#include "callables.hpp"
#include "operands.hpp"
#include "partials.hpp"

#include <new>

namespace sauerkraut::capture {

namespace {

PyTypeObject* partial_type()
{
  static PyObject* type = [] {
    const Owned module = Owned::take(PyImport_ImportModule("functools"));
    PyObject* found = module ? PyObject_GetAttrString(module.get(), "partial") : nullptr;
    if (found == nullptr) {  // tried again by the next call
      PyErr_Clear();
      throw std::bad_alloc();
    }
    return found;
  }();
  return reinterpret_cast<PyTypeObject*>(type);
}

Owned attribute(PyObject* object, const char* name)
{
  Owned found = Owned::take(PyObject_GetAttrString(object, name));
  PyErr_Clear();
  return found;
}

// Whether a partial gives `argument`, and nothing else, before the arguments of a call.
bool gives_only(PyObject* partial, PyObject* argument)
{
  const Owned given = attribute(partial, "args");
  const Owned named = attribute(partial, "keywords");
  return given && PyTuple_CheckExact(given.get()) && PyTuple_GET_SIZE(given.get()) == 1 &&
         PyTuple_GET_ITEM(given.get(), 0) == argument && named && PyDict_Check(named.get()) &&
         PyDict_GET_SIZE(named.get()) == 0;
}

// Whether calling `function` begins with a frame of its own: then it is not what runs another.
bool has_own_frame(PyObject* function)
{
  while (function != nullptr && PyMethod_Check(function)) {
    function = PyMethod_GET_FUNCTION(function);
  }
  return function != nullptr && PyFunction_Check(function);
}

// Whether `inner` has just the arguments of a call at `site`, with `first` before them.
bool has_arguments(const cpython::Frame& inner, PyObject* first, const cpython::Frame& outer,
                   const code::CallSite& site)
{
  if (argument(inner, 0) != first) {
    return false;
  }
  for (int place = 0; place < site.argument; ++place) {
    if (argument(inner, place + 1) != operand(outer, site.kept + 2 + place)) {
      return false;
    }
  }
  return true;
}

}  // namespace

Owned function_of_partial(PyObject* object)
{
  return Py_TYPE(object) == partial_type() ? attribute(object, "func") : Owned();
}

Slotted look_behind(PyObject* slot, const cpython::Frame& outer, const code::CallSite& site,
                    const cpython::Frame& inner)
{
  if (slot == nullptr || site.argument == 0 || slot == named_operand(outer, site, 1)) {
    return Slotted::callable;
  }
  bool handed_on = false;
  bool in_doubt = false;
  const Owned all = all_objects();
  for (Py_ssize_t i = 0; i < PyList_GET_SIZE(all.get()); ++i) {
    PyObject* object = PyList_GET_ITEM(all.get(), i);
    if (!PyObject_TypeCheck(object, partial_type()) || !gives_only(object, slot)) {
      continue;
    }
    const Owned function = attribute(object, "func");
    if (passes_through(function.get(), inner)) {
      handed_on = true;
    } else if (!has_own_frame(function.get())) {
      in_doubt = true;
    }
  }
  // Some other partial gives the same object to a function in C. That would have to hold ours, and
  // to call it with exactly its own arguments.
  if (in_doubt && !(handed_on && has_arguments(inner, slot, outer, site))) {
    return Slotted::unknown;
  }
  // CPython itself takes functions and bound methods apart, unless a hook sees every frame.
  const bool called_in_c =
      _PyInterpreterState_GetEvalFrameFunc(PyInterpreterState_Get()) == _PyEval_EvalFrameDefault &&
      (PyFunction_Check(slot) || PyMethod_Check(slot));
  return handed_on                                    ? Slotted::handed_on
         : called_in_c || PyCallable_Check(slot) == 0 ? Slotted::unknown
                                                      : Slotted::callable;
}

}  // namespace sauerkraut::capture
