#include "../cpython/adapter.hpp"
// adapter.hpp comes first: it opens CPython's internals.
#include "../capture/operators.hpp"
#include "../cpython/awaitables.hpp"
#include "continuation.hpp"

namespace sauerkraut::resume {

using capture::Continuation;
using capture::FrameState;
using code::CallSite;
using cpython::Layout;
using cpython::Owned;
using cpython::Waits;

namespace {

bool is_tuple(const Owned& object, Py_ssize_t least, Py_ssize_t most)
{
  return object && PyTuple_CheckExact(object.get()) && PyTuple_GET_SIZE(object.get()) >= least &&
         PyTuple_GET_SIZE(object.get()) <= most;
}

bool is_text(const Owned& tuple, int place)
{
  return PyUnicode_Check(PyTuple_GET_ITEM(tuple.get(), place));
}

bool is_zero_or_one(PyObject* object)
{
  int overflow = 0;
  const long number = PyLong_CheckExact(object) ? PyLong_AsLongAndOverflow(object, &overflow) : -1;
  return overflow == 0 && (number == 0 || number == 1);
}

bool is_of_async_generator(PyObject* awaitable)
{
  const cpython::Awaitable kind = cpython::awaitable_kind(awaitable);
  return kind == cpython::Awaitable::asend || kind == cpython::Awaitable::athrow;
}

// Whether an operation of this kind can end so at all.
bool allows(Waits waits, Continuation how)
{
  switch (waits) {
    case Waits::never:
    case Waits::start:
    case Waits::yield:
      return false;
    case Waits::precall:
    case Waits::call:
    case Waits::call_kw:
    case Waits::call_ex:
      return how != Continuation::binary && how != Continuation::compare &&
             how != Continuation::enter && how != Continuation::truth_of_any;
    case Waits::attribute:
      return how == Continuation::push || how == Continuation::attribute;
    case Waits::inherited:
    case Waits::assign:
    case Waits::unassign:
    case Waits::method:
    case Waits::update:
    case Waits::positive:
    case Waits::next:
    case Waits::exit:
      return how == Continuation::push;
    case Waits::send:
      return how == Continuation::push || how == Continuation::awaited;
    case Waits::binary:
      return how == Continuation::binary;
    case Waits::compare:
      return how == Continuation::compare;
    case Waits::contains:
      return how == Continuation::truth_of_any;
    case Waits::truth:
    case Waits::negation:
    case Waits::branch:
    case Waits::choice:
      return how == Continuation::truth || how == Continuation::truth_of_length;
    case Waits::iterate:
      return how == Continuation::iterator;
    case Waits::enter:
      return how == Continuation::enter;
    case Waits::format_value:
    case Waits::convert:
    case Waits::format:
    case Waits::format_spec:
      return how == Continuation::text;
    case Waits::length:
      return how == Continuation::length;
  }
  return false;
}

// Whether the pending object is what the continuation needs.
bool completes(const FrameState& frame, const CallSite& site)
{
  const Owned& pending = frame.pending_object;
  switch (frame.continuation) {
    case Continuation::push_object:
    case Continuation::next_or:
    case Continuation::enter:
      return static_cast<bool>(pending);
    case Continuation::text:
      return is_tuple(pending, 2, 2) && is_text(pending, 0);
    case Continuation::closed:
      return pending && PyUnicode_Check(pending.get());
    case Continuation::awaited:
      return pending && is_of_async_generator(pending.get());
    case Continuation::attribute:
      return is_tuple(pending, 2, 3) && is_text(pending, 1);
    case Continuation::binary:
      return is_tuple(pending, 3, 3) && is_text(pending, 2) && site.argument >= 0 &&
             site.argument < 2 * capture::operator_count;
    case Continuation::compare:
      return is_tuple(pending, 4, 4) && is_text(pending, 2) &&
             is_zero_or_one(PyTuple_GET_ITEM(pending.get(), 3)) &&
             site.argument >> Layout::compare_shift < capture::comparison_count;
    default:
      return static_cast<bool>(pending) == (site.waits == Waits::choice);
  }
}

}  // namespace

bool continues(const FrameState& frame, const CallSite& site)
{
  return allows(site.waits, frame.continuation) && completes(frame, site);
}

}  // namespace sauerkraut::resume
