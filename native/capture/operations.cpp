#include "../cpython/adapter.hpp"
// adapter.hpp comes first: it opens CPython's internals.
#include "attributes.hpp"
#include "callables.hpp"
#include "driving.hpp"
#include "operands.hpp"
#include "operations.hpp"
#include "operators.hpp"

#include <string>

namespace sauerkraut::capture {

using code::CallSite;
using cpython::Waits;

namespace {

// The operand that lies `below` the top of the stack before the operation; 1 is the top.
PyObject* from_top(const Frame& frame, const CallSite& site, int below)
{
  return site.depth >= below ? operand(frame, site.depth - below) : nullptr;
}

bool is_objects_own(PyObject* value, const char* method)
{
  return on_type(Py_TYPE(value), method) == on_type(&PyBaseObject_Type, method);
}

PyObject* name_at(const Frame& frame, int place)
{
  PyObject* names = Layout::code(frame)->co_names;
  return place < PyTuple_GET_SIZE(names) ? PyTuple_GET_ITEM(names, place) : nullptr;
}

// `object[key]` by __missing__ of a dict or by __class_getitem__ of a class.
bool finds_item_otherwise(PyObject* object, const Frame& inner)
{
  if (object == nullptr || object != argument(inner, 0)) {
    return false;
  }
  if (PyDict_Check(object)) {
    return on_type(Py_TYPE(object), "__getitem__") == on_type(&PyDict_Type, "__getitem__") &&
           is_special_method(inner, object, "__missing__");
  }
  if (!PyType_Check(object) || on_type(Py_TYPE(object), "__getitem__") != nullptr) {
    return false;
  }
  PyObject* found = on_type(reinterpret_cast<PyTypeObject*>(object), "__class_getitem__");
  if (found == nullptr || Py_TYPE(found) != &PyClassMethod_Type) {
    return false;
  }
  const Owned function = Owned::take(PyObject_GetAttrString(found, "__func__"));
  PyErr_Clear();
  return runs(function.get(), inner);
}

void remember_operands(PyObject* left, PyObject* right, const std::string& method,
                       Continuation continuation, int receiver, Pending& pending)
{
  pending.continuation = continuation;
  pending.object =
      Owned::take(continuation == Continuation::binary
                      ? Py_BuildValue("(OOs)", left, right, method.c_str())
                      : Py_BuildValue("(OOsi)", left, right, method.c_str(), receiver));
  if (!pending.object) {
    PyErr_Clear();
  }
}

bool runs_operator(PyObject* left, PyObject* right, int which, const Frame& inner, Pending& pending)
{
  if (which >= 2 * operator_count || left == nullptr || right == nullptr) {
    return false;
  }
  const std::string name = operators[which % operator_count].name;
  auto is = [&](PyObject* self, PyObject* other, const std::string& method) {
    return other == argument(inner, 1) && is_special_method(inner, self, method.c_str());
  };
  const std::string plain = "__" + name + "__";
  const std::string reflected = "__r" + name + "__";
  std::string found;
  if (is(left, right, plain)) {
    found = plain;
  }
  if (const std::string in_place = "__i" + name + "__";
      which >= operator_count && is(left, right, in_place)) {
    if (!found.empty()) {
      return false;  // one function for both: nothing tells which of the two calls this is
    }
    found = in_place;
  }
  if (found.empty() && is(right, left, reflected)) {
    found = reflected;
  }
  if (!found.empty()) {
    remember_operands(left, right, found, Continuation::binary, 0, pending);
  }
  return !found.empty();
}

bool runs_comparison(PyObject* left, PyObject* right, int which, const Frame& inner,
                     Pending& pending)
{
  // An object compared with itself is asked twice, and nothing tells which time this is.
  if (which < 0 || which >= comparison_count || left == nullptr || right == nullptr ||
      left == right) {
    return false;
  }
  for (const int receiver : {0, 1}) {
    PyObject* self = receiver == 0 ? left : right;
    if (self != argument(inner, 0) || (receiver == 0 ? right : left) != argument(inner, 1)) {
      continue;
    }
    const int asked = receiver == 0 ? which : swapped_comparison[which];
    const char* found =
        is_special_method(inner, self, comparisons[asked]) ? comparisons[asked] : nullptr;
    if (found == nullptr && asked == Py_NE && is_objects_own(self, "__ne__") &&
        is_special_method(inner, self, "__eq__")) {
      found = "__eq__";  // object.__ne__ asks __eq__
    }
    if (found != nullptr) {
      remember_operands(left, right, found, Continuation::compare, receiver, pending);
      return true;
    }
  }
  return false;
}

// What a with statement will call at its end: looked up before __enter__ runs, and in a C
// variable until it has returned.
Owned exit_of(PyObject* manager)
{
  PyObject* found = on_type(Py_TYPE(manager), "__exit__");
  if (found == nullptr) {
    return {};
  }
  PyTypeObject* kind = Py_TYPE(found);
  if (kind == &PyFunction_Type || kind == &PyMethodDescr_Type || kind == &PyClassMethod_Type ||
      kind == &PyStaticMethod_Type) {  // binding these runs no Python code
    Owned bound = Owned::take(
        kind->tp_descr_get(found, manager, reinterpret_cast<PyObject*>(Py_TYPE(manager))));
    PyErr_Clear();
    return bound;
  }
  return {};
}

bool enters(PyObject* top, const Frame& inner, Pending& pending)
{
  PyObject* manager = argument(inner, 0);  // its slot may have been given up
  if (!is_special_method(inner, manager, "__enter__")) {
    return false;
  }
  if (Layout::exit_replaces_manager) {
    if (top == nullptr || !PyMethod_Check(top) || PyMethod_GET_SELF(top) != manager) {
      return false;
    }
    pending.object = Owned::share(top);
  } else if (top == manager) {
    pending.object = exit_of(manager);
  }
  pending.continuation = Continuation::enter;
  return static_cast<bool>(pending.object);
}

bool formats(const Frame& outer, const CallSite& site, const Frame& inner, Pending& pending)
{
  PyObject* value = operand(outer, site.kept);
  int conversion = 0;  // 1 str, 2 repr, 3 ascii
  bool has_spec = site.waits == Waits::format_spec;
  if (site.waits == Waits::format_value) {
    conversion = site.argument & 3;
    has_spec = (site.argument & 4) != 0;
  } else if (site.waits == Waits::convert) {
    conversion = site.argument;
  }
  PyObject* spec = has_spec ? operand(outer, site.kept + 1) : nullptr;
  const char* how = conversion == 0 ? "__format__" : conversion == 1 ? "__str__" : "__repr__";
  return makes_text(value, how, spec, inner, pending);
}

}  // namespace

bool makes_text(PyObject* value, const char* how, PyObject* spec, const Frame& inner,
                Pending& pending)
{
  if (value == nullptr || value != argument(inner, 0)) {
    return false;
  }
  std::string method = how;
  bool found = is_special_method(inner, value, how);
  if (!found && method == "__format__" && is_objects_own(value, "__format__")) {
    method = "__str__";  // object.__format__ asks str()
    found = is_special_method(inner, value, "__str__");
  }
  if (!found && method == "__str__" && is_objects_own(value, "__str__")) {
    found = is_special_method(inner, value, "__repr__");  // object.__str__ asks repr()
  }
  if (found) {
    pending.continuation = Continuation::text;
    pending.object =
        Owned::take(Py_BuildValue("(sO)", method.c_str(), spec != nullptr ? spec : Py_None));
  }
  return found && pending.object;
}

bool makes_next(PyObject* iterator, const Frame& inner)
{
  if (is_special_method(inner, iterator, "__next__")) {
    return true;
  }
  // The iterator lies on the stack, or is an argument, all the time: it is alive.
  if (iterator == nullptr || Py_TYPE(iterator) != &PyMap_Type) {
    return false;
  }
  const Owned parts = Owned::take(PyObject_CallMethod(iterator, "__reduce__", nullptr));
  PyErr_Clear();
  if (!parts || !PyTuple_Check(parts.get()) || PyTuple_GET_SIZE(parts.get()) < 2) {
    return false;
  }
  PyObject* arguments = PyTuple_GET_ITEM(parts.get(), 1);
  if (!PyTuple_Check(arguments) || PyTuple_GET_SIZE(arguments) < 2 ||
      !passes_through(PyTuple_GET_ITEM(arguments, 0), inner)) {
    return false;
  }
  for (Py_ssize_t i = 1; i < PyTuple_GET_SIZE(arguments); ++i) {
    if (may_drive(PyTuple_GET_ITEM(arguments, i), inner)) {
      return false;  // it may be the one that calls
    }
  }
  return true;
}

bool tells_truth(PyObject* value, const Frame& inner, Pending& pending)
{
  if (is_special_method(inner, value, "__bool__")) {
    pending.continuation = Continuation::truth;
    return true;
  }
  if (value != nullptr && value == argument(inner, 0) &&
      on_type(Py_TYPE(value), "__bool__") == nullptr &&
      is_special_method(inner, value, "__len__")) {
    pending.continuation = Continuation::truth_of_length;
    return true;
  }
  return false;
}

bool runs_special_method(const Frame& outer, const CallSite& site, const Frame& inner,
                         Pending& pending)
{
  PyObject* receiver = receiver_of(outer, site);
  PyObject* top = from_top(outer, site, 1);
  auto is_method = [&](Continuation continuation) {
    pending.continuation = continuation;
    return is_special_method(inner, receiver, site.info->method);
  };
  switch (site.waits) {
    case Waits::method:
      return is_method(Continuation::push) || finds_item_otherwise(receiver, inner);
    case Waits::positive:
    case Waits::update:
      return is_method(Continuation::push);
    case Waits::next:
      return makes_next(receiver, inner);
    case Waits::send:
      return is_method(Continuation::push) || is_special_method(inner, receiver, "send");
    case Waits::contains:
      return is_method(Continuation::truth_of_any);
    case Waits::iterate:
      return is_method(Continuation::iterator);
    case Waits::length:
      return is_method(Continuation::length);
    case Waits::truth:
    case Waits::negation:
    case Waits::branch:
      return tells_truth(top, inner, pending);
    case Waits::choice:
      pending.object = top == argument(inner, 0) ? Owned::share(top) : Owned();
      return tells_truth(top, inner, pending);
    case Waits::binary:
      return runs_operator(receiver, top, site.argument, inner, pending);
    case Waits::compare:
      return runs_comparison(receiver, top, site.argument >> Layout::compare_shift, inner, pending);
    case Waits::enter:
      return enters(top, inner, pending);
    case Waits::exit:
      if (Layout::exit_keeps_self) {
        PyObject* self = from_top(outer, site, site.info->receiver - 1);
        return (self == nullptr || self == argument(inner, 0)) && passes_through(receiver, inner);
      }
      return receiver != nullptr && PyMethod_Check(receiver) &&
             PyMethod_GET_SELF(receiver) == argument(inner, 0) && passes_through(receiver, inner);
    case Waits::format_value:
    case Waits::convert:
    case Waits::format:
    case Waits::format_spec:
      return formats(outer, site, inner, pending);
    case Waits::attribute: {
      const bool shifted =
          Layout::attribute_makes_methods && site.info->push == cpython::Push::attribute;
      PyObject* name = name_at(outer, shifted ? site.argument >> 1 : site.argument);
      if (top != nullptr && Py_TYPE(top) == &PySuper_Type) {
        return reads_super(top, name, inner);
      }
      return reads_attribute(top, name, inner, pending);
    }
    case Waits::inherited:
      return from_top(outer, site, 3) == reinterpret_cast<PyObject*>(&PySuper_Type) &&
             reads_inherited(from_top(outer, site, 2), top, name_at(outer, site.argument >> 2),
                             inner);
    case Waits::assign:
      return sets_attribute(top, name_at(outer, site.argument), inner);
    case Waits::unassign:
      return deletes_attribute(top, name_at(outer, site.argument), inner);
    case Waits::never:
    case Waits::precall:
    case Waits::call:
    case Waits::call_kw:
    case Waits::call_ex:
    case Waits::start:
    case Waits::yield:
      return false;
  }
  return false;
}

}  // namespace sauerkraut::capture
