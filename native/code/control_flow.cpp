#include "control_flow.hpp"

#include "../errors.hpp"

#include <string>

namespace sauerkraut::code {

using cpython::Flow;
using cpython::OpcodeInfo;

std::optional<int> ControlFlow::jump_target(const Instruction& instruction) const
{
  const OpcodeInfo& what = info(instruction);
  if (what.flow != Flow::jump && what.flow != Flow::branch) {
    return std::nullopt;
  }
  const int target = what.backward ? instruction.next - instruction.argument
                                   : instruction.next + instruction.argument;
  if (target < 0 || target >= map_.units()) {
    refuse(instruction, "a jump leaves the function");
  }
  return target;
}

bool ControlFlow::goes_on(const Instruction& instruction) const
{
  const Flow flow = info(instruction).flow;
  return (flow == Flow::next || flow == Flow::branch) && instruction.next < map_.units();
}

void ControlFlow::refuse(const Instruction& instruction, const char* why) const
{
  const char* name = PyUnicode_AsUTF8(code_->co_qualname);
  if (name == nullptr) {
    PyErr_Clear();  // a name of surrogates: the refusal is what counts
  }
  throw CaptureError(std::string(name != nullptr ? name : "?") + "(): " + why + " (opcode " +
                     std::to_string(instruction.opcode) + " at unit " +
                     std::to_string(instruction.start) + ")");
}

}  // namespace sauerkraut::code
