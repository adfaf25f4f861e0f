#include "../cpython/adapter.hpp"
// adapter.hpp comes first: it opens CPython's internals.
#include "control_flow.hpp"
#include "local_access.hpp"
#include "value_stack.hpp"

#include <utility>

namespace sauerkraut::code {

using cpython::Layout;
using cpython::OpcodeInfo;
using cpython::Push;

namespace {

using Stack = std::vector<Kind>;
using Flags = std::vector<bool>;

Kind join(Kind a, Kind b)
{
  if (a == b) {
    return a;
  }
  const auto nullable = [](Kind kind) { return kind == Kind::null || kind == Kind::null_or_any; };
  if (nullable(a) || nullable(b)) {
    return Kind::null_or_any;
  }
  const auto exception = [](Kind kind) {
    return kind == Kind::exception || kind == Kind::exception_or_none;
  };
  const auto tuple = [](Kind kind) { return kind == Kind::tuple || kind == Kind::texts; };
  if (tuple(a) && tuple(b)) {
    return Kind::tuple;
  }
  return exception(a) && exception(b) ? Kind::exception_or_none : Kind::any;
}

// Between the value that is pushed for a call and the self it may get.
Stack with_self(Kind self)
{
  return Layout::null_below_callable ? Stack{self, Kind::any} : Stack{Kind::any, self};
}

class Pass {
 public:
  Pass(const CodeMap& map, PyCodeObject* code) : map_(map), code_(code), flow_(map, code)
  {
    const std::size_t count = map.instructions().size();
    found_.before.resize(count);
    found_.plain.resize(count);
    found_.reachable.assign(count, 0);
  }

  ValueStacks run();

 private:
  void arrive(int unit, const Stack& stack, const Flags& plain);
  void step(const Instruction& instruction, const Stack& before);

  Stack after(const Instruction& instruction, Stack stack, bool jumped) const;
  Stack pushed(const Instruction& instruction, const Stack& before, int effect) const;
  bool collects_exceptions(const Instruction& instruction, const Stack& stack) const;
  Kind kind_of_constant(int place) const;
  Kind kind_of_local(int slot) const;

  Flags plain_at_home() const;
  Flags plain_after(const Instruction& instruction, const Stack& before) const;

  const CodeMap& map_;
  PyCodeObject* code_;
  const ControlFlow flow_;
  ValueStacks found_;
  std::vector<std::size_t> pending_;  // instructions to go on from
  Flags home_;                        // at the first instruction
  Flags plain_;                       // before the instruction at hand
};

ValueStacks Pass::run()
{
  if (map_.instructions().empty()) {
    return std::move(found_);
  }
  home_ = plain_at_home();
  arrive(0, {}, home_);
  while (!pending_.empty()) {
    const std::size_t at = pending_.back();
    pending_.pop_back();
    plain_ = found_.plain[at];
    step(map_.instructions()[at], Stack(found_.before[at]));
  }
  return std::move(found_);
}

void Pass::step(const Instruction& instruction, const Stack& before)
{
  flow_.each_handler(instruction, [&](const Handler& handler) {
    if (handler.depth > static_cast<int>(before.size())) {
      return;  // an instruction that cannot raise, e.g. before the range's first push
    }
    Stack caught(before.begin(), before.begin() + handler.depth);
    if (handler.lasti) {
      caught.push_back(Kind::lasti);
    }
    caught.push_back(Kind::exception);
    // A comprehension has handlers of its own, which only put back what it hid.
    arrive(handler.target, caught, home_);
  });
  const Flags plain = plain_after(instruction, before);
  if (const auto target = flow_.jump_target(instruction)) {
    arrive(*target, after(instruction, before, true), plain);
  }
  if (flow_.goes_on(instruction)) {
    arrive(instruction.next, after(instruction, before, false), plain);
  }
}

void Pass::arrive(int unit, const Stack& stack, const Flags& plain)
{
  const std::size_t at = flow_.index(unit);
  if (found_.reachable[at] == 0) {
    found_.reachable[at] = 1;
    found_.before[at] = stack;
    found_.plain[at] = plain;
    pending_.push_back(at);
    return;
  }
  Stack& known = found_.before[at];
  if (known.size() != stack.size()) {
    flow_.refuse(map_.instructions()[at], "two paths meet at different stack depths");
  }
  bool changed = false;
  for (std::size_t slot = 0; slot < stack.size(); ++slot) {
    const Kind joined = join(known[slot], stack[slot]);
    changed = changed || joined != known[slot];
    known[slot] = joined;
  }
  Flags& flags = found_.plain[at];
  for (std::size_t slot = 0; slot < flags.size(); ++slot) {
    const bool both = flags[slot] && plain[slot];
    changed = changed || both != flags[slot];
    flags[slot] = both;
  }
  if (changed) {
    pending_.push_back(at);
  }
}

// What lies on the stack behind an instruction; `jumped`: when it jumps.
Stack Pass::after(const Instruction& instruction, Stack stack, bool jumped) const
{
  const Push push = ControlFlow::info(instruction).push;
  const int argument = instruction.argument;
  if (push == Push::unknown) {
    flow_.refuse(instruction, "this version's bytecode has an instruction we do not know");
  }
  const auto depth = static_cast<int>(stack.size());
  if (push == Push::swap || push == Push::copy) {
    if (argument < 1 || argument > depth) {
      flow_.refuse(instruction, "the value stack underflows");
    }
    Kind& kind = stack[static_cast<std::size_t>(depth - argument)];
    if (push == Push::swap) {
      std::swap(stack.back(), kind);
      return stack;
    }
    // A copy of a container is about to get a name (`a = b[f()] = []`): from then on it is
    // an object like any other, and no instruction that fills it trusts it any more.
    if (under_construction(kind) && kind != Kind::exception_list) {
      kind = Kind::any;
    }
  }
  int effect = PyCompile_OpcodeStackEffectWithJump(instruction.opcode, argument, jumped ? 1 : 0);
  if (effect == PY_INVALID_STACK_EFFECT) {
    flow_.refuse(instruction, "CPython does not tell its stack effect");
  }
  const Stack results = pushed(instruction, stack, effect);
  if (Layout::is_return_generator(instruction.opcode)) {
    effect = 1;
  }
  const int popped = static_cast<int>(results.size()) - effect;
  if (popped < 0 || popped > depth) {
    flow_.refuse(instruction, "the value stack underflows");
  }
  stack.resize(static_cast<std::size_t>(depth - popped));
  stack.insert(stack.end(), results.begin(), results.end());
  if (static_cast<int>(stack.size()) > code_->co_stacksize) {
    flow_.refuse(instruction, "the value stack overflows");
  }
  return stack;
}

// What an instruction pushes, lowest first; `effect`: how much deeper the stack gets.
Stack Pass::pushed(const Instruction& instruction, const Stack& before, int effect) const
{
  const OpcodeInfo& what = ControlFlow::info(instruction);
  const int argument = instruction.argument;
  switch (what.push) {
    case Push::unknown:
    case Push::swap:
    case Push::nothing:
      break;
    case Push::value:
    case Push::reraise_star:
      return {Kind::any};
    case Push::two:
      return {Kind::any, Kind::any};
    case Push::null:
      return {Kind::null};
    case Push::constant:
      return {kind_of_constant(argument)};
    case Push::iterator:
      if (Layout::loops_by_index) {  // its argument says so for what is delegated to
        return {argument == 0 ? Kind::iterator : Kind::any, Kind::place_in_loop};
      }
      return {Kind::iterator};
    case Push::next_item:
      return effect > 0 ? Stack{Kind::any} : Stack{};
    case Push::copy:
      return {before[before.size() - static_cast<std::size_t>(argument)]};
    case Push::list:
      return {collects_exceptions(instruction, before) ? Kind::exception_list : Kind::list};
    case Push::tuple:
      return {Kind::tuple};
    case Push::set:
      return {Kind::set};
    case Push::dict:
      return {Kind::dict};
    case Push::intrinsic:
      return {argument == Layout::intrinsic_list_to_tuple ? Kind::tuple : Kind::any};
    case Push::global:
      return (argument & 1) != 0 ? with_self(Kind::null) : Stack{Kind::any};
    case Push::attribute:
      return Layout::attribute_makes_methods && (argument & 1) != 0 ? with_self(Kind::null_or_any)
                                                                    : Stack{Kind::any};
    case Push::method:
      return {Kind::null_or_any, Kind::any};
    case Push::cell:
      return {Kind::cell};
    case Push::local:
      return {kind_of_local(argument)};
    case Push::interpolation:
      return {Kind::interpolation};
    case Push::special:
      return {Kind::any, Kind::null_or_any};
    case Push::two_locals:
      return {kind_of_local(argument >> 4), kind_of_local(argument & 15)};
    case Push::saved_local:
      // A cell that a comprehension hides is put back unchecked.
      return {kind_of_local(argument) == Kind::cell ? Kind::cell : Kind::null_or_any};
    case Push::handled:
      return {Kind::exception_or_none, Kind::exception};
    case Push::group_match:
      return {Kind::exception_or_none, Kind::exception_or_none};
    case Push::unpack:
      return Stack(static_cast<std::size_t>(argument), Kind::any);
    case Push::unpack_star:
      return Stack(static_cast<std::size_t>((argument & 0xFF) + (argument >> 8) + 1), Kind::any);
  }
  return {};
}

// An except* statement starts with an empty list above the exception it handles, and at once
// brings a copy of that exception above the list: no other statement does.
bool Pass::collects_exceptions(const Instruction& instruction, const Stack& stack) const
{
  const Instruction* next = map_.instruction(instruction.next);
  if (instruction.argument != 0 || stack.empty() || stack.back() != Kind::exception ||
      next == nullptr || next->argument != 2) {
    return false;
  }
  const Push push = ControlFlow::info(*next).push;
  return push == Push::copy || push == Push::swap;
}

// Template strings take the texts between their interpolations from a constant, unchecked.
Kind Pass::kind_of_constant(int place) const
{
  PyObject* constants = code_->co_consts;
  PyObject* constant =
      place < PyTuple_GET_SIZE(constants) ? PyTuple_GET_ITEM(constants, place) : Py_None;
  return holds_texts(constant)          ? Kind::texts
         : PyTuple_CheckExact(constant) ? Kind::tuple
                                        : Kind::any;
}

Kind Pass::kind_of_local(int slot) const
{
  const Kind kind = map_.declared_kind(slot);
  return kind == Kind::cell && plain_[static_cast<std::size_t>(slot)] ? Kind::any : kind;
}

// A slot is declared a cell also when only a comprehension makes one there: then the function
// does not begin with it.
Flags Pass::plain_at_home() const
{
  Flags plain(static_cast<std::size_t>(code_->co_nlocalsplus));
  for (int slot = 0; slot < code_->co_nlocalsplus; ++slot) {
    plain[static_cast<std::size_t>(slot)] =
        (_PyLocals_GetKind(code_->co_localspluskinds, slot) & CO_FAST_FREE) == 0;
  }
  for (const Instruction& instruction : map_.instructions()) {
    if (ControlFlow::info(instruction).touch == cpython::Touch::make_cell) {
      plain[static_cast<std::size_t>(instruction.argument)] = false;
    } else if (cpython::opcodes().resume == instruction.opcode) {
      break;
    }
  }
  return plain;
}

Flags Pass::plain_after(const Instruction& instruction, const Stack& before) const
{
  Flags plain = plain_;
  const Accesses all = accesses(instruction);
  for (int which = 0; which < all.count; ++which) {
    const Access& access = all.each[which];
    const auto slot = static_cast<std::size_t>(access.slot);
    if (slot >= plain.size()) {
      continue;
    }
    switch (access.how) {
      case Access::How::load:
      case Access::How::load_check:
      case Access::How::through:
        break;
      case Access::How::make_cell:
        plain[slot] = false;
        break;
      case Access::How::take:
      case Access::How::erase:
        plain[slot] = true;
        break;
      case Access::How::store: {
        // What is stored is a cell only where a comprehension puts back what it hid.
        const auto below = static_cast<std::size_t>(access.from_top);
        plain[slot] = before.size() < below || before[before.size() - below] != Kind::cell;
        break;
      }
    }
  }
  return plain;
}

}  // namespace

ValueStacks value_stacks(const CodeMap& map, PyCodeObject* code)
{
  return Pass(map, code).run();
}

}  // namespace sauerkraut::code
