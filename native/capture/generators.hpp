// Generators that the object graph leads to: each with its frame, found when it is met.
#pragma once

#include "stack.hpp"

#include <optional>
#include <unordered_map>

namespace sauerkraut::capture {

class Generators {
 public:
  // For a trial of what could be captured: all that run count as running in captured frames.
  Generators() = default;
  // `stack`: whose generators count as running in frames that are captured as well.
  explicit Generators(const Stack& stack);

  // The place of a generator, which is read when it is met first; none when it has ended. Throws
  // CaptureError for one that cannot be captured: it runs elsewhere, or an event loop owns it.
  std::optional<std::size_t> place_of(PyObject* generator);

  // Forgets those met so far.
  void clear();

  const std::vector<GeneratorState>& met() const { return met_; }

  // Replaces what the frame of a generator that was met holds in a slot: it is left out.
  void set_slot(std::size_t place, std::size_t slot, PyObject* value)
  {
    put_in_slot(met_.at(place).frame, slot, value);
  }

 private:
  std::optional<std::vector<Owned>> active_;
  std::vector<GeneratorState> met_;
  std::unordered_map<PyObject*, std::size_t> places_;
};

}  // namespace sauerkraut::capture
