#include "../cpython/generators.hpp"
// generators.hpp of cpython comes first: it opens CPython's internals.
#include "../code/code_map.hpp"
#include "../errors.hpp"
#include "check.hpp"
#include "containers.hpp"
#include "rebuild.hpp"
#include "shells.hpp"

#include <algorithm>
#include <unordered_map>
#include <utility>
#include <vector>

namespace sauerkraut::resume {

using capture::GeneratorStage;
using capture::GeneratorState;
using code::CallSite;
using code::CodeMap;
using cpython::Layout;

namespace {

// Whether the shell is what its code makes, with a frame of the right size.
bool belongs_to(PyObject* shell, PyObject* code)
{
  return shell != nullptr && cpython::is_generator(shell) &&
         reinterpret_cast<PyObject*>(Layout::code(cpython::frame_of(shell))) == code;
}

// Locals and value stack of a generator that stands still.
void fill_suspended(GeneratorState& state)
{
  FrameState& saved = state.frame;
  Frame& frame = cpython::frame_of(state.object.get());
  CallSite site{};
  const CodeMap& map = CodeMap::of(reinterpret_cast<PyCodeObject*>(saved.code.get()));
  map.call_site(saved.unit, site);  // checked before
  fill_slots(frame, saved);
  if (state.stage == GeneratorStage::created) {
    cpython::set_created(state.object.get());
    return;
  }
  Layout::go_on_at(frame, site.next);
  cpython::set_suspended(state.object.get(), map.delegates(saved.unit));
}

// What lies in the generator itself.
void restore_attributes(GeneratorState& state)
{
  PyGenObject& raw = cpython::as_generator(state.object.get());
  Py_XSETREF(raw.gi_name, state.name.release());
  Py_XSETREF(raw.gi_qualname, state.qualname.release());
  Py_XSETREF(raw.gi_exc_state.exc_value, state.handled.release());
  if (PyAsyncGen_CheckExact(state.object.get())) {
    PyAsyncGenObject& async = cpython::as_async(state.object.get());
    async.ag_hooks_inited = (state.flags & capture::hooks_asked) != 0;
    async.ag_closed = (state.flags & capture::closed) != 0;
    async.ag_running_async = (state.flags & capture::running_async) != 0;
  }
}

}  // namespace

void end(PyObject* generator)
{
  PyObject *type, *value, *traceback;
  PyErr_Fetch(&type, &value, &traceback);
  // At its first instruction, where no handler is: closing only unwinds it.
  cpython::set_created(generator);
  Owned done;
  if (PyAsyncGen_CheckExact(generator)) {
    cpython::as_async(generator).ag_hooks_inited = 1;
    const Owned closing = Owned::take(PyObject_CallMethod(generator, "aclose", nullptr));
    done =
        closing ? Owned::take(PyObject_CallMethod(closing.get(), "send", "O", Py_None)) : Owned();
  } else {
    done = Owned::take(PyObject_CallMethod(generator, "close", nullptr));
  }
  PyErr_Restore(type, value, traceback);
}

Shells::~Shells()
{
  for (GeneratorState& state : states_) {
    if (state.object) {
      end(state.object.get());
    }
  }
}

PyObject* Shells::make(std::size_t place, PyObject* globals)
{
  if (place >= states_.size()) {
    throw ResumeError("the object stream has a generator that the control state does not have");
  }
  GeneratorState& state = states_[place];
  if (state.object) {
    return state.object.get();
  }
  auto* code = reinterpret_cast<PyCodeObject*>(state.frame.code.get());
  if (!cpython::makes_generators(code) || !PyDict_Check(globals)) {
    throw ResumeError("a generator of the snapshot has code or globals of another kind");
  }
  state.frame.globals = Owned::share(globals);
  const Owned function = surrogate(state.frame);
  Owned made = function ? Owned::take(call_with_none(function.get())) : Owned();
  if (!made) {
    return nullptr;
  }
  if (!belongs_to(made.get(), state.frame.code.get())) {
    throw ResumeError("the code of a generator of the snapshot makes none");
  }
  cpython::set_running(made.get());
  if (PyAsyncGen_CheckExact(made.get())) {  // no event loop is to hear of an asend() made for it
    cpython::as_async(made.get()).ag_hooks_inited = 1;
  }
  state.object = std::move(made);
  return state.object.get();
}

void Shells::check(const capture::Stack& stack) const
{
  std::vector<PyObject*> running;
  for (const GeneratorState& state : states_) {
    if (!state.object) {
      continue;  // nothing refers to it
    }
    check_generator(state);
    if (state.stage == GeneratorStage::active) {
      running.push_back(state.object.get());
    }
  }
  std::vector<PyObject*> in_frames;
  for (const FrameState& frame : stack.frames) {
    if (frame.generator) {
      in_frames.push_back(frame.generator.get());
    }
  }
  std::sort(running.begin(), running.end());
  std::sort(in_frames.begin(), in_frames.end());
  if (running != in_frames) {
    throw ResumeError("the running generators of the snapshot are not those of its frames");
  }
  check_delegation(stack);
}

// To close a generator is to close what it delegates to first, by a recursion that nothing bounds:
// no program can make a circle of them, or a chain longer than it may recurse.
void Shells::check_delegation(const capture::Stack& stack) const
{
  std::unordered_map<PyObject*, PyObject*> delegates;
  // What it delegates to lies on top, or has its place in a list or tuple above it.
  constexpr std::size_t slots = Layout::loops_by_index ? 2 : 1;
  auto note = [&](PyObject* generator, const FrameState& frame) {
    auto* code = reinterpret_cast<PyCodeObject*>(frame.code.get());
    const CodeMap& map = CodeMap::of(code);
    CallSite site;
    if (map.call_site(frame.unit, site) && frame.slots.size() >= slots &&
        (site.waits == cpython::Waits::send || map.delegates(site.start))) {
      delegates[generator] = frame.slots[frame.slots.size() - slots].object.get();
    }
  };
  for (const GeneratorState& state : states_) {
    if (state.object && state.stage == GeneratorStage::suspended) {
      note(state.object.get(), state.frame);
    }
  }
  for (const FrameState& frame : stack.frames) {
    if (frame.generator) {
      note(frame.generator.get(), frame);
    }
  }
  for (const auto& [generator, first] : delegates) {
    int length = 0;
    for (PyObject* at = first; at != nullptr && ++length <= Py_GetRecursionLimit();) {
      const auto found = delegates.find(at);
      at = found != delegates.end() ? found->second : nullptr;
    }
    if (length > Py_GetRecursionLimit()) {
      throw ResumeError("a generator of the snapshot delegates to itself, or too deep");
    }
  }
}

void Shells::wake()
{
  if (std::exchange(awake_, true)) {
    return;
  }
  for (const GeneratorState& state : states_) {
    if (state.object) {
      check_generator(state);
    }
  }
  objects_.clear();
  for (GeneratorState& state : states_) {
    if (state.object && state.stage != GeneratorStage::active) {
      make_private(state.frame);
    }
  }
  for (GeneratorState& state : states_) {
    if (!state.object) {
      continue;
    }
    restore_attributes(state);
    if (state.stage != GeneratorStage::active) {
      fill_suspended(state);
      state = GeneratorState{};
    }
  }
}

}  // namespace sauerkraut::resume
