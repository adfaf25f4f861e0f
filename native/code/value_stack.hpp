// Forward: how deep the value stack is before each instruction, and what kind each slot has.
#pragma once

#include "kind.hpp"

#include <vector>

namespace sauerkraut::code {

class CodeMap;

// Per instruction; empty where it is not reachable.
struct ValueStacks {
  std::vector<std::vector<Kind>> before;
  std::vector<std::vector<bool>> plain;  // per fast local: no cell in a slot declared one
  std::vector<char> reachable;
};

// Throws CaptureError for bytecode that does not analyse, e.g. an opcode without an entry.
ValueStacks value_stacks(const CodeMap& map, PyCodeObject* code);

}  // namespace sauerkraut::code
