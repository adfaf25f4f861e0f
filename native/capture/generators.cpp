#include "../cpython/generators.hpp"
// generators.hpp of cpython comes first: it opens CPython's internals.
#include "../code/code_map.hpp"
#include "../errors.hpp"
#include "boundary.hpp"
#include "generators.hpp"
#include "slots.hpp"

#include <algorithm>

namespace sauerkraut::capture {

using code::CallSite;
using code::CodeMap;
using cpython::Frame;
using cpython::Layout;
using cpython::Progress;
using cpython::Waits;

namespace {

// The frame of a generator that is not running: it says how deep its stack is.
void read_frame(PyObject* generator, GeneratorState& state)
{
  Frame& frame = cpython::frame_of(generator);
  PyCodeObject* code = Layout::code(frame);
  CallSite site;
  const Waits waits = state.stage == GeneratorStage::created ? Waits::start : Waits::yield;
  if (!CodeMap::of(code).call_site(Layout::suspended_unit(frame), site) || site.waits != waits ||
      Layout::saved_depth(frame) != site.kept) {
    throw CaptureError(describe(frame) + ": the value stack is not as its bytecode says");
  }
  if ((code->co_flags & CO_OPTIMIZED) == 0) {
    throw CaptureError(describe(frame) +
                       " is a coroutine of module-level code; await inside of "
                       "a function");
  }
  state.frame.unit = site.start;
  state.frame.line = line_of(frame);
  state.frame.local_count = code->co_nlocalsplus;
  state.frame.slots = read_slots(frame, code->co_nlocalsplus + site.kept);
  state.frame.locals = kept_locals(frame);
}

std::uint8_t flags_of(PyObject* generator)
{
  const PyAsyncGenObject& async = cpython::as_async(generator);
  return static_cast<std::uint8_t>((async.ag_hooks_inited != 0 ? hooks_asked : 0) |
                                   (async.ag_closed != 0 ? closed : 0) |
                                   (async.ag_running_async != 0 ? running_async : 0));
}

}  // namespace

Generators::Generators(const Stack& stack) : active_(std::in_place)
{
  for (const FrameState& frame : stack.frames) {
    if (frame.generator) {
      active_->push_back(frame.generator);
    }
  }
}

void Generators::clear()
{
  met_.clear();
  places_.clear();
}

std::optional<std::size_t> Generators::place_of(PyObject* generator)
{
  if (const auto found = places_.find(generator); found != places_.end()) {
    return found->second;
  }
  const Progress progress = cpython::progress_of(generator);
  if (progress == Progress::finished) {
    return std::nullopt;
  }
  Frame& frame = cpython::frame_of(generator);
  const PyGenObject& raw = cpython::as_generator(generator);
  GeneratorState state;
  state.object = Owned::share(generator);
  state.name = Owned::share(raw.gi_name);
  state.qualname = Owned::share(raw.gi_qualname);
  state.handled = Owned::share(raw.gi_exc_state.exc_value);
  state.frame.code = Owned::share(reinterpret_cast<PyObject*>(Layout::code(frame)));
  state.frame.globals = Owned::share(frame.f_globals);
  if (PyAsyncGen_CheckExact(generator)) {
    if (raw.gi_origin_or_finalizer != nullptr) {
      throw CaptureError(describe(frame) +
                         " belongs to an event loop (sys.set_asyncgen_hooks); "
                         "run it to its end before the checkpoint");
    }
    state.flags = flags_of(generator);
  }
  if (progress == Progress::running) {
    if (active_ && std::none_of(active_->begin(), active_->end(),
                                [&](const Owned& each) { return each.get() == generator; })) {
      throw CaptureError(describe(frame) +
                         " is running outside of the captured frames; capture "
                         "from further out (base), or do not keep it");
    }
    state.stage = GeneratorStage::active;
  } else {
    state.stage =
        progress == Progress::created ? GeneratorStage::created : GeneratorStage::suspended;
    read_frame(generator, state);
  }
  met_.push_back(std::move(state));
  places_.emplace(generator, met_.size() - 1);
  return met_.size() - 1;
}

}  // namespace sauerkraut::capture
