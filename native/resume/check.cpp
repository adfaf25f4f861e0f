#include "../cpython/generators.hpp"
// generators.hpp of cpython comes first: it opens CPython's internals.
#include "../code/code_map.hpp"
#include "../errors.hpp"
#include "check.hpp"
#include "continuation.hpp"
#include "slot_kinds.hpp"

#include <algorithm>
#include <string>
#include <vector>

namespace sauerkraut::resume {

using capture::FrameState;
using capture::Slot;
using code::CallSite;
using code::CodeMap;
using code::Kind;
using cpython::Layout;
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

[[noreturn]] void refuse_local(PyCodeObject* code, int slot, Kind kind)
{
  const char* name = PyUnicode_AsUTF8(PyTuple_GET_ITEM(code->co_localsplusnames, slot));
  PyErr_Clear();
  refuse(code, std::string("local '") + (name != nullptr ? name : "?") + "' must be " +
                   (kind == Kind::any ? "bound" : wanted(kind)));
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
  const std::vector<code::SlotRule>& rules = map.rules(site);
  const auto locals = static_cast<std::size_t>(frame.local_count);
  for (std::size_t at = 0; at < locals; ++at) {
    const Slot& value = frame.slots[at];
    const bool unbound = value.kind == Slot::Kind::null;
    if (unbound ? !rules[at].may_be_null : !fits(value, rules[at].kind, map.units())) {
      refuse_local(code, static_cast<int>(at), rules[at].kind);
    }
  }
  for (int depth = 0; depth < site.kept; ++depth) {
    const auto at = locals + static_cast<std::size_t>(depth);
    const Kind kind = rules[at].kind;
    if (!fits(frame.slots[at], kind, map.units())) {
      refuse(code, "stack slot " + std::to_string(depth) + " must be " + wanted(kind));
    }
    if (kind == Kind::place_in_loop &&
        (depth == 0 || !go_together(frame.slots[at - 1], rules[at - 1].kind, frame.slots[at]))) {
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

// The namespace of a body, or what locals() of a function returns each time.
void check_namespace(const FrameState& frame, PyCodeObject* code)
{
  PyObject* locals = frame.locals.get();
  const bool is_function = (code->co_flags & CO_OPTIMIZED) != 0;
  if (is_function ? locals != nullptr && (!Layout::keeps_locals || !PyDict_CheckExact(locals))
                  : locals == nullptr || !PyMapping_Check(locals)) {
    refuse(code, "its namespace is missing or out of place");
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
  check_namespace(frame, code);
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
  check_namespace(frame, code);
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

}  // namespace sauerkraut::resume
