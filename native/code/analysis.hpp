// The two data-flow passes behind CodeMap.
#pragma once

#include "code_map.hpp"
#include "exception_table.hpp"

#include <optional>

namespace sauerkraut::code {

class Analysis {
 public:
  Analysis(CodeMap& map, PyCodeObject* code);
  void run();

  using Sets = std::vector<std::vector<bool>>;  // per instruction: a flag per fast local
  static Sets live(const CodeMap& map, PyCodeObject* code);

 private:
  using Stack = std::vector<Kind>;
  using Flags = std::vector<bool>;  // per fast local

  // Forward: kinds on the value stack before each instruction.
  void flow_kinds();
  Stack after(const Instruction& instruction, Stack stack, bool jumped) const;
  void push_results(const Instruction& instruction, Stack& stack, bool jumped) const;
  void arrive(int unit, const Stack& stack, const Flags& plain);

  // Forward, with the kinds: declared cells whose slot holds a plain value.
  Flags plain_at_home() const;
  Flags plain_after(const Instruction& instruction, const Stack& before) const;

  // Backward: locals that may be read unchecked from each instruction on.
  void touch_unchecked(const Instruction& instruction, std::vector<bool>& unchecked) const;

  // Backward: locals that may be read at all.
  void touch_live(const Instruction& instruction, std::vector<bool>& live) const;

  template <typename Change>
  Sets flow_backward(Change change) const;

  template <typename Visit>
  void each_handler(const Instruction& instruction, Visit visit) const;
  std::optional<int> jump_target(const Instruction& instruction) const;
  Kind kind_of_local(int slot) const;
  bool collects_exceptions(const Instruction& instruction, const Stack& stack) const;
  [[noreturn]] void refuse(const Instruction& instruction, const char* why) const;

  CodeMap& map_;
  PyCodeObject* code_;
  std::vector<Handler> handlers_;
  std::vector<int> pending_;
  Flags plain_;  // before the instruction at hand
};

}  // namespace sauerkraut::code
