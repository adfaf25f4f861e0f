// Generators of a snapshot while it is read: they exist, so that objects can refer to them, and
// count as running, so that nothing can step into one before its frame is there.
#pragma once

#include "../capture/stack.hpp"

namespace sauerkraut::resume {

class Shells {
 public:
  // `states`: what the control section tells, without slots, which come when objects are there.
  explicit Shells(std::vector<capture::GeneratorState> states) : states_(std::move(states)) {}
  Shells(const Shells&) = delete;
  Shells& operator=(const Shells&) = delete;
  // Ends those that have not been woken; runs nothing of theirs.
  ~Shells();

  // The generator in this place, borrowed: made when it is asked for first, with `globals`.
  // Throws ResumeError when the place or its code makes no generator; null with a Python
  // exception set when memory runs out.
  PyObject* make(std::size_t place, PyObject* globals);

  // Takes what the frame of the next generator refers to, in the order of their places.
  void take(std::vector<capture::Owned> objects) { objects_.push_back(std::move(objects)); }

  std::vector<capture::GeneratorState>& states() { return states_; }
  const std::vector<std::vector<capture::Owned>>& objects() const { return objects_; }

  // Ring 3 for all of them; throws ResumeError, also unless those that run are those in the frames
  // of `stack`.
  void check(const capture::Stack& stack) const;

  // Gives each its frame, once checked, and lets go of it; those running in the stack are kept.
  // The second time it does nothing.
  void wake();

  // Lets go of those running in the stack: from now on their frames care for them.
  void hand_over() { states_.clear(); }

 private:
  void check_delegation(const capture::Stack& stack) const;

  std::vector<capture::GeneratorState> states_;
  std::vector<std::vector<capture::Owned>> objects_;
  bool awake_ = false;
};

// Ends a generator whose frame has not been filled; runs nothing of it.
void end(PyObject* generator);

}  // namespace sauerkraut::resume
