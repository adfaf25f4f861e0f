#include "../cpython/adapter.hpp"
// adapter.hpp comes first: it opens CPython's internals.
#include "../errors.hpp"
#include "boundary.hpp"
#include "waiting.hpp"

#include <cstring>

namespace sauerkraut::capture {

using code::CallSite;
using code::CodeMap;
using cpython::Frame;
using cpython::Layout;
using cpython::Waits;

namespace {

PyObject* operand(Frame& frame, int position)
{
  return Layout::object_at(frame, Layout::code(frame)->co_nlocalsplus + position);
}

bool runs(PyObject* function, PyCodeObject* code)
{
  return function != nullptr && PyFunction_Check(function) &&
         PyFunction_GET_CODE(function) == reinterpret_cast<PyObject*>(code);
}

// The attribute of a type, found without running code.
PyObject* on_type(PyTypeObject* type, const char* name)
{
  const Owned text = Owned::take(PyUnicode_InternFromString(name));
  PyObject* found = text ? _PyType_Lookup(type, text.get()) : nullptr;
  PyErr_Clear();
  return found;
}

PyTypeObject* partial_type()
{
  static PyObject* type = [] {
    const Owned module = Owned::take(PyImport_ImportModule("functools"));
    PyObject* found = module ? PyObject_GetAttrString(module.get(), "partial") : nullptr;
    PyErr_Clear();
    return found;
  }();
  return reinterpret_cast<PyTypeObject*>(type);
}

// Whether calling `callable` runs `code` and returns its value as it is.
bool passes_through(PyObject* callable, PyCodeObject* code, int depth = 0)
{
  if (callable == nullptr || depth > 16) {
    return false;
  }
  if (PyFunction_Check(callable)) {
    return runs(callable, code);
  }
  if (PyMethod_Check(callable)) {
    return passes_through(PyMethod_GET_FUNCTION(callable), code, depth + 1);
  }
  if (Py_TYPE(callable) == partial_type()) {
    const Owned function = Owned::take(PyObject_GetAttrString(callable, "func"));
    PyErr_Clear();
    return passes_through(function.get(), code, depth + 1);
  }
  if (PyType_Check(callable) || PyCFunction_Check(callable)) {
    return false;
  }
  return runs(on_type(Py_TYPE(callable), "__call__"), code);
}

// What a fast local holds, seen through a cell; null when it is unbound.
PyObject* local(Frame& frame, int slot)
{
  PyObject* value = Layout::object_at(frame, slot);
  return value != nullptr && PyCell_Check(value) ? PyCell_GET(value) : value;
}

PyObject* first_argument(Frame& frame)
{
  return Layout::code(frame)->co_argcount > 0 ? local(frame, 0) : nullptr;
}

// A bound method or partial is called through C with its self written over the slot of
// the callable (PY_VECTORCALL_ARGUMENTS_OFFSET): then the slot holds the first argument.
bool is_method_of(PyObject* object, Frame& inner)
{
  PyCodeObject* code = Layout::code(inner);
  return object != nullptr && object == first_argument(inner) &&
         runs(_PyType_Lookup(Py_TYPE(object), code->co_name), code);
}

// Whether an attribute or item is being fetched by running `inner`: property or __getitem__.
bool fetches_through(Frame& outer, const CallSite& site, Frame& inner)
{
  PyObject* object = operand(outer, site.kept);
  PyCodeObject* code = Layout::code(inner);
  if (site.waits != Waits::operation || object == nullptr) {
    return false;
  }
  if (site.depth - site.kept == 2) {
    return runs(on_type(Py_TYPE(object), "__getitem__"), code);
  }
  if (Py_TYPE(object)->tp_getattro != PyObject_GenericGetAttr) {
    return false;  // an AttributeError of the property would still have to go to __getattr__
  }
  const int place = Layout::attribute_makes_methods ? site.argument >> 1 : site.argument;
  PyObject* name = PyTuple_GET_ITEM(Layout::code(outer)->co_names, place);
  PyObject* found = _PyType_Lookup(Py_TYPE(object), name);
  if (found == nullptr || Py_TYPE(found) != &PyProperty_Type) {
    return false;
  }
  const Owned getter = Owned::take(PyObject_GetAttrString(found, "fget"));
  PyErr_Clear();
  return runs(getter.get(), code);
}

bool tells_of_an_interruption(PyObject* argument)
{
  return argument != nullptr &&
         (PyFrame_Check(argument) ||
          (PyWeakref_Check(argument) &&
           reinterpret_cast<PyWeakReference*>(argument)->wr_object == Py_None));
}

// Whether `inner` was not called by its caller but came in between: a finalizer, a callback of
// a weak reference, a signal handler, a trace function. Its caller may have given up the
// operands of its call by then, so they must not be looked at.
bool interrupts(Frame& inner)
{
  PyCodeObject* code = Layout::code(inner);
  const int named = code->co_argcount + code->co_kwonlyargcount;
  const int arguments = named + ((code->co_flags & CO_VARARGS) != 0 ? 1 : 0);
  for (int slot = 0; slot < arguments; ++slot) {
    PyObject* value = local(inner, slot);
    if (tells_of_an_interruption(value)) {
      return true;
    }
    if (slot == named && value != nullptr && PyTuple_CheckExact(value)) {
      for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(value); ++i) {
        if (tells_of_an_interruption(PyTuple_GET_ITEM(value, i))) {
          return true;
        }
      }
    }
  }
  PyObject* self = arguments > 0 ? local(inner, 0) : nullptr;
  return PyUnicode_CompareWithASCIIString(code->co_name, "__del__") == 0 ||
         (self != nullptr && runs(on_type(Py_TYPE(self), "__del__"), code));
}

// The object whose __init__ `inner` runs, when `callable` is a plain class; else null.
PyObject* initialised_object(PyObject* callable, Frame& inner)
{
  if (callable == nullptr || !PyType_Check(callable) ||
      Py_TYPE(callable)->tp_call != PyType_Type.tp_call || Layout::code(inner)->co_argcount < 1) {
    return nullptr;
  }
  PyObject* self = first_argument(inner);
  auto* type = reinterpret_cast<PyTypeObject*>(callable);
  if (self == nullptr || !PyObject_TypeCheck(self, type)) {
    return nullptr;
  }
  return runs(on_type(Py_TYPE(self), "__init__"), Layout::code(inner)) ? self : nullptr;
}

// A bound method and functools.partial lay the argument they add over their own slot while
// they call. A callable cannot be recognised by that, but what cannot be called was laid there.
bool passes_with_argument(PyObject* operand, Frame& inner)
{
  if (operand == nullptr || PyCallable_Check(operand) != 0) {
    return false;
  }
  const int arguments = Layout::code(inner)->co_argcount;
  // The second one where a partial calls a bound method.
  return (arguments > 0 && local(inner, 0) == operand) ||
         (arguments > 1 && local(inner, 1) == operand);
}

// The callable of a C call in flight: its operands are kept until it returns.
PyObject* callable_of(Frame& outer, const CallSite& site)
{
  if (site.waits == Waits::operation) {
    return nullptr;
  }
  PyObject* first = operand(outer, site.kept);
  if (!Layout::null_below_callable) {
    return first;
  }
  if (site.waits == Waits::call_ex) {
    // Once the call is done its result lies there, and the callable is gone.
    return first == nullptr ? operand(outer, site.kept + 1) : nullptr;
  }
  return first != nullptr ? first : operand(outer, site.kept + 1);
}

std::string name_of(PyObject* callable)
{
  if (callable == nullptr) {
    return "an operation that runs in C";
  }
  std::string name = Py_TYPE(callable)->tp_name;
  for (const char* attribute : {"__qualname__", "__name__"}) {
    const Owned text = Owned::take(PyObject_GetAttrString(callable, attribute));
    PyErr_Clear();
    if (text && PyUnicode_Check(text.get())) {
      if (const char* utf8 = PyUnicode_AsUTF8(text.get())) {
        name += std::string(" ") + utf8;
        break;
      }
      PyErr_Clear();
    }
  }
  return name;
}

[[noreturn]] void refuse(Frame& outer, Frame& inner, PyObject* callable)
{
  // The slot of what cannot be called holds an argument: see passes_with_argument().
  const bool known = callable == nullptr || PyCallable_Check(callable) != 0;
  throw CaptureError(describe(inner) + " was entered from C by " +
                     (known ? name_of(callable) : "a callable that adds an argument") +
                     ", called in " + describe(outer) +
                     ": its state in C cannot be captured; checkpoint outside of it");
}

CallSite site_of(Frame& outer, Frame& inner)
{
  CallSite site;
  if (!CodeMap::of(Layout::code(outer)).call_site(Layout::unit(outer), site)) {
    refuse(outer, inner, nullptr);
  }
  return site;
}

Pending operation(Frame& outer, Frame& inner, bool from_c)
{
  Pending pending;
  pending.site = site_of(outer, inner);
  if (const FrameState* state = waiting_state(&outer)) {
    pending.continuation = state->continuation;
    pending.object = state->pending_object;
    return pending;
  }
  if (!from_c) {
    // CPython inlined the call: its operands are gone and the depth is saved.
    if (Layout::saved_depth(outer) != pending.site.kept) {
      throw CaptureError(describe(outer) + ": the value stack is not as its bytecode says");
    }
    if (Layout::is_init_shim(inner)) {
      pending.continuation = Continuation::push_object;
      pending.object = Owned::share(Layout::object_at(inner, 0));
      if (!pending.object) {
        refuse(outer, inner, nullptr);
      }
    }
    return pending;
  }
  if (interrupts(inner)) {
    throw CaptureError(describe(inner) +
                       " is a finalizer, a callback or a signal handler that came in between in " +
                       describe(outer) + ": checkpoint outside of it");
  }
  PyObject* callable = callable_of(outer, pending.site);
  if (passes_through(callable, Layout::code(inner)) || is_method_of(callable, inner) ||
      passes_with_argument(callable, inner) || fetches_through(outer, pending.site, inner)) {
    return pending;
  }
  if (PyObject* self = initialised_object(callable, inner)) {
    pending.continuation = Continuation::push_object;
    pending.object = Owned::share(self);
    return pending;
  }
  refuse(outer, inner, callable);
}

// Whether an inlined __init__ belongs to a class call, whose trampoline greenlets hide: its value
// is then the new object. Where the value is dropped, or handed on by the __init__ of a derived
// class, it is a plain call, or makes no difference.
bool returns_new_object(Frame& outer, const CallSite& site, Frame& inner)
{
  PyObject* self = first_argument(inner);
  if (self == nullptr || !runs(on_type(Py_TYPE(self), "__init__"), Layout::code(inner))) {
    return false;
  }
  const code::Instruction* next = CodeMap::of(Layout::code(outer)).instruction(site.next);
  return next != nullptr && next->opcode != POP_TOP && first_argument(outer) != self;
}

// Whether a callable is greenlet.switch or greenlet.throw, bound or not.
bool switches(PyObject* callable, PyTypeObject* greenlet)
{
  const char* name = nullptr;
  if (callable != nullptr && PyCFunction_Check(callable)) {
    PyObject* self = PyCFunction_GET_SELF(callable);
    if (self != nullptr && PyObject_TypeCheck(self, greenlet)) {
      name = reinterpret_cast<PyCFunctionObject*>(callable)->m_ml->ml_name;
    }
  } else if (callable != nullptr && Py_IS_TYPE(callable, &PyMethodDescr_Type)) {
    const auto* method = reinterpret_cast<PyMethodDescrObject*>(callable);
    if (method->d_common.d_type == greenlet) {
      name = method->d_method->ml_name;
    }
  }
  return name != nullptr && (std::strcmp(name, "switch") == 0 || std::strcmp(name, "throw") == 0);
}

Pending switch_operation(Frame& frame, PyTypeObject* greenlet)
{
  Pending pending;
  const bool waits = CodeMap::of(Layout::code(frame)).call_site(Layout::unit(frame), pending.site);
  PyObject* callable = waits ? callable_of(frame, pending.site) : nullptr;
  if (!switches(callable, greenlet)) {
    throw CaptureError("the greenlet was switched away from inside " + name_of(callable) +
                       ", called in " + describe(frame) +
                       ": its state in C cannot be captured; switch from a Python function");
  }
  return pending;
}

}  // namespace

int line_of(Frame& frame)
{
  const int unit = Layout::unit(frame);
  const int line = PyCode_Addr2Line(Layout::code(frame), unit * (int)sizeof(_Py_CODEUNIT));
  return line > 0 ? line : 0;
}

std::string describe(Frame& frame)
{
  PyCodeObject* code = Layout::code(frame);
  const char* name = PyUnicode_AsUTF8(code->co_qualname);
  const char* file = PyUnicode_AsUTF8(code->co_filename);
  PyErr_Clear();
  return std::string(name != nullptr ? name : "?") + "() at " + (file != nullptr ? file : "?") +
         ":" + std::to_string(line_of(frame));
}

Pending pending_operation(Frame& outer, Frame& inner)
{
  return operation(outer, inner, Layout::entered_from_c(inner));
}

Pending suspended_operation(Frame& outer, Frame* inner, PyTypeObject* greenlet)
{
  if (inner == nullptr) {
    return switch_operation(outer, greenlet);
  }
  const CallSite site = site_of(outer, *inner);
  // Without the C stack only the saved depth tells that CPython inlined the call.
  const bool inlined = Layout::saved_depth(outer) == site.kept;
  Pending pending = operation(outer, *inner, !inlined);
  if (inlined && waiting_state(&outer) == nullptr && returns_new_object(outer, site, *inner)) {
    pending.continuation = Continuation::push_object;
    pending.object = Owned::share(first_argument(*inner));
  }
  return pending;
}

}  // namespace sauerkraut::capture
