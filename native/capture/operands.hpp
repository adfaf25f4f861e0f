// What lies in the frames on both sides of C code: operands of the operation that is under way
// in the outer one, arguments of the function that runs in the inner one.
//
// An operand is looked into only once it is known to be there: C code may have given it up
// before it runs Python code. An argument of the inner frame is always alive, so being the same
// pointer as an argument proves an operand.
#pragma once

#include "../cpython/adapter.hpp"
// adapter.hpp comes first: it opens CPython's internals.
#include "../code/code_map.hpp"
#include "../cpython/refs.hpp"

namespace sauerkraut::capture {

using cpython::Frame;
using cpython::Layout;
using cpython::Owned;

// The value-stack entry at `position`, counted from the bottom.
inline PyObject* operand(const Frame& frame, int position)
{
  return Layout::object_at(frame, Layout::code(frame)->co_nlocalsplus + position);
}

// What an operation asks for its special method, or steps into; null where it has too few operands.
inline PyObject* receiver_of(const Frame& frame, const code::CallSite& site)
{
  const int position = site.depth - site.info->receiver;
  return position >= 0 ? operand(frame, position) : nullptr;
}

// What a fast local holds, seen through a cell; null when it is unbound.
inline PyObject* local(const Frame& frame, int slot)
{
  PyObject* value = Layout::object_at(frame, slot);
  return value != nullptr && PyCell_Check(value) ? PyCell_GET(value) : value;
}

// The positional argument at `place` of the function that runs in `frame`, also where it came by
// *args; null when there is none, or it was deleted.
inline PyObject* argument(const Frame& frame, int place)
{
  PyCodeObject* code = Layout::code(frame);
  if (place < code->co_argcount) {
    return local(frame, place);
  }
  if ((code->co_flags & CO_VARARGS) == 0) {
    return nullptr;
  }
  PyObject* rest = local(frame, code->co_argcount + code->co_kwonlyargcount);
  place -= code->co_argcount;
  return rest != nullptr && PyTuple_CheckExact(rest) && place < PyTuple_GET_SIZE(rest)
             ? PyTuple_GET_ITEM(rest, place)
             : nullptr;
}

// Whether `frame` runs `function`, a plain Python function.
inline bool runs(PyObject* function, const Frame& frame)
{
  return function != nullptr && PyFunction_Check(function) &&
         PyFunction_GET_CODE(function) == reinterpret_cast<PyObject*>(Layout::code(frame));
}

// An attribute of a type, found without running code; borrowed, null when there is none.
inline PyObject* on_type(PyTypeObject* type, PyObject* name)
{
  PyObject* found = _PyType_Lookup(type, name);
  PyErr_Clear();
  return found;
}

inline PyObject* on_type(PyTypeObject* type, const char* name)
{
  const Owned text = Owned::take(PyUnicode_InternFromString(name));
  PyErr_Clear();
  return text ? on_type(type, text.get()) : nullptr;
}

// Whether two methods of classes are one: tuple and its like wrap C functions of object anew.
inline bool is_same_method(PyObject* one, PyObject* other)
{
  const auto wrapped = [](PyObject* method) {
    return reinterpret_cast<PyWrapperDescrObject*>(method)->d_wrapped;
  };
  return one == other ||
         (one != nullptr && other != nullptr && Py_IS_TYPE(one, &PyWrapperDescr_Type) &&
          Py_IS_TYPE(other, &PyWrapperDescr_Type) && wrapped(one) == wrapped(other));
}

// Whether `inner` runs the special method `name` of `object`, given as self.
inline bool is_special_method(const Frame& inner, PyObject* object, const char* name)
{
  return object != nullptr && object == argument(inner, 0) &&
         runs(on_type(Py_TYPE(object), name), inner);
}

}  // namespace sauerkraut::capture
