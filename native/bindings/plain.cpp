#include "bindings.hpp"

#include <nanobind/nanobind.h>

namespace nb = nanobind;

namespace sauerkraut::bindings {

namespace {

// Bounds of the walk: what is larger or deeper takes the pickler that can take everything, which
// costs little beside so many objects. They also end the walk of a cycle.
constexpr int most_objects = 4096;
constexpr int most_levels = 32;

bool is_atom(PyObject* object)
{
  return object == Py_None || PyBool_Check(object) || PyLong_CheckExact(object) ||
         PyFloat_CheckExact(object) || PyUnicode_CheckExact(object) || PyBytes_CheckExact(object) ||
         PyComplex_CheckExact(object) || PyRange_Check(object) ||  // of ints
         Py_IS_TYPE(object, &PyRangeIter_Type) || Py_IS_TYPE(object, &PyLongRangeIter_Type);
}

// What the caller knows beside that: objects of exactly these types.
struct Others {
  PyObject* types;  // a tuple
  PyObject* found;  // a list
};

bool is_other(PyObject* object, const Others& others)
{
  if (others.types == Py_None) {
    return false;
  }
  // By identity: what a metaclass compares and hashes could run, or fail, within the walk.
  auto* type = reinterpret_cast<PyObject*>(Py_TYPE(object));
  for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(others.types); ++i) {
    if (PyTuple_GET_ITEM(others.types, i) == type) {
      if (PyList_Append(others.found, object) != 0) {
        throw nb::python_error();
      }
      return true;
    }
  }
  return false;
}

bool is_plain(PyObject* object, const Others& others, int levels, int& left)
{
  if (is_atom(object)) {
    return --left >= 0;
  }
  if (--left < 0 || levels == 0) {
    return false;
  }
  if (PyList_CheckExact(object) || PyTuple_CheckExact(object)) {
    const Py_ssize_t size = PySequence_Fast_GET_SIZE(object);
    for (Py_ssize_t i = 0; i < size; ++i) {
      if (!is_plain(PySequence_Fast_GET_ITEM(object, i), others, levels - 1, left)) {
        return false;
      }
    }
    return true;
  }
  if (!PyDict_CheckExact(object)) {
    return is_other(object, others);
  }
  Py_ssize_t at = 0;
  PyObject* key = nullptr;
  PyObject* value = nullptr;
  while (PyDict_Next(object, &at, &key, &value) != 0) {
    // Globals of code are written by name.
    if (PyUnicode_Check(key) && PyUnicode_CompareWithASCIIString(key, "__builtins__") == 0) {
      return false;
    }
    if (!is_plain(key, others, levels - 1, left) || !is_plain(value, others, levels - 1, left)) {
      return false;
    }
  }
  return true;
}

}  // namespace

void bind_plain(nb::module_& m)
{
  m.def(
      "plain",
      [](nb::handle values, nb::handle others, nb::handle found) {
        int left = most_objects;
        return is_plain(values.ptr(), {others.ptr(), found.ptr()}, most_levels, left);
      },
      nb::arg("values"), nb::arg("others") = nb::none(), nb::arg("found") = nb::none(),
      nb::sig("def plain(values: object, others: tuple[type, ...] | None = None, "
              "found: list[typing.Any] | None = None) -> bool"),
      "Whether `values` is a small graph of numbers, texts, bytes, ranges, lists, tuples and dicts "
      "only, and of `others`: objects of exactly these types, which go into `found`. Then the "
      "pickler needs no further help.");
}

}  // namespace sauerkraut::bindings
