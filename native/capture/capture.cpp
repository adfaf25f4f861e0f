#include "../cpython/generators.hpp"
// generators.hpp of cpython comes first: it opens CPython's internals.
#include "../errors.hpp"
#include "boundary.hpp"
#include "capture.hpp"
#include "slots.hpp"

#include <algorithm>
#include <utility>

namespace sauerkraut::capture {

using code::Kind;
using cpython::Frame;
using cpython::Layout;

namespace {

bool is_module_body(Frame& frame)
{
  return (Layout::code(frame)->co_flags & CO_OPTIMIZED) == 0 && frame.f_locals == frame.f_globals;
}

FrameState read(Frame& frame, const Pending& pending)
{
  PyCodeObject* code = Layout::code(frame);
  FrameState state;
  state.code = Owned::share(reinterpret_cast<PyObject*>(code));
  state.globals = Owned::share(frame.f_globals);
  const bool is_function = (code->co_flags & CO_OPTIMIZED) != 0;
  state.locals = is_function ? kept_locals(frame) : Owned::share(frame.f_locals);
  state.unit = pending.site.start;
  state.line = line_of(frame);
  state.continuation = pending.continuation;
  state.pending_object = pending.object;
  if (cpython::is_generator(frame)) {
    state.generator = Owned::share(cpython::generator_of(frame));
  }
  state.local_count = code->co_nlocalsplus;
  state.slots = read_slots(frame, code->co_nlocalsplus + pending.site.kept);
  return state;
}

bool is_base(Frame& frame, PyObject* base)
{
  return base == reinterpret_cast<PyObject*>(Layout::code(frame)) ||
         (frame.frame_obj != nullptr && base == reinterpret_cast<PyObject*>(frame.frame_obj));
}

bool is_marked(Frame& frame, PyObject* markers)
{
  auto* code = reinterpret_cast<PyObject*>(Layout::code(frame));
  for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(markers); ++i) {
    if (PyTuple_GET_ITEM(markers, i) == code) {
      return true;
    }
  }
  return false;
}

// Refuses an outermost frame whose value is not that of the call in the function that is marked
// first: another is made of it in C, by sorted() of its key's or by a class of its __init__'s.
void check_entry(Frame* caller, Frame& inner, PyObject* markers)
{
  if (caller == nullptr || PyTuple_GET_SIZE(markers) == 0 ||
      PyTuple_GET_ITEM(markers, 0) != reinterpret_cast<PyObject*>(Layout::code(*caller))) {
    return;
  }
  if (pending_operation(*caller, inner).continuation != Continuation::push) {
    throw CaptureError(describe(*caller) +
                       " calls a class, whose __init__ would be the outermost frame and returns no "
                       "object: call it in a function, and that instead");
  }
}

void refuse_generator(Frame& frame)
{
  if (cpython::is_generator(frame)) {
    throw CaptureError(describe(frame) +
                       " is a generator or coroutine that runs in a greenlet, which cannot be "
                       "captured; switch outside of it");
  }
}

// The exception that a frame handles: null where it handles none. While the body of a `finally` or
// an __exit__ runs it lies on the value stack, above the one handled before; the body of an
// `except` keeps the latter only.
Owned handled_in(Frame& frame, const FrameState& state)
{
  const auto kinds = code::CodeMap::of(Layout::code(frame)).stack(state.unit);
  const std::size_t kept = state.slots.size() - static_cast<std::size_t>(state.local_count);
  for (std::size_t at = std::min(kept, kinds.size()); at-- > 0;) {
    const Kind kind = kinds[at];
    if (kind == Kind::exception && at > 0 && kinds[at - 1] == Kind::exception_or_none) {
      return state.slots[static_cast<std::size_t>(state.local_count) + at].object;
    }
    if (kind == Kind::exception_or_none || kind == Kind::exception_list) {
      throw CaptureError("the greenlet was switched away from inside the except block of " +
                         describe(frame) +
                         ": which exception it handles is not known outside of it; switch "
                         "after it");
    }
  }
  return {};
}

// The exception that the frames handle, but for what each running generator handles itself.
Owned handled_outside_of_generators(PyThreadState* state, const Stack& stack)
{
  const _PyErr_StackItem* item = state->exc_info;
  // Innermost first, so that the last one found is the outermost.
  for (const FrameState& frame : stack.frames) {
    if (frame.generator) {
      item = cpython::as_generator(frame.generator.get()).gi_exc_state.previous_item;
    }
  }
  while (item != nullptr && (item->exc_value == nullptr || item->exc_value == Py_None)) {
    item = item->previous_item;
  }
  return Owned::share(item != nullptr ? item->exc_value : nullptr);
}

// Turns a stack whose frames were found innermost first.
Stack finished(Stack stack)
{
  if (stack.frames.empty()) {
    throw CaptureError("there is no function to capture: module-level code needs a base");
  }
  std::reverse(stack.frames.begin(), stack.frames.end());
  return stack;
}

}  // namespace

Stack capture_stack(PyObject* innermost, PyObject* base, PyObject* markers)
{
  PyThreadState* state = PyThreadState_Get();
  Frame* start = cpython::frame_of(reinterpret_cast<PyFrameObject*>(innermost));
  Frame* inner = Layout::current(state);
  while (inner != nullptr && Layout::caller(*inner) != start) {
    inner = Layout::caller(*inner);
  }
  if (inner == nullptr) {
    throw CaptureError("the innermost frame is not on this thread's stack, or calls nothing");
  }
  if (base != nullptr) {
    Frame* frame = start;
    while (frame != nullptr && (Layout::is_init_shim(*frame) || !is_base(*frame, base))) {
      frame = Layout::caller(*frame);
    }
    if (frame == nullptr) {
      throw CaptureError("base is not on the call stack of this thread");
    }
  }
  // Where somebody marked the base, module bodies on the way there are frames like others.
  bool marked = false;
  for (Frame* frame = start; base == nullptr && frame != nullptr && !marked;
       frame = Layout::caller(*frame)) {
    marked = !Layout::is_init_shim(*frame) && is_marked(*frame, markers);
  }
  Stack stack;
  bool found = false;
  for (Frame* frame = start; frame != nullptr && !found; frame = Layout::caller(*frame)) {
    if (Layout::is_init_shim(*frame)) {
      inner = frame;  // its caller asks the shim for the new object
      continue;
    }
    const bool at_base = base != nullptr && is_base(*frame, base);
    if (base == nullptr && (marked ? is_marked(*frame, markers) : is_module_body(*frame))) {
      check_entry(frame, *inner, markers);
      break;
    }
    stack.frames.push_back(read(*frame, pending_operation(*frame, *inner)));
    inner = frame;
    found = at_base;
  }
  if (found) {
    Frame* caller = Layout::caller(*inner);
    if (caller != nullptr && Layout::is_init_shim(*caller)) {
      inner = caller;
      caller = Layout::caller(*caller);
    }
    check_entry(caller, *inner, markers);
  }
  if (!stack.frames.empty() && stack.frames.back().generator) {
    throw CaptureError(describe(*inner) +
                       " is a generator or coroutine: capture from further out (base), where "
                       "something steps into it");
  }
  stack.handled = handled_outside_of_generators(state, stack);
  return finished(std::move(stack));
}

Stack capture_suspended(PyObject* frames, PyObject* base, PyObject* markers, PyObject* greenlet)
{
  Stack stack;
  Frame* inner = nullptr;
  bool found = false;
  for (Py_ssize_t i = 0; i < PyList_GET_SIZE(frames) && !found; ++i) {
    Frame* frame = cpython::frame_of(reinterpret_cast<PyFrameObject*>(PyList_GET_ITEM(frames, i)));
    if (base == nullptr && (is_module_body(*frame) || is_marked(*frame, markers))) {
      break;
    }
    refuse_generator(*frame);
    stack.frames.push_back(read(
        *frame, suspended_operation(*frame, inner, reinterpret_cast<PyTypeObject*>(greenlet))));
    if (!stack.handled) {
      stack.handled = handled_in(*frame, stack.frames.back());
    }
    inner = frame;
    found = base != nullptr && is_base(*frame, base);
  }
  return finished(std::move(stack));
}

std::pair<PyObject*, int> probe(PyObject* frame)
{
  const Frame* internal = cpython::frame_of(reinterpret_cast<PyFrameObject*>(frame));
  return {reinterpret_cast<PyObject*>(Layout::code(*internal)), Layout::unit(*internal)};
}

}  // namespace sauerkraut::capture
