// What a code object tells about its frames: instructions, depth and kind of
// every value-stack slot, and which locals are read without a check.
//
// Everything is computed from the public bytecode (co_code: not specialised,
// not instrumented, no JIT), once per code object.
#pragma once

#include "../cpython/opcode_info.hpp"

#include <Python.h>

#include <cstdint>
#include <span>
#include <vector>

namespace sauerkraut::code {

// What the interpreter takes for granted about a stack slot, so that a wrong
// object there would be memory corruption rather than an exception.
enum class Kind : std::uint8_t {
  any,
  null,
  null_or_any,
  iterator,       // or, where loops go by index, what one goes over
  place_in_loop,  // beside it: the index of its next item, or null
  list,
  set,
  dict,
  tuple,
  texts,          // a tuple of strings
  interpolation,  // string.templatelib.Interpolation
  cell,
  exception,
  exception_or_none,
  lasti,           // the unit a handler re-raises at
  exception_list,  // what except* clauses raised so far: exceptions and None
};

// Whether bytecode is still filling the container: nothing else refers to it yet.
constexpr bool under_construction(Kind kind)
{
  return kind == Kind::list || kind == Kind::set || kind == Kind::dict ||
         kind == Kind::exception_list;
}

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

  // Whether the yield at `unit` hands on what another generator or awaitable yields.
  bool delegates(int unit) const;

  // All call sites, in order.
  std::vector<CallSite> call_sites() const;

  // Kinds of the stack slots before the instruction at `start`; empty span if unreachable.
  std::span<const Kind> stack(int start) const;
  bool reachable(int start) const;

  // What fast local `slot` of `code` holds, before the instruction at `start`, when it is bound:
  // any object, a cell, or the iterator that a comprehension is called with. A comprehension that
  // is part of its function (3.12 on) may put a plain value where the function has a cell.
  Kind local_kind(PyCodeObject* code, int start, int slot) const;

  // Whether fast local `slot` may be read unchecked from the instruction at `start` on.
  bool needs_bound(int start, int slot) const;

  // Per instruction: fast locals that code may read, or delete by name, before it stores them,
  // be it in a handler. `code` is the one this is the map of. Computed when first asked for.
  const std::vector<std::vector<bool>>& live(PyCodeObject* code) const;
  const std::vector<Instruction>& instructions() const { return instructions_; }

 private:
  friend class Analysis;
  explicit CodeMap(PyCodeObject* code);
  static Kind declared_kind(PyCodeObject* code, int slot);
  int index(int unit) const { return instruction_at_[static_cast<std::size_t>(unit)]; }

  std::vector<Instruction> instructions_;
  std::vector<int> instruction_at_;        // unit -> index of its instruction
  std::vector<std::vector<Kind>> stacks_;  // per instruction
  std::vector<char> reachable_;
  std::vector<std::vector<bool>> plain_;      // per instruction: no cell in a slot declared one
  std::vector<std::vector<bool>> unchecked_;  // per instruction: locals read without a check
  mutable std::vector<std::vector<bool>> live_;
};

}  // namespace sauerkraut::code
