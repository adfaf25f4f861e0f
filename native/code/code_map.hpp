// What a code object tells about its frames: instructions, depth and kind of
// every value-stack slot, and which locals are read without a check.
//
// Everything is computed from the public bytecode (co_code: not specialised,
// not instrumented, no JIT), once per code object.
#pragma once

#include "../cpython/opcode_info.hpp"
#include "local_reads.hpp"
#include "value_stack.hpp"

#include <Python.h>

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

namespace sauerkraut::code {

struct Instruction {
  int start;  // unit of the opcode itself, after its EXTENDED_ARGs
  int next;   // unit after its inline caches
  int argument;
  std::uint8_t opcode;
};

// A pending operation: what it yields is pushed at depth `kept`, and execution goes on
// at `next`, or at `target` where it jumps.
struct CallSite {
  int start;
  int next;
  int target;  // of a branch or loop; -1: it never jumps
  int depth;   // values on the stack before the operation
  int kept;    // those below what it yields
  int yields;  // how many values it leaves on them
  int argument;
  const cpython::OpcodeInfo* info;
  cpython::Waits waits;
};

// What a slot of a waiting frame must be: the interpreter will not look again.
struct SlotRule {
  Kind kind;
  bool may_be_null;  // of a fast local: it may be unbound
};

class CodeMap {
 public:
  // The map of `code`, kept with it. Throws CaptureError for bytecode that
  // does not analyse, e.g. an opcode without an entry.
  static const CodeMap& of(PyCodeObject* code);

  int units() const { return static_cast<int>(instruction_at_.size()); }

  // The instruction that holds `unit`, cache units included; null outside.
  const Instruction* instruction(int unit) const;

  // The call site that holds `unit`. Returns false when no frame can wait there.
  bool call_site(int unit, CallSite& site) const;

  // What each slot of a frame that waits at `site` must be, the fast locals first, then the stack
  // below what the operation yields. Computed when first asked for.
  const std::vector<SlotRule>& rules(const CallSite& site) const;

  // Whether the yield at `unit` hands on what another generator or awaitable yields.
  bool delegates(int unit) const;

  // All call sites, in order.
  std::vector<CallSite> call_sites() const;

  // Kinds of the stack slots before the instruction at `start`; empty span if unreachable.
  std::span<const Kind> stack(int start) const;
  bool reachable(int start) const;

  // What fast local `slot` is declared to hold; any object outside of them.
  Kind declared_kind(int slot) const
  {
    const auto at = static_cast<std::size_t>(slot);
    return at < declared_.size() ? declared_[at] : Kind::any;
  }

  // Per instruction: fast locals that code may read, or delete by name, before it stores them,
  // be it in a handler. `code` is the one this is the map of. Computed when first asked for.
  const LocalSets& live(PyCodeObject* code) const;
  const std::vector<Instruction>& instructions() const { return instructions_; }

 private:
  // How a frame may wait at one instruction, as far as it was asked.
  struct Stop {
    bool is_call_site = false;
    CallSite site{};
    std::vector<SlotRule> rules;
  };

  explicit CodeMap(PyCodeObject* code);
  Stop& stop_at(const Instruction& instruction) const;
  bool find_call_site(const Instruction& instruction, CallSite& site) const;
  // What fast local `slot` holds, before the instruction at `start`, when it is bound:
  // any object, a cell, or the iterator that a comprehension is called with. A comprehension that
  // is part of its function (3.12 on) may put a plain value where the function has a cell.
  Kind local_kind(int start, int slot) const;
  // Whether fast local `slot` may be read unchecked from the instruction at `start` on.
  bool needs_bound(int start, int slot) const;
  Kind declaration(PyCodeObject* code, int slot) const;
  bool loops_over(int slot) const;
  std::size_t index(int unit) const
  {
    return static_cast<std::size_t>(instruction_at_[static_cast<std::size_t>(unit)]);
  }

  std::vector<Instruction> instructions_;
  std::vector<int> instruction_at_;  // unit -> index of its instruction
  std::vector<Kind> declared_;       // per fast local
  ValueStacks stacks_;
  LocalSets unchecked_;
  mutable std::vector<std::unique_ptr<Stop>> stops_;  // per instruction
  mutable LocalSets live_;
};

}  // namespace sauerkraut::code
