#include "../cpython/generators.hpp"
// generators.hpp of cpython comes first: it opens CPython's internals.
#include "../code/code_map.hpp"
#include "rebuild.hpp"

#include <vector>

namespace sauerkraut::resume {

using capture::Slot;
using code::CallSite;
using code::CodeMap;
using cpython::Layout;

namespace {

PyCodeObject* code_of(const FrameState& state)
{
  return reinterpret_cast<PyCodeObject*>(state.code.get());
}

CallSite site_of(const FrameState& state)
{
  CallSite site{};
  CodeMap::of(code_of(state)).call_site(state.unit, site);  // checked before
  return site;
}

// The free variables of a frame, as its function would hold them.
Owned closure(const FrameState& state)
{
  PyCodeObject* code = code_of(state);
  Owned cells = Owned::take(PyTuple_New(code->co_nfreevars));
  for (int i = 0; cells && i < code->co_nfreevars; ++i) {
    const std::size_t slot =
        static_cast<std::size_t>(code->co_nlocalsplus - code->co_nfreevars + i);
    const bool known = slot < state.slots.size();  // not those of a generator that is yet empty
    PyObject* cell = known ? Py_XNewRef(state.slots[slot].object.get()) : PyCell_New(nullptr);
    if (cell == nullptr) {
      return {};
    }
    PyTuple_SET_ITEM(cells.get(), i, cell);
  }
  return cells;
}

// None for each keyword-only parameter, so that binding the arguments succeeds.
Owned keyword_defaults(PyCodeObject* code)
{
  Owned defaults = Owned::take(PyDict_New());
  for (int i = 0; defaults && i < code->co_kwonlyargcount; ++i) {
    PyObject* name = PyTuple_GET_ITEM(code->co_localsplusnames, code->co_argcount + i);
    if (PyDict_SetItem(defaults.get(), name, Py_None) < 0) {
      return {};
    }
  }
  return defaults;
}

// What `for` and `async for` can both begin to loop over: from CPython 3.15 on a generator
// expression does so before it makes the generator.
Owned no_items()
{
  static PyType_Slot slots[] = {
      {Py_tp_iter, reinterpret_cast<void*>(PyObject_SelfIter)},
      {Py_tp_iternext, reinterpret_cast<void*>(+[](PyObject*) -> PyObject* { return nullptr; })},
      {Py_am_aiter, reinterpret_cast<void*>(PyObject_SelfIter)},
      {Py_am_anext, reinterpret_cast<void*>(PyObject_SelfIter)},
      {0, nullptr}};
  static PyType_Spec spec = {"sauerkraut._native.NoItems", sizeof(PyObject), 0, Py_TPFLAGS_DEFAULT,
                             slots};
  static PyObject* type = PyType_FromSpec(&spec);
  return Owned::take(type != nullptr ? PyObject_CallNoArgs(type) : nullptr);
}

// Moves a captured value to where nothing is.
void put(Frame& frame, int at, Slot& slot)
{
  if (slot.kind == Slot::Kind::number) {
    Layout::put_number(frame, at, slot.number);
  } else {
    Layout::put(frame, at, slot.object.release());
  }
}

}  // namespace

Owned surrogate(const FrameState& state)
{
  PyCodeObject* code = code_of(state);
  Owned function = Owned::take(PyFunction_New(state.code.get(), state.globals.get()));
  if (!function) {
    return {};
  }
  if (code->co_nfreevars > 0) {
    const Owned cells = closure(state);
    if (cells && PyFunction_SetClosure(function.get(), cells.get()) < 0) {
      return {};
    }
    PyErr_Clear();
  }
  if (code->co_kwonlyargcount > 0) {
    const Owned defaults = keyword_defaults(code);
    if (!defaults || PyFunction_SetKwDefaults(function.get(), defaults.get()) < 0) {
      return {};
    }
  }
  return function;
}

PyObject* call_with_none(PyObject* function)
{
  const auto* code = reinterpret_cast<PyCodeObject*>(PyFunction_GET_CODE(function));
  std::vector<PyObject*> nothing(static_cast<std::size_t>(code->co_argcount) + 1, Py_None);
  PyObject* first = PyTuple_GET_SIZE(code->co_localsplusnames) > 0
                        ? PyTuple_GET_ITEM(code->co_localsplusnames, 0)
                        : nullptr;
  Owned items;
  if (Layout::loops_by_index && first != nullptr &&
      PyUnicode_CompareWithASCIIString(first, ".0") == 0) {
    items = no_items();
    if (!items) {
      return nullptr;
    }
    nothing[0] = items.get();
  }
  return PyObject_Vectorcall(function, nothing.data(), static_cast<std::size_t>(code->co_argcount),
                             nullptr);
}

void fill_slots(Frame& frame, FrameState& state)
{
  const int count = static_cast<int>(state.slots.size());
  for (int slot = 0; slot < count; ++slot) {
    if (slot < state.local_count) {
      Layout::clear(frame, slot);
    }
    put(frame, slot, state.slots[static_cast<std::size_t>(slot)]);
  }
  // Operands of the pending call do not exist: nobody may read what lay there.
  const int room = state.local_count + code_of(state)->co_stacksize;
  for (int slot = count; slot < room; ++slot) {
    Layout::put(frame, slot, nullptr);
  }
  Layout::set_depth(frame, count - state.local_count);
  if (state.locals) {
    PyObject* old = frame.f_locals;
    frame.f_locals = state.locals.release();
    Py_XDECREF(old);
  }
}

void fill(Frame& frame, FrameState& state)
{
  const CallSite site = site_of(state);
  Layout::wait_at(frame, site.start, site.next);
  fill_slots(frame, state);
}

void step_into(PyThreadState* state, PyObject* generator)
{
  PyGenObject& raw = cpython::as_generator(generator);
  raw.gi_exc_state.previous_item = state->exc_info;
  state->exc_info = &raw.gi_exc_state;
  cpython::set_running(generator);
}

void step_out(PyThreadState* state, PyObject* generator)
{
  PyGenObject& raw = cpython::as_generator(generator);
  state->exc_info = raw.gi_exc_state.previous_item;
  raw.gi_exc_state.previous_item = nullptr;
}

PyObject* outcome(PyObject* generator, PyObject* result)
{
  if (result == nullptr || cpython::progress_of(generator) == cpython::Progress::suspended) {
    return result;
  }
  const Owned value = Owned::take(result);
  if (PyAsyncGen_CheckExact(generator)) {
    PyErr_SetNone(PyExc_StopAsyncIteration);
    return nullptr;
  }
  const Owned stop = Owned::take(PyObject_CallOneArg(PyExc_StopIteration, value.get()));
  if (stop) {
    PyErr_SetObject(PyExc_StopIteration, stop.get());
  }
  return nullptr;
}

PyObject* first_result(PyObject* value, PyObject* thrown)
{
  if (thrown != nullptr) {
    PyErr_SetObject(reinterpret_cast<PyObject*>(Py_TYPE(thrown)), thrown);
    return nullptr;
  }
  return Py_NewRef(value);
}

}  // namespace sauerkraut::resume
