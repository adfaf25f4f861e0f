#include "../cpython/adapter.hpp"
// adapter.hpp comes first: it opens CPython's internals.
#include "attributes.hpp"
#include "callables.hpp"
#include "capture.hpp"
#include "driving.hpp"
#include "operands.hpp"
#include "operations.hpp"
#include "partials.hpp"

#include <algorithm>
#include <cstring>
#include <iterator>

namespace sauerkraut::capture {

using code::CallSite;
using cpython::Waits;

namespace {

// CPython does not export this type: x.__str__ of a class written in C.
PyTypeObject* method_wrapper_type()
{
  static PyTypeObject* type = [] {
    const Owned one = Owned::take(PyObject_GetAttrString(Py_None, "__str__"));
    PyErr_Clear();
    return one ? Py_TYPE(one.get()) : nullptr;
  }();
  return type;
}

bool passes(PyObject* callable, const Frame& inner, int depth)
{
  if (callable == nullptr || depth > 16) {
    return false;
  }
  if (PyFunction_Check(callable)) {
    return runs(callable, inner);
  }
  if (PyMethod_Check(callable)) {
    return passes(PyMethod_GET_FUNCTION(callable), inner, depth + 1);
  }
  if (const Owned function = function_of_partial(callable)) {
    return passes(function.get(), inner, depth + 1);
  }
  if (PyCFunction_Check(callable)) {
    return false;
  }
  return runs(on_type(Py_TYPE(callable), "__call__"), inner);  // of a metaclass, for a class
}

// A bound method that is called through C lays its self over its own slot
// (PY_VECTORCALL_ARGUMENTS_OFFSET), which then holds the first argument.
bool is_method_of(PyObject* object, const Frame& inner)
{
  return object != nullptr && object == argument(inner, 0) &&
         runs(on_type(Py_TYPE(object), Layout::code(inner)->co_name), inner);
}

bool is_plain_class(PyObject* callable)
{
  return callable != nullptr && PyType_Check(callable) &&
         Py_TYPE(callable)->tp_call == PyType_Type.tp_call;
}

// Whether making an object of `type`, before its __init__, may go over what is given and so make
// others of the same class: tuple(), frozenset().
bool goes_over_arguments(PyTypeObject* type)
{
  static const PyTypeObject* const others[] = {&PyBaseObject_Type,
                                               &PyType_Type,
                                               &PyList_Type,
                                               &PyDict_Type,
                                               &PySet_Type,
                                               reinterpret_cast<PyTypeObject*>(PyExc_BaseException),
                                               reinterpret_cast<PyTypeObject*>(PyExc_OSError)};
  const bool leaves = std::any_of(std::begin(others), std::end(others),
                                  [&](const auto* other) { return type->tp_new == other->tp_new; });
  PyObject* found = leaves ? nullptr : on_type(type, "__new__");
  return found != nullptr && !Py_IS_TYPE(found, &PyStaticMethod_Type);  // one in Python has a frame
}

// The object whose __init__ `inner` runs, called by type.__call__ of a class; else null.
PyObject* initialised_object(PyObject* callable, const Frame& inner)
{
  PyObject* self = argument(inner, 0);
  auto* type = reinterpret_cast<PyTypeObject*>(callable);
  return self != nullptr && PyObject_TypeCheck(self, type) &&
                 is_special_method(inner, self, "__init__") &&
                 !(goes_over_arguments(type) && is_driven_by_any(inner))
             ? self
             : nullptr;
}

// The positional arguments of a call; null beyond the last.
class Arguments {
 public:
  Arguments(const Frame& frame, int first, int count) : frame_(frame), first_(first), count_(count)
  {
  }
  int count() const { return count_; }
  PyObject* operator[](int place) const
  {
    return place < count_ ? operand(frame_, first_ + place) : nullptr;
  }

 private:
  const Frame& frame_;
  int first_;
  int count_;
};

bool set(Pending& pending, Continuation continuation, PyObject* object = nullptr)
{
  pending.continuation = continuation;
  pending.object = Owned::share(object);
  return true;
}

bool method_of_first(const Arguments& arguments, const Frame& inner, const char* method)
{
  return is_special_method(inner, arguments[0], method);
}

bool runs_code(PyObject* source, const Frame& inner)
{
  PyCodeObject* code = Layout::code(inner);
  if (source == reinterpret_cast<PyObject*>(code)) {
    return true;
  }
  return source != nullptr && (PyUnicode_Check(source) || PyBytes_Check(source)) &&
         (code->co_flags & CO_OPTIMIZED) == 0 &&
         PyUnicode_CompareWithASCIIString(code->co_name, "<module>") == 0 &&
         PyUnicode_CompareWithASCIIString(code->co_filename, "<string>") == 0;
}

bool gets_attribute(const Arguments& arguments, const Frame& inner, Pending& pending)
{
  if (!reads_attribute(arguments[0], arguments[1], inner, pending)) {
    return false;
  }
  if (PyObject* fallback = arguments[2]) {
    // Without a pending object the interpreter has nothing left to try but the default.
    PyObject* owner = pending.object ? arguments[0] : Py_None;
    pending.continuation = Continuation::attribute;
    pending.object = Owned::take(PyTuple_Pack(3, owner, arguments[1], fallback));
  }
  return true;
}

// What built-in functions do with the value of the special method they call. The rules have
// the signature below; a built-in without one is refused.
using Rule = bool (*)(const Arguments&, const Frame&, Pending&);

struct Builtin {
  const char* name;
  Rule rule;
};

constexpr Builtin builtins[] = {
    {"exec",
     [](const Arguments& given, const Frame& inner, Pending& pending) {
       return runs_code(given[0], inner) && set(pending, Continuation::none);
     }},
    {"eval", [](const Arguments& given, const Frame& inner,
                Pending&) { return runs_code(given[0], inner); }},
    {"len",
     [](const Arguments& given, const Frame& inner, Pending& pending) {
       return method_of_first(given, inner, "__len__") && set(pending, Continuation::length);
     }},
    {"bool", [](const Arguments& given, const Frame& inner,
                Pending& pending) { return tells_truth(given[0], inner, pending); }},
    {"iter",
     [](const Arguments& given, const Frame& inner, Pending& pending) {
       return given.count() == 1 && method_of_first(given, inner, "__iter__") &&
              set(pending, Continuation::iterator);
     }},
    {"next",
     [](const Arguments& given, const Frame& inner, Pending& pending) {
       return makes_next(given[0], inner) &&
              (given.count() == 1 || set(pending, Continuation::next_or, given[1]));
     }},
    {"hash",
     [](const Arguments& given, const Frame& inner, Pending& pending) {
       return method_of_first(given, inner, "__hash__") && set(pending, Continuation::hash);
     }},
    {"abs", [](const Arguments& given, const Frame& inner,
               Pending&) { return method_of_first(given, inner, "__abs__"); }},
    {"round", [](const Arguments& given, const Frame& inner,
                 Pending&) { return method_of_first(given, inner, "__round__"); }},
    {"reversed", [](const Arguments& given, const Frame& inner,
                    Pending&) { return method_of_first(given, inner, "__reversed__"); }},
    {"str",
     [](const Arguments& given, const Frame& inner, Pending& pending) {
       return given.count() == 1 && makes_text(given[0], "__str__", nullptr, inner, pending);
     }},
    {"repr",
     [](const Arguments& given, const Frame& inner, Pending& pending) {
       return makes_text(given[0], "__repr__", nullptr, inner, pending);
     }},
    {"format",
     [](const Arguments& given, const Frame& inner, Pending& pending) {
       return makes_text(given[0], "__format__", nullptr, inner, pending);
     }},
    {"getattr", gets_attribute},
    {"setattr",
     [](const Arguments& given, const Frame& inner, Pending& pending) {
       return sets_attribute(given[0], given[1], inner) && set(pending, Continuation::none);
     }},
    {"delattr",
     [](const Arguments& given, const Frame& inner, Pending& pending) {
       return deletes_attribute(given[0], given[1], inner) && set(pending, Continuation::none);
     }},
};

bool is_builtin(PyObject* callable, const char* name)
{
  if (PyCFunction_Check(callable)) {
    const auto* function = reinterpret_cast<PyCFunctionObject*>(callable);
    return std::strcmp(function->m_ml->ml_name, name) == 0 &&
           function == reinterpret_cast<PyCFunctionObject*>(
                           PyDict_GetItemString(PyEval_GetBuiltins(), name));
  }
  return (callable == reinterpret_cast<PyObject*>(&PyBool_Type) && !std::strcmp(name, "bool")) ||
         (callable == reinterpret_cast<PyObject*>(&PyUnicode_Type) && !std::strcmp(name, "str")) ||
         (callable == reinterpret_cast<PyObject*>(&PyReversed_Type) &&
          !std::strcmp(name, "reversed"));
}

bool has_positions(const CallSite& site)
{
  return site.waits == Waits::call || site.waits == Waits::precall;
}

// Whether a call gives a self beside its callable, in the slot that is NULL otherwise.
bool gives_self(const Frame& outer, const CallSite& site)
{
  return operand(outer, site.kept + (Layout::null_below_callable ? 0 : 1)) != nullptr;
}

bool calls_builtin(PyObject* callable, const Frame& outer, const CallSite& site, const Frame& inner,
                   Pending& pending)
{
  if (!has_positions(site) || callable == nullptr || gives_self(outer, site)) {
    return false;
  }
  for (const Builtin& known : builtins) {
    if (is_builtin(callable, known.name)) {
      return known.rule(Arguments(outer, site.kept + 2, site.argument), inner, pending);
    }
  }
  return false;
}

// What a C method that wraps a slot of its class runs: super().__call__(...) in a metaclass,
// object.__setattr__(self, ...), function.__call__.
bool runs_slot(PyObject* descriptor, const Arguments& given, PyObject* self, const Frame& inner,
               Pending& pending)
{
  auto is = [&](PyTypeObject& type, const char* name) {
    return is_same_method(descriptor, on_type(&type, name));
  };
  if (is(PyType_Type, "__call__")) {
    PyObject* made = initialised_object(self, inner);
    return made != nullptr && set(pending, Continuation::push_object, made);
  }
  if (is(PyFunction_Type, "__call__") || is(PyMethod_Type, "__call__")) {
    return passes_through(self, inner);
  }
  if (is(PyBaseObject_Type, "__getattribute__")) {
    return reads_plainly(self, given[0], inner);
  }
  if (is(PyBaseObject_Type, "__setattr__")) {
    return sets_plainly(self, given[0], inner) && set(pending, Continuation::none);
  }
  return is(PyBaseObject_Type, "__delattr__") && deletes_plainly(self, given[0], inner) &&
         set(pending, Continuation::none);
}

bool calls_slot(PyObject* callable, const Frame& outer, const CallSite& site, const Frame& inner,
                Pending& pending)
{
  if (callable == nullptr) {
    return false;
  }
  const int first = site.kept + 2;
  const int count = has_positions(site) ? site.argument : 0;
  if (Py_TYPE(callable) == method_wrapper_type()) {
    const Owned type = Owned::take(PyObject_GetAttrString(callable, "__objclass__"));
    const Owned name = Owned::take(PyObject_GetAttrString(callable, "__name__"));
    const Owned self = Owned::take(PyObject_GetAttrString(callable, "__self__"));
    PyErr_Clear();
    return type && name && self && PyType_Check(type.get()) &&
           runs_slot(on_type(reinterpret_cast<PyTypeObject*>(type.get()), name.get()),
                     Arguments(outer, first, count), self.get(), inner, pending);
  }
  if (Py_TYPE(callable) != &PyWrapperDescr_Type || !has_positions(site)) {
    return false;
  }
  if (gives_self(outer, site)) {
    PyObject* self = operand(outer, site.kept + 1);
    return runs_slot(callable, Arguments(outer, first, count), self, inner, pending);
  }
  return count > 0 && runs_slot(callable, Arguments(outer, first + 1, count - 1),
                                operand(outer, first), inner, pending);
}

// Kept for ever: a declaration is about code.
std::vector<PyObject*>& declared()
{
  static auto* all = new std::vector<PyObject*>;
  return *all;
}

bool is_transparent(PyObject* callable)
{
  if (callable == nullptr) {
    return false;
  }
  for (PyObject* known : declared()) {
    if (known == callable || known == reinterpret_cast<PyObject*>(Py_TYPE(callable))) {
      return true;
    }
    if (!PyCFunction_Check(callable)) {
      continue;
    }
    // A bound method in C is a new object each time.
    const auto* function = reinterpret_cast<PyCFunctionObject*>(callable);
    if ((Py_TYPE(known) == &PyMethodDescr_Type &&
         reinterpret_cast<PyMethodDescrObject*>(known)->d_method == function->m_ml) ||
        (PyCFunction_Check(known) &&
         reinterpret_cast<PyCFunctionObject*>(known)->m_ml == function->m_ml &&
         reinterpret_cast<PyCFunctionObject*>(known)->m_self == function->m_self)) {
      return true;
    }
  }
  return false;
}

}  // namespace

bool passes_through(PyObject* callable, const Frame& inner)
{
  return passes(callable, inner, 0);
}

PyObject* callable_of(const Frame& outer, const CallSite& site)
{
  if (site.waits != Waits::call && site.waits != Waits::precall && site.waits != Waits::call_kw &&
      site.waits != Waits::call_ex) {
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

bool calls_through(const Frame& outer, const CallSite& site, const Frame& inner, Pending& pending)
{
  if (may_be_unpacking(outer, site, inner)) {
    return false;
  }
  PyObject* callable = callable_of(outer, site);
  const bool is_bound = has_positions(site) && gives_self(outer, site);
  if (Layout::null_below_callable && has_positions(site) && !is_bound) {
    const Slotted what = look_behind(callable, outer, site, inner);
    if (what != Slotted::callable) {
      return what == Slotted::handed_on;
    }
  }
  if (passes_through(callable, inner) || (is_bound && is_method_of(callable, inner)) ||
      is_transparent(callable)) {
    return true;
  }
  PyObject* made = is_plain_class(callable) ? initialised_object(callable, inner) : nullptr;
  if (made != nullptr) {
    return set(pending, Continuation::push_object, made);
  }
  return calls_builtin(callable, outer, site, inner, pending) ||
         calls_slot(callable, outer, site, inner, pending);
}

void declare_transparent(PyObject* callable)
{
  if (!is_transparent(callable)) {
    declared().push_back(Py_NewRef(callable));
  }
}

}  // namespace sauerkraut::capture
