#include "../cpython/generators.hpp"
// generators.hpp of cpython comes first: it opens CPython's internals.
#include "../capture/operators.hpp"
#include "../code/code_map.hpp"
#include "../errors.hpp"
#include "check.hpp"

#include <algorithm>
#include <string>
#include <string_view>
#include <vector>

namespace sauerkraut::resume {

using capture::Continuation;
using capture::FrameState;
using capture::Slot;
using code::CallSite;
using code::CodeMap;
using code::Kind;
using cpython::Layout;
using cpython::Owned;
using cpython::Waits;

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

bool holds_texts(PyObject* object)
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

bool fits(const Slot& slot, Kind kind, int units)
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
      return holds_texts(object);
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

// Whether a loop can go on with what is in its two slots, which fit one by one.
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

void check_locals(const FrameState& frame, PyCodeObject* code, const CodeMap& map)
{
  for (int slot = 0; slot < frame.local_count; ++slot) {
    const Slot& value = frame.slots[static_cast<std::size_t>(slot)];
    const Kind kind = map.local_kind(code, frame.unit, slot);
    // locals() looks into every cell, so none may be missing.
    const bool good = value.kind == Slot::Kind::null
                          ? kind != Kind::cell && !map.needs_bound(frame.unit, slot)
                          : fits(value, kind, map.units());
    if (!good) {
      PyObject* name = PyTuple_GET_ITEM(code->co_localsplusnames, slot);
      const char* text = PyUnicode_AsUTF8(name);
      PyErr_Clear();
      refuse(code, std::string("local '") + (text != nullptr ? text : "?") + "' must be " +
                       (kind == Kind::any ? "bound" : wanted(kind)));
    }
  }
}

// CPython 3.13 and later specialise `x.append(y)` and then trust that list.append comes
// with a self. Whether slot `depth`, the callable of a call not yet made, breaks that trust.
bool appends_to_nothing(const FrameState& frame, const CodeMap& map, int depth)
{
  const auto at = static_cast<std::size_t>(frame.local_count + depth);
  if (Layout::null_below_callable || at + 1 >= frame.slots.size() ||
      frame.slots[at + 1].kind != Slot::Kind::null || !frame.slots[at].object) {
    return false;
  }
  static PyObject* append =
      PyObject_GetAttrString(reinterpret_cast<PyObject*>(&PyList_Type), "append");
  if (frame.slots[at].object.get() != append) {
    return false;
  }
  for (int unit = map.instruction(frame.unit)->next; unit < map.units();) {
    CallSite site;
    if (map.call_site(unit, site) && site.waits == Waits::call && site.kept == depth) {
      return site.argument == 1;
    }
    unit = map.instruction(unit)->next;
  }
  return true;
}

bool is_tuple(const Owned& object, Py_ssize_t least, Py_ssize_t most)
{
  return object && PyTuple_CheckExact(object.get()) && PyTuple_GET_SIZE(object.get()) >= least &&
         PyTuple_GET_SIZE(object.get()) <= most;
}

bool is_text(const Owned& tuple, int place)
{
  return PyUnicode_Check(PyTuple_GET_ITEM(tuple.get(), place));
}

// Whether the pending object is what the continuation needs.
bool completes(const FrameState& frame, const CallSite& site)
{
  const Owned& pending = frame.pending_object;
  switch (frame.continuation) {
    case Continuation::push_object:
    case Continuation::next_or:
    case Continuation::enter:
      return static_cast<bool>(pending);
    case Continuation::text:
      return is_tuple(pending, 2, 2) && is_text(pending, 0);
    case Continuation::closed:
      return pending && PyUnicode_Check(pending.get());
    case Continuation::attribute:
      return is_tuple(pending, 2, 3) && is_text(pending, 1);
    case Continuation::binary:
      return is_tuple(pending, 3, 3) && is_text(pending, 2) && site.argument >= 0 &&
             site.argument < 2 * capture::operator_count;
    case Continuation::compare:
      return is_tuple(pending, 4, 4) && is_text(pending, 2) &&
             PyLong_CheckExact(PyTuple_GET_ITEM(pending.get(), 3)) &&
             site.argument >> Layout::compare_shift < capture::comparison_count;
    default:
      return static_cast<bool>(pending) == (site.waits == Waits::choice);
  }
}

// Whether an operation of this kind can continue so, with all that it needs.
bool continues(const FrameState& frame, const CallSite& site)
{
  const Continuation how = frame.continuation;
  bool possible = false;
  switch (site.waits) {
    case Waits::never:
    case Waits::start:
    case Waits::yield:
      break;
    case Waits::precall:
    case Waits::call:
    case Waits::call_kw:
    case Waits::call_ex:
      possible = how != Continuation::binary && how != Continuation::compare &&
                 how != Continuation::enter && how != Continuation::truth_of_any;
      break;
    case Waits::attribute:
      possible = how == Continuation::push || how == Continuation::attribute;
      break;
    case Waits::inherited:
    case Waits::assign:
    case Waits::unassign:
    case Waits::method:
    case Waits::update:
    case Waits::positive:
    case Waits::next:
    case Waits::send:
    case Waits::exit:
      possible = how == Continuation::push;
      break;
    case Waits::binary:
      possible = how == Continuation::binary;
      break;
    case Waits::compare:
      possible = how == Continuation::compare;
      break;
    case Waits::contains:
      possible = how == Continuation::truth_of_any;
      break;
    case Waits::truth:
    case Waits::negation:
    case Waits::branch:
    case Waits::choice:
      possible = how == Continuation::truth || how == Continuation::truth_of_length;
      break;
    case Waits::iterate:
      possible = how == Continuation::iterator;
      break;
    case Waits::enter:
      possible = how == Continuation::enter;
      break;
    case Waits::format_value:
    case Waits::convert:
    case Waits::format:
    case Waits::format_spec:
      possible = how == Continuation::text;
      break;
    case Waits::length:
      possible = how == Continuation::length;
      break;
  }
  return possible && completes(frame, site);
}

void check_slots(const FrameState& frame, const CodeMap& map, const CallSite& site)
{
  auto* code = reinterpret_cast<PyCodeObject*>(frame.code.get());
  if (frame.local_count != code->co_nlocalsplus) {
    refuse(code, "it has " + std::to_string(code->co_nlocalsplus) + " local slots, not " +
                     std::to_string(frame.local_count));
  }
  if (static_cast<int>(frame.slots.size()) != frame.local_count + site.kept) {
    refuse(code, "the value stack must be " + std::to_string(site.kept) + " deep");
  }
  check_locals(frame, code, map);
  const auto kinds = map.stack(site.start);
  for (int depth = 0; depth < site.kept; ++depth) {
    const Kind kind = kinds[static_cast<std::size_t>(depth)];
    const auto at = static_cast<std::size_t>(frame.local_count + depth);
    if (!fits(frame.slots[at], kind, map.units())) {
      refuse(code, "stack slot " + std::to_string(depth) + " must be " + wanted(kind));
    }
    if (kind == Kind::place_in_loop &&
        (depth == 0 || !go_together(frame.slots[at - 1], kinds[static_cast<std::size_t>(depth - 1)],
                                    frame.slots[at]))) {
      refuse(code, "stack slot " + std::to_string(depth) + " is no place in the one below");
    }
    if (appends_to_nothing(frame, map, depth)) {
      refuse(code, "stack slot " + std::to_string(depth) + " needs a list beside it");
    }
  }
}

bool stands_still(Waits waits)
{
  return waits == Waits::start || waits == Waits::yield;
}

// A generator in a frame of the stack must be one that waits for this frame.
void check_running(const FrameState& frame, PyCodeObject* code)
{
  PyObject* generator = frame.generator.get();
  if (cpython::makes_generators(code) != (generator != nullptr)) {
    refuse(code, generator != nullptr ? "it makes no generator" : "its generator is missing");
  }
  if (generator != nullptr && (!cpython::is_generator(generator) ||
                               cpython::progress_of(generator) != cpython::Progress::running ||
                               Layout::code(cpython::frame_of(generator)) != code)) {
    refuse(code, "its generator is none that runs it");
  }
}

void check_frame(const FrameState& frame)
{
  auto* code = reinterpret_cast<PyCodeObject*>(frame.code.get());
  const CodeMap& map = CodeMap::of(code);
  CallSite site;
  if (!map.call_site(frame.unit, site) || site.start != frame.unit || stands_still(site.waits)) {
    refuse(code, "unit " + std::to_string(frame.unit) + " is no call");
  }
  check_running(frame, code);
  if (!continues(frame, site)) {
    refuse(code, "its call cannot continue as it says");
  }
  if (!PyDict_Check(frame.globals.get())) {
    refuse(code, "its globals are no dict");
  }
  const bool has_namespace = (code->co_flags & CO_OPTIMIZED) == 0;
  if (has_namespace != static_cast<bool>(frame.locals) ||
      (has_namespace && !PyMapping_Check(frame.locals.get()))) {
    refuse(code, "its namespace is missing or out of place");
  }
  check_slots(frame, map, site);
}

// The frames of one stack belong to different generators, and the outermost to none: nothing
// would take what it yields.
void check_generators_of(const capture::Stack& stack)
{
  std::vector<PyObject*> seen;
  for (const FrameState& frame : stack.frames) {
    if (frame.generator) {
      seen.push_back(frame.generator.get());
    }
  }
  std::sort(seen.begin(), seen.end());
  if (stack.frames.front().generator ||
      std::adjacent_find(seen.begin(), seen.end()) != seen.end()) {
    throw ResumeError("the generators of the snapshot do not belong to its frames");
  }
}

void check_suspended(const capture::GeneratorState& state)
{
  const FrameState& frame = state.frame;
  auto* code = reinterpret_cast<PyCodeObject*>(frame.code.get());
  if (!cpython::makes_generators(code) || (code->co_flags & CO_OPTIMIZED) == 0) {
    refuse(code, "it makes no generator");
  }
  if (state.stage == capture::GeneratorStage::active) {
    return;
  }
  const CodeMap& map = CodeMap::of(code);
  const Waits waits = state.stage == capture::GeneratorStage::created ? Waits::start : Waits::yield;
  CallSite site;
  if (!map.call_site(frame.unit, site) || site.start != frame.unit || site.waits != waits) {
    refuse(code, "unit " + std::to_string(frame.unit) + " is no yield");
  }
  check_slots(frame, map, site);
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
    check_generators_of(stack);
  } catch (const CaptureError& error) {  // bytecode that does not analyse
    throw ResumeError(error.what());
  }
}

void check_generator(const capture::GeneratorState& state)
{
  if (state.handled && state.handled.get() != Py_None && !is_exception(state.handled.get())) {
    throw ResumeError("what a generator of the snapshot handles is no exception");
  }
  try {
    check_suspended(state);
  } catch (const CaptureError& error) {  // bytecode that does not analyse
    throw ResumeError(error.what());
  }
}

void make_private(capture::FrameState& frame)
{
  auto* code = reinterpret_cast<PyCodeObject*>(frame.code.get());
  const auto kinds = CodeMap::of(code).stack(frame.unit);
  for (std::size_t at = static_cast<std::size_t>(frame.local_count); at < frame.slots.size();
       ++at) {
    PyObject* object = frame.slots[at].object.get();
    if (!under_construction(kinds[at - static_cast<std::size_t>(frame.local_count)])) {
      continue;
    }
    PyObject* copy = PyList_Check(object)  ? PyList_GetSlice(object, 0, PY_SSIZE_T_MAX)
                     : PySet_Check(object) ? PySet_New(object)
                                           : PyDict_Copy(object);
    if (copy == nullptr) {
      PyErr_Clear();
      throw ResumeError("out of memory");
    }
    frame.slots[at].object = capture::Owned::take(copy);
  }
}

void make_private(capture::Stack& stack)
{
  for (FrameState& frame : stack.frames) {
    make_private(frame);
  }
}

}  // namespace sauerkraut::resume
