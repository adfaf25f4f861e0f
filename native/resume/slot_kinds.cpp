#include "../cpython/adapter.hpp"
// adapter.hpp comes first: it opens CPython's internals.
#include "slot_kinds.hpp"

#include <string_view>

namespace sauerkraut::resume {

using capture::Slot;
using code::Kind;
using cpython::Layout;

namespace {

bool holds_exceptions(PyObject* object)
{
  if (!PyList_CheckExact(object)) {
    return false;
  }
  for (Py_ssize_t i = 0; i < PyList_GET_SIZE(object); ++i) {
    PyObject* item = PyList_GET_ITEM(object, i);
    if (item != Py_None && !is_exception(item)) {
      return false;
    }
  }
  return true;
}

// CPython does not export the type; no class made in Python is static.
bool is_interpolation(PyObject* object)
{
  const PyTypeObject* type = Py_TYPE(object);
  return (type->tp_flags & Py_TPFLAGS_HEAPTYPE) == 0 &&
         std::string_view(type->tp_name) == "string.templatelib.Interpolation";
}

bool is_unit(const Slot& slot, int units)
{
  if (Layout::tags_numbers) {
    return slot.kind == Slot::Kind::number && slot.number >= 0 && slot.number < units;
  }
  if (slot.kind != Slot::Kind::object || !PyLong_CheckExact(slot.object.get())) {
    return false;
  }
  int overflow = 0;
  const long unit = PyLong_AsLongAndOverflow(slot.object.get(), &overflow);
  return overflow == 0 && unit >= 0 && unit < units;
}

// A tagged number is one with two bits less than a pointer; more items than this fit nowhere.
constexpr std::int64_t most_items = PY_SSIZE_T_MAX / 8;

}  // namespace

bool is_exception(PyObject* object)
{
  return PyExceptionInstance_Check(object);
}

bool fits_exactly(const Slot& slot, Kind kind, int units)
{
  if (kind == Kind::lasti) {
    return is_unit(slot, units);
  }
  if (slot.kind == Slot::Kind::number) {
    return kind == Kind::place_in_loop && slot.number >= 0 && slot.number <= most_items;
  }
  PyObject* object = slot.object.get();
  if (object == nullptr) {
    return kind == Kind::null || kind == Kind::null_or_any || kind == Kind::place_in_loop;
  }
  switch (kind) {
    case Kind::any:
    case Kind::null_or_any:
      return true;
    case Kind::null:
    case Kind::place_in_loop:
      return false;
    case Kind::iterator:
      return Py_TYPE(object)->tp_iternext != nullptr || Layout::can_be_indexed(object);
    case Kind::list:
      return PyList_CheckExact(object);
    case Kind::exception_list:
      return holds_exceptions(object);
    case Kind::set:
      return PySet_CheckExact(object);
    case Kind::dict:
      return PyDict_CheckExact(object);
    case Kind::tuple:
      return PyTuple_CheckExact(object);
    case Kind::texts:
      return code::holds_texts(object);
    case Kind::interpolation:
      return is_interpolation(object);
    case Kind::cell:
      return PyCell_Check(object);
    case Kind::exception:
      return is_exception(object);
    case Kind::exception_or_none:
      return object == Py_None || is_exception(object);
    case Kind::lasti:
      break;
  }
  return false;
}

bool go_together(const Slot& over, Kind kind, const Slot& place)
{
  PyObject* object = over.object.get();
  if (object == nullptr || place.kind == Slot::Kind::number) {
    return object != nullptr && Layout::can_be_indexed(object);
  }
  return kind != Kind::iterator || Py_TYPE(object)->tp_iternext != nullptr;
}

const char* wanted(Kind kind)
{
  switch (kind) {
    case Kind::any:
      return "an object";
    case Kind::null:
      return "no object";
    case Kind::null_or_any:
      return "an object or none";
    case Kind::iterator:
      return "an iterator";
    case Kind::place_in_loop:
      return "an index or none";
    case Kind::list:
      return "a list";
    case Kind::exception_list:
      return "a list of exceptions";
    case Kind::set:
      return "a set";
    case Kind::dict:
      return "a dict";
    case Kind::tuple:
      return "a tuple";
    case Kind::texts:
      return "a tuple of strings";
    case Kind::interpolation:
      return "an interpolation";
    case Kind::cell:
      return "a cell";
    case Kind::exception:
      return "an exception";
    case Kind::exception_or_none:
      return "an exception or None";
    case Kind::lasti:
      return "a code position";
  }
  return "?";
}

}  // namespace sauerkraut::resume
