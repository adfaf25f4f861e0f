#include "../cpython/adapter.hpp"
// adapter.hpp comes first: it opens CPython's internals.
#include "../code/code_map.hpp"
#include "../errors.hpp"
#include "check.hpp"

#include <string>

namespace sauerkraut::resume {

using capture::Continuation;
using capture::FrameState;
using capture::Slot;
using code::CallSite;
using code::CodeMap;
using code::Kind;

namespace {

std::string qualified_name(PyCodeObject* code)
{
  const char* name = PyUnicode_AsUTF8(code->co_qualname);
  PyErr_Clear();
  return name != nullptr ? name : "?";
}

[[noreturn]] void refuse(PyCodeObject* code, const std::string& why)
{
  throw ResumeError("control state of " + qualified_name(code) +
                    "() does not fit its code: " + why);
}

bool is_exception(PyObject* object)
{
  return PyExceptionInstance_Check(object);
}

bool is_unit(const Slot& slot, int units)
{
  if (slot.kind == Slot::Kind::number) {
    return slot.number >= 0 && slot.number < units;
  }
  if (slot.kind != Slot::Kind::object || !PyLong_CheckExact(slot.object.get())) {
    return false;
  }
  int overflow = 0;
  const long unit = PyLong_AsLongAndOverflow(slot.object.get(), &overflow);
  return overflow == 0 && unit >= 0 && unit < units;
}

bool fits(const Slot& slot, Kind kind, int units)
{
  if (kind == Kind::lasti) {
    return is_unit(slot, units);
  }
  if (slot.kind == Slot::Kind::number) {
    return false;
  }
  PyObject* object = slot.object.get();
  if (object == nullptr) {
    return kind == Kind::null || kind == Kind::null_or_any;
  }
  switch (kind) {
    case Kind::any:
    case Kind::null_or_any:
      return true;
    case Kind::null:
      return false;
    case Kind::iterator:
      return Py_TYPE(object)->tp_iternext != nullptr;
    case Kind::list:
      return PyList_CheckExact(object);
    case Kind::set:
      return PySet_CheckExact(object);
    case Kind::dict:
      return PyDict_CheckExact(object);
    case Kind::tuple:
      return PyTuple_CheckExact(object);
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
    case Kind::list:
      return "a list";
    case Kind::set:
      return "a set";
    case Kind::dict:
      return "a dict";
    case Kind::tuple:
      return "a tuple";
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

void check_locals(const FrameState& frame, PyCodeObject* code, const CodeMap& map)
{
  for (int slot = 0; slot < frame.local_count; ++slot) {
    const Slot& value = frame.slots[static_cast<std::size_t>(slot)];
    const auto kind = _PyLocals_GetKind(code->co_localspluskinds, slot);
    const bool is_cell = (kind & (CO_FAST_CELL | CO_FAST_FREE)) != 0;
    const bool good = value.kind == Slot::Kind::null
                          ? !map.needs_bound(frame.unit, slot)
                          : fits(value, is_cell ? Kind::cell : Kind::any, map.units());
    if (!good) {
      PyObject* name = PyTuple_GET_ITEM(code->co_localsplusnames, slot);
      const char* text = PyUnicode_AsUTF8(name);
      PyErr_Clear();
      refuse(code, std::string("local '") + (text != nullptr ? text : "?") + "' must be " +
                       (is_cell ? "a cell" : "bound"));
    }
  }
}

void check_frame(const FrameState& frame)
{
  auto* code = reinterpret_cast<PyCodeObject*>(frame.code.get());
  const CodeMap& map = CodeMap::of(code);
  CallSite site;
  if (!map.call_site(frame.unit, site) || site.start != frame.unit) {
    refuse(code, "unit " + std::to_string(frame.unit) + " is no call");
  }
  if ((code->co_flags & (CO_GENERATOR | CO_COROUTINE | CO_ASYNC_GENERATOR)) != 0) {
    refuse(code, "it is a generator");
  }
  if (frame.local_count != code->co_nlocalsplus) {
    refuse(code, "it has " + std::to_string(code->co_nlocalsplus) + " local slots, not " +
                     std::to_string(frame.local_count));
  }
  if (static_cast<int>(frame.slots.size()) != frame.local_count + site.kept) {
    refuse(code, "the value stack must be " + std::to_string(site.kept) + " deep");
  }
  if ((frame.continuation == Continuation::push_object) !=
      static_cast<bool>(frame.pending_object)) {
    refuse(code, "its continuation and pending object contradict each other");
  }
  if (!PyDict_Check(frame.globals.get())) {
    refuse(code, "its globals are no dict");
  }
  const bool has_namespace = (code->co_flags & CO_OPTIMIZED) == 0;
  if (has_namespace != static_cast<bool>(frame.locals) ||
      (has_namespace && !PyMapping_Check(frame.locals.get()))) {
    refuse(code, "its namespace is missing or out of place");
  }
  check_locals(frame, code, map);
  const auto kinds = map.stack(site.start);
  for (int depth = 0; depth < site.kept; ++depth) {
    const Kind kind = kinds[static_cast<std::size_t>(depth)];
    if (!fits(frame.slots[static_cast<std::size_t>(frame.local_count + depth)], kind,
              map.units())) {
      refuse(code, "stack slot " + std::to_string(depth) + " must be " + wanted(kind));
    }
  }
}

}  // namespace

void check(const capture::Stack& stack)
{
  if (stack.frames.empty()) {
    throw ResumeError("the snapshot holds no frame");
  }
  if (stack.handled && stack.handled.get() != Py_None && !is_exception(stack.handled.get())) {
    throw ResumeError("the handled exception of the snapshot is no exception");
  }
  try {
    for (const FrameState& frame : stack.frames) {
      check_frame(frame);
    }
  } catch (const CaptureError& error) {  // bytecode that does not analyse
    throw ResumeError(error.what());
  }
}

}  // namespace sauerkraut::resume
