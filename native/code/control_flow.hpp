// Where execution may go from an instruction: the edges that both data-flow passes follow.
#pragma once

#include "code_map.hpp"
#include "exception_table.hpp"

#include <optional>

namespace sauerkraut::code {

class ControlFlow {
 public:
  ControlFlow(const CodeMap& map, PyCodeObject* code)
      : map_(map), code_(code), handlers_(exception_table(code->co_exceptiontable))
  {
  }

  static const cpython::OpcodeInfo& info(const Instruction& instruction)
  {
    return cpython::opcodes().info[instruction.opcode];
  }

  // The place of the instruction that holds `unit` among all of them.
  std::size_t index(int unit) const
  {
    return static_cast<std::size_t>(map_.instruction(unit) - map_.instructions().data());
  }

  // The unit it may jump to. Throws CaptureError when that lies outside of the function.
  std::optional<int> jump_target(const Instruction& instruction) const;

  // Whether the instruction behind it may be next.
  bool goes_on(const Instruction& instruction) const;

  // Visits the handlers that cover it. Throws CaptureError when one lies outside of the function.
  template <typename Visit>
  void each_handler(const Instruction& instruction, Visit visit) const
  {
    for (const Handler& handler : handlers_) {
      if (handler.start <= instruction.start && instruction.start < handler.end) {
        if (handler.target < 0 || handler.target >= map_.units()) {
          refuse(instruction, "a handler lies outside the function");
        }
        visit(handler);
      }
    }
  }

  // Throws CaptureError, naming function and instruction.
  [[noreturn]] void refuse(const Instruction& instruction, const char* why) const;

 private:
  const CodeMap& map_;
  PyCodeObject* code_;
  std::vector<Handler> handlers_;
};

}  // namespace sauerkraut::code
