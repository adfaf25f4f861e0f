#include "../cpython/generators.hpp"
// generators.hpp of cpython comes first: it opens CPython's internals.
#include "../code/code_map.hpp"
#include "completion.hpp"
#include "dispatch.hpp"
#include "settle.hpp"

namespace sauerkraut::resume {

using code::CallSite;
using code::CodeMap;
using cpython::Layout;
using cpython::Waits;

namespace {

class Placing {
 public:
  Placing(Frame& frame, const FrameState& state)
      : frame_(frame), locals_(state.local_count), depth_(0)
  {
    depth_ = static_cast<int>(state.slots.size()) - locals_;
  }
  // Steals `value`; null is the NULL that some calls expect.
  void push(PyObject* value)
  {
    Layout::put(frame_, locals_ + depth_++, value);
    Layout::set_depth(frame_, depth_);
  }
  void drop()
  {
    Layout::set_depth(frame_, --depth_);
    Layout::clear(frame_, locals_ + depth_);
  }
  int depth() const { return depth_; }

 private:
  Frame& frame_;
  int locals_;
  int depth_;
};

// Leaves a for loop: CPython 3.11 drops the iterator at once, later ones find a value above it.
void end_loop(Frame& frame, const FrameState& state, const CallSite& site)
{
  const CodeMap& map = CodeMap::of(reinterpret_cast<PyCodeObject*>(state.code.get()));
  Placing placing(frame, state);
  const int wanted = static_cast<int>(map.stack(site.target).size());
  if (wanted > placing.depth()) {
    placing.push(Py_NewRef(Py_None));
  } else if (wanted < placing.depth()) {
    placing.drop();
  }
  Layout::go_on_at(frame, site.target);
}

// Leaves a `yield from` or `await` with its value: CPython 3.11 drops what was delegated to at
// once.
bool end_delegation(Frame& frame, const FrameState& state, const CallSite& site)
{
  Owned value = Owned::take(value_of_stop());
  if (!value) {
    return false;
  }
  const CodeMap& map = CodeMap::of(reinterpret_cast<PyCodeObject*>(state.code.get()));
  Placing placing(frame, state);
  if (static_cast<int>(map.stack(site.target).size()) == placing.depth()) {
    placing.drop();
  }
  placing.push(value.release());
  Layout::go_on_at(frame, site.target);
  return true;
}

// Puts `value` (stolen) where the operation leaves it.
void place(Frame& frame, const FrameState& state, const CallSite& site, Owned value)
{
  Placing placing(frame, state);
  const bool truth = value.get() == Py_True;
  int next = site.next;
  switch (site.waits) {
    case Waits::branch:
      next = truth == site.info->when ? site.target : next;
      break;
    case Waits::choice:
      if (truth == site.info->when) {
        next = site.target;
        placing.push(Py_NewRef(state.pending_object.get()));
      }
      break;
    case Waits::negation:
      placing.push(PyBool_FromLong(!truth));
      break;
    case Waits::contains:
      placing.push(PyBool_FromLong(truth != ((site.argument & 1) != 0)));
      break;
    case Waits::enter:
      placing.push(Py_NewRef(state.pending_object.get()));
      placing.push(value.release());
      break;
    default:
      if (site.yields == 2 && Layout::null_below_callable) {
        placing.push(nullptr);
      }
      if (site.yields > 0) {
        placing.push(value.release());
      }
      if (site.yields == 2 && !Layout::null_below_callable) {
        placing.push(nullptr);
      }
      break;
  }
  Layout::go_on_at(frame, next);
}

}  // namespace

bool settle(Frame& frame, const FrameState& state, PyObject* result)
{
  CallSite site{};
  CodeMap::of(reinterpret_cast<PyCodeObject*>(state.code.get())).call_site(state.unit, site);
  const Owned given = Owned::take(result);
  Owned value;
  {
    const OperandsInPlace operands(frame, state, site);
    value = completed(state, site, given);
  }
  if (!value && site.waits == Waits::next && PyErr_ExceptionMatches(PyExc_StopIteration)) {
    PyErr_Clear();
    end_loop(frame, state, site);
    return false;
  }
  if (!value && site.waits == Waits::send && PyErr_ExceptionMatches(PyExc_StopIteration)) {
    return !end_delegation(frame, state, site);
  }
  if (!value) {
    return true;
  }
  place(frame, state, site, std::move(value));
  return false;
}

}  // namespace sauerkraut::resume
