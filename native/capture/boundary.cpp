#include "../cpython/generators.hpp"
// generators.hpp of cpython comes first: it opens CPython's internals.
#include "../errors.hpp"
#include "boundary.hpp"
#include "callables.hpp"
#include "generator_calls.hpp"
#include "operands.hpp"
#include "operations.hpp"
#include "waiting.hpp"

#include <cstring>

namespace sauerkraut::capture {

using code::CallSite;
using code::CodeMap;

namespace {

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
  // What comes in between is given its arguments by position.
  for (int slot = 0; slot < code->co_argcount; ++slot) {
    if (tells_of_an_interruption(local(inner, slot))) {
      return true;
    }
  }
  PyObject* rest = (code->co_flags & CO_VARARGS) != 0
                       ? local(inner, code->co_argcount + code->co_kwonlyargcount)
                       : nullptr;
  if (rest != nullptr && PyTuple_CheckExact(rest)) {
    for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(rest); ++i) {
      if (tells_of_an_interruption(PyTuple_GET_ITEM(rest, i))) {
        return true;
      }
    }
  }
  PyObject* self = argument(inner, 0);
  return PyUnicode_CompareWithASCIIString(code->co_name, "__del__") == 0 ||
         (self != nullptr && runs(on_type(Py_TYPE(self), "__del__"), inner));
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

// Whether a callable is Context.run, which sets the context that its callee runs in: a resumed
// stack would not be in that.
bool sets_context(PyObject* callable)
{
  if (PyCFunction_Check(callable)) {
    PyObject* self = PyCFunction_GET_SELF(callable);
    return self != nullptr && PyContext_CheckExact(self);
  }
  return Py_IS_TYPE(callable, &PyMethodDescr_Type) &&
         reinterpret_cast<PyMethodDescrObject*>(callable)->d_common.d_type == &PyContext_Type;
}

[[noreturn]] void refuse(Frame& outer, Frame& inner, PyObject* callable)
{
  // What cannot be called, or not from C, lies in the slot as an argument: see look_behind().
  const bool known =
      callable == nullptr ||
      (PyCallable_Check(callable) != 0 && !PyFunction_Check(callable) && !PyMethod_Check(callable));
  throw CaptureError(describe(inner) + " was entered from C by " +
                     (known ? name_of(callable) : "a callable that adds an argument") +
                     ", called in " + describe(outer) +
                     ": its state in C cannot be captured; checkpoint outside of it" +
                     (callable != nullptr && known && !sets_context(callable)
                          ? ", or declare it with skt.transparent() if it returns what its "
                            "callee returns"
                          : ""));
}

CallSite site_of(Frame& outer, Frame& inner)
{
  CallSite site;
  if (!CodeMap::of(Layout::code(outer)).call_site(Layout::unit(outer), site) ||
      site.waits == cpython::Waits::yield) {  // throw() and close() hand on to what it delegates to
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
  if (cpython::is_generator(inner)) {
    if (steps_into(outer, pending.site, cpython::generator_of(inner), pending)) {
      return pending;
    }
    refuse(outer, inner, callable_of(outer, pending.site));
  }
  if (!from_c) {
    // CPython inlined the call: its operands are gone and the depth is saved.
    // A getter whose value will be called finds the NULL of that call on the stack already.
    const bool has_null = pending.site.yields == 2 && Layout::null_below_callable;
    const int above = Layout::saved_depth(outer) - pending.site.kept;
    if (above != 0 && !(has_null && above == 1)) {
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
  if (calls_through(outer, pending.site, inner, pending) ||
      runs_special_method(outer, pending.site, inner, pending)) {
    return pending;
  }
  refuse(outer, inner, callable_of(outer, pending.site));
}

// Whether an inlined __init__ belongs to a class call, whose trampoline greenlets hide: its value
// is then the new object. Where the value is dropped, or handed on by the __init__ of a derived
// class, it is a plain call, or makes no difference.
bool returns_new_object(Frame& outer, const CallSite& site, Frame& inner)
{
  PyObject* self = argument(inner, 0);
  if (!is_special_method(inner, self, "__init__")) {
    return false;
  }
  const code::Instruction* next = CodeMap::of(Layout::code(outer)).instruction(site.next);
  return next != nullptr && next->opcode != POP_TOP && argument(outer, 0) != self;
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
    pending.object = Owned::share(argument(*inner, 0));
  }
  return pending;
}

}  // namespace sauerkraut::capture
