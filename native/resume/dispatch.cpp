#include "../cpython/adapter.hpp"
// adapter.hpp comes first: it opens CPython's internals.
#include "../capture/operands.hpp"
#include "../capture/operators.hpp"
#include "dispatch.hpp"

#include <string>

namespace sauerkraut::resume {

using capture::Continuation;
using capture::on_type;
using capture::Operator;
using cpython::Layout;

namespace {

bool is(PyObject* text, const std::string& other)
{
  return PyUnicode_CompareWithASCIIString(text, other.c_str()) == 0;
}

bool refuses(PyObject* result)
{
  return result == Py_NotImplemented;
}

// The C function behind an operator of a type; null when it has none.
void* slot_of(PyObject* object, const Operator& which)
{
  PyNumberMethods* methods = Py_TYPE(object)->tp_as_number;
  return methods == nullptr
             ? nullptr
             : *reinterpret_cast<void**>(reinterpret_cast<char*>(methods) + which.slot);
}

Owned run_slot(void* slot, const Operator& which, PyObject* left, PyObject* right)
{
  if (which.slot == offsetof(PyNumberMethods, nb_power)) {
    return Owned::take(reinterpret_cast<ternaryfunc>(slot)(left, right, Py_None));
  }
  return Owned::take(reinterpret_cast<binaryfunc>(slot)(left, right));
}

Owned repeat(ssizeargfunc slot, PyObject* sequence, PyObject* times)
{
  if (!PyIndex_Check(times)) {
    PyErr_Format(PyExc_TypeError, "can't multiply sequence by non-int of type '%.200s'",
                 Py_TYPE(times)->tp_name);
    return {};
  }
  const Py_ssize_t count = PyNumber_AsSsize_t(times, PyExc_OverflowError);
  return count == -1 && PyErr_Occurred() ? Owned() : Owned::take(slot(sequence, count));
}

// What + and * do with sequences, and the TypeError of all others.
Owned without_methods(PyObject* left, PyObject* right, const Operator& which, bool in_place)
{
  PySequenceMethods* of_left = Py_TYPE(left)->tp_as_sequence;
  PySequenceMethods* of_right = Py_TYPE(right)->tp_as_sequence;
  if (which.slot == offsetof(PyNumberMethods, nb_add) && of_left != nullptr) {
    binaryfunc slot = in_place ? of_left->sq_inplace_concat : nullptr;
    slot = slot != nullptr ? slot : of_left->sq_concat;
    if (slot != nullptr) {
      return Owned::take(slot(left, right));
    }
  }
  if (which.slot == offsetof(PyNumberMethods, nb_multiply)) {
    ssizeargfunc slot = nullptr;
    if (of_left != nullptr) {
      slot = in_place ? of_left->sq_inplace_repeat : nullptr;
      slot = slot != nullptr ? slot : of_left->sq_repeat;
    }
    if (slot != nullptr) {
      return repeat(slot, left, right);
    }
    if (of_right != nullptr && of_right->sq_repeat != nullptr) {
      return repeat(of_right->sq_repeat, right, left);
    }
  }
  const bool is_power = which.slot == offsetof(PyNumberMethods, nb_power);
  PyErr_Format(PyExc_TypeError, "unsupported operand type(s) for %s%s: '%.100s' and '%.100s'",
               which.sign,
               in_place   ? "="
               : is_power ? " or pow()"
                          : "",
               Py_TYPE(left)->tp_name, Py_TYPE(right)->tp_name);
  return {};
}

// A subclass on the right that has a reflected method of its own is asked before the left one.
bool right_comes_first(PyObject* left, PyObject* right, const std::string& reflected)
{
  if (!PyType_IsSubtype(Py_TYPE(right), Py_TYPE(left))) {
    return false;
  }
  PyObject* of_right = on_type(Py_TYPE(right), reflected.c_str());
  return of_right != nullptr && of_right != on_type(Py_TYPE(left), reflected.c_str());
}

// The operator from its beginning, all methods still to be asked.
Owned from_the_start(PyObject* left, PyObject* right, const Operator& which, void* of_left,
                     void* of_right)
{
  Owned result = Owned::share(Py_NotImplemented);
  const bool right_first =
      of_left != nullptr && of_right != nullptr && PyType_IsSubtype(Py_TYPE(right), Py_TYPE(left));
  for (void* slot : {right_first ? of_right : of_left, right_first ? of_left : of_right}) {
    if (slot != nullptr && refuses(result.get())) {
      result = run_slot(slot, which, left, right);
    }
  }
  return result;
}

// CPython's order (binary_op1 in Objects/abstract.c, SLOT1BINFULL in Objects/typeobject.c).
Owned remaining(PyObject* left, PyObject* right, const Operator& which, PyObject* method)
{
  const std::string plain = std::string("__") + which.name + "__";
  const std::string reflected = std::string("__r") + which.name + "__";
  void* of_left = slot_of(left, which);
  void* of_right = Py_TYPE(left) == Py_TYPE(right) ? nullptr : slot_of(right, which);
  const bool both = of_right != nullptr && of_right == of_left;  // both written in Python
  const bool subclass = PyType_IsSubtype(Py_TYPE(right), Py_TYPE(left)) != 0;
  if (both) {
    const bool right_first = right_comes_first(left, right, reflected);
    if (is(method, plain) && !right_first) {
      return Owned::take(call_special(right, reflected.c_str(), left));
    }
    if (is(method, reflected) && right_first) {
      return Owned::take(call_special(left, plain.c_str(), right));
    }
    if (is(method, plain) || is(method, reflected)) {
      return Owned::share(Py_NotImplemented);
    }
    return from_the_start(left, right, which, of_left, nullptr);
  }
  if (is(method, plain)) {
    return of_right != nullptr && !subclass ? run_slot(of_right, which, left, right)
                                            : Owned::share(Py_NotImplemented);
  }
  if (is(method, reflected)) {
    return of_left != nullptr && subclass ? run_slot(of_left, which, left, right)
                                          : Owned::share(Py_NotImplemented);
  }
  return from_the_start(left, right, which, of_left, of_right);
}

Owned compare_by(PyObject* left, PyObject* right, int which)
{
  const richcmpfunc slot = Py_TYPE(left)->tp_richcompare;
  return slot != nullptr ? Owned::take(slot(left, right, which)) : Owned::share(Py_NotImplemented);
}

}  // namespace

PyObject* call_special(PyObject* object, const char* name, PyObject* argument)
{
  const Owned found = Owned::share(on_type(Py_TYPE(object), name));
  if (!found) {
    return Py_NewRef(Py_NotImplemented);
  }
  const descrgetfunc bind = Py_TYPE(found.get())->tp_descr_get;
  const Owned bound =
      bind == nullptr
          ? found
          : Owned::take(bind(found.get(), object, reinterpret_cast<PyObject*>(Py_TYPE(object))));
  return bound ? PyObject_CallOneArg(bound.get(), argument) : nullptr;
}

PyObject* after_operator(PyObject* left, PyObject* right, int argument, PyObject* method,
                         PyObject* result)
{
  if (!refuses(result)) {
    return Py_NewRef(result);
  }
  const bool in_place = argument >= capture::operator_count;
  const Operator& which = capture::operators[argument % capture::operator_count];
  Owned value = remaining(left, right, which, method);
  if (value && refuses(value.get())) {
    value = without_methods(left, right, which, in_place);
  }
  return value.release();
}

PyObject* after_comparison(PyObject* left, PyObject* right, int which, PyObject* method,
                           bool of_right, PyObject* result)
{
  const int swapped = capture::swapped_comparison[which];
  const int asked = of_right ? swapped : which;
  if (asked == Py_NE && is(method, "__eq__") && !refuses(result)) {
    const int truth = PyObject_IsTrue(result);
    return truth < 0 ? nullptr : PyBool_FromLong(!truth);
  }
  Owned value = Owned::share(result);
  const bool right_first = Py_TYPE(left) != Py_TYPE(right) &&
                           PyType_IsSubtype(Py_TYPE(right), Py_TYPE(left)) &&
                           Py_TYPE(right)->tp_richcompare != nullptr;
  if (refuses(value.get()) && of_right && right_first) {
    value = compare_by(left, right, which);
  } else if (refuses(value.get()) && !of_right && !right_first) {
    value = compare_by(right, left, swapped);
  }
  if (!value || !refuses(value.get())) {
    return value.release();
  }
  if (which == Py_EQ || which == Py_NE) {
    return PyBool_FromLong((left == right) == (which == Py_EQ));
  }
  PyErr_Format(PyExc_TypeError, "'%s' not supported between instances of '%.100s' and '%.100s'",
               capture::comparison_signs[which], Py_TYPE(left)->tp_name, Py_TYPE(right)->tp_name);
  return nullptr;
}

OperandsInPlace::OperandsInPlace(Frame& frame, const FrameState& state, const code::CallSite& site)
    : frame_(frame), first_(state.local_count + site.kept)
{
  PyObject* pending = state.pending_object.get();
  if (state.continuation == Continuation::binary || state.continuation == Continuation::compare) {
    put(0, PyTuple_GET_ITEM(pending, 0));
    put(1, PyTuple_GET_ITEM(pending, 1));
  } else if (state.continuation == Continuation::attribute) {
    if (site.waits == cpython::Waits::attribute) {
      put(0, PyTuple_GET_ITEM(pending, 0));
    } else if (site.waits == cpython::Waits::call || site.waits == cpython::Waits::precall) {
      put(Layout::null_below_callable ? 1 : 0,
          PyDict_GetItemString(PyEval_GetBuiltins(), "getattr"));
      for (int place = 0; place < PyTuple_GET_SIZE(pending) && place < site.argument; ++place) {
        put(2 + place, PyTuple_GET_ITEM(pending, place));
      }
    }
  }
}

void OperandsInPlace::put(int place, PyObject* object)
{
  Layout::put(frame_, first_ + place, object);
  count_ = place + 1;
}

OperandsInPlace::~OperandsInPlace()
{
  for (int place = 0; place < count_; ++place) {
    Layout::put(frame_, first_ + place, nullptr);
  }
}

}  // namespace sauerkraut::resume
