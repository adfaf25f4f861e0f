#include "abandon.hpp"

#include <utility>
#include <vector>

namespace sauerkraut::capture {

namespace {

// While it lives, code has no exception table: exceptions go straight through its frames. Nothing
// but frames that are being left may run meanwhile, so whoever makes one holds all objects that
// those frames hold: none is finalized before the tables are back.
class WithoutHandlers {
 public:
  WithoutHandlers() : none_(Owned::take(PyBytes_FromStringAndSize(nullptr, 0))) {}

  bool is_made() const { return static_cast<bool>(none_); }

  void silence(const Owned& code)
  {
    auto* object = reinterpret_cast<PyCodeObject*>(code.get());
    if (object->co_exceptiontable != none_.get()) {
      tables_.emplace_back(code, Owned::take(object->co_exceptiontable));
      object->co_exceptiontable = Py_NewRef(none_.get());
    }
  }

  WithoutHandlers(const WithoutHandlers&) = delete;
  WithoutHandlers& operator=(const WithoutHandlers&) = delete;

  ~WithoutHandlers()
  {
    for (auto& [code, table] : tables_) {
      auto* object = reinterpret_cast<PyCodeObject*>(code.get());
      Py_SETREF(object->co_exceptiontable, table.release());
    }
  }

 private:
  Owned none_;
  std::vector<std::pair<Owned, Owned>> tables_;
};

// Ends those generators that nobody else holds. One that holds others lets go of them then, so
// until no more are found; those that lie in a cycle are left to the collector.
bool end_generators(std::vector<GeneratorState> states)
{
  for (bool found = true; found;) {
    found = false;
    for (GeneratorState& state : states) {
      if (!state.object || Py_REFCNT(state.object.get()) != 1) {
        continue;
      }
      GeneratorState held = std::exchange(state, GeneratorState{});
      WithoutHandlers silent;
      if (!silent.is_made()) {
        return false;
      }
      silent.silence(held.frame.code);
      for (const GeneratorState& other : states) {  // those it delegates to are closed with it
        if (other.object) {
          silent.silence(other.frame.code);
        }
      }
      held.object = Owned{};
      found = true;
    }
  }
  return true;
}

}  // namespace

bool abandon(Stack stack, Generators& generators, PyObject* end)
{
  std::vector<GeneratorState> states = generators.met();
  generators.clear();
  {
    WithoutHandlers silent;
    if (!silent.is_made()) {
      return false;
    }
    for (const FrameState& frame : stack.frames) {
      silent.silence(frame.code);
    }
    PyThreadState* state = PyThreadState_Get();
    PyThreadState_EnterTracing(state);
    const Owned result = Owned::take(PyObject_CallNoArgs(end));
    PyThreadState_LeaveTracing(state);
    if (!result) {
      return false;
    }
  }
  stack.frames.clear();
  stack.handled = Owned{};
  return end_generators(std::move(states));
}

}  // namespace sauerkraut::capture
