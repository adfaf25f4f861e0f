#include "../cpython/adapter.hpp"
// adapter.hpp comes first: it opens CPython's internals.
#include "control_flow.hpp"
#include "local_access.hpp"
#include "local_reads.hpp"

#include <utility>

namespace sauerkraut::code {

using How = Access::How;

namespace {

// Whether the local must be bound before the access, `behind` telling whether it must be after it.
bool must_be_bound(const Access& access, const CodeMap& map, bool behind)
{
  switch (access.how) {
    case How::through:
      return true;
    case How::load:
      return !cpython::Layout::load_fast_checks || map.declared_kind(access.slot) == Kind::cell ||
             behind;
    case How::load_check:  // raises where the local is unbound: from here on it is bound
    case How::store:
    case How::take:
    case How::erase:
    case How::make_cell:
      return false;
  }
  return behind;
}

bool is_read(const Access& access)
{
  // Of `del` the program says itself when the value goes.
  return access.how != How::store && access.how != How::make_cell;
}

// Repeats until nothing changes, which ends: sets only grow. `flag_before` tells the flag of an
// accessed local before the access from that behind it.
template <typename FlagBefore>
LocalSets flow_backward(const CodeMap& map, PyCodeObject* code, FlagBefore flag_before)
{
  const ControlFlow flow(map, code);
  const std::vector<Instruction>& instructions = map.instructions();
  const auto locals = static_cast<std::size_t>(code->co_nlocalsplus);
  LocalSets sets(instructions.size(), std::vector<bool>(locals));
  bool changed = true;
  while (changed) {
    changed = false;
    for (std::size_t at = instructions.size(); at-- > 0;) {
      const Instruction& instruction = instructions[at];
      if (!map.reachable(instruction.start)) {
        continue;
      }
      std::vector<bool> flags(locals);
      auto merge = [&](int unit) {
        const auto& other = sets[flow.index(unit)];
        for (std::size_t slot = 0; slot < locals; ++slot) {
          flags[slot] = flags[slot] || other[slot];
        }
      };
      if (flow.goes_on(instruction)) {
        merge(instruction.next);
      }
      if (const auto target = flow.jump_target(instruction)) {
        merge(*target);
      }
      const Accesses all = accesses(instruction);
      for (int which = all.count; which-- > 0;) {
        const Access& access = all.each[which];
        if (const auto slot = static_cast<std::size_t>(access.slot); slot < locals) {
          flags[slot] = flag_before(access, flags[slot]);
        }
      }
      flow.each_handler(instruction, [&](const Handler& handler) { merge(handler.target); });
      if (flags != sets[at]) {
        sets[at] = std::move(flags);
        changed = true;
      }
    }
  }
  return sets;
}

}  // namespace

LocalSets unchecked_reads(const CodeMap& map, PyCodeObject* code)
{
  return flow_backward(map, code, [&map](const Access& access, bool behind) {
    return must_be_bound(access, map, behind);
  });
}

LocalSets possible_reads(const CodeMap& map, PyCodeObject* code)
{
  return flow_backward(map, code, [](const Access& access, bool) { return is_read(access); });
}

}  // namespace sauerkraut::code
