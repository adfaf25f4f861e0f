// What the interpreter takes for granted about a stack slot, so that a wrong object there would
// be memory corruption rather than an exception.
#pragma once

#include <Python.h>

#include <cstdint>

namespace sauerkraut::code {

enum class Kind : std::uint8_t {
  any,
  null,
  null_or_any,
  iterator,       // or, where loops go by index, what one goes over
  place_in_loop,  // beside it: the index of its next item, or null
  list,
  set,
  dict,
  tuple,
  texts,          // a tuple of strings
  interpolation,  // string.templatelib.Interpolation
  cell,
  exception,
  exception_or_none,
  lasti,           // the unit a handler re-raises at
  exception_list,  // what except* clauses raised so far: exceptions and None
};

// Whether bytecode is still filling the container: nothing else refers to it yet.
constexpr bool under_construction(Kind kind)
{
  return kind == Kind::list || kind == Kind::set || kind == Kind::dict ||
         kind == Kind::exception_list;
}

// Whether `object` is of kind `texts`.
inline bool holds_texts(PyObject* object)
{
  if (!PyTuple_CheckExact(object)) {
    return false;
  }
  for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(object); ++i) {
    if (!PyUnicode_CheckExact(PyTuple_GET_ITEM(object, i))) {
      return false;
    }
  }
  return true;
}

}  // namespace sauerkraut::code
