#include "../cpython/adapter.hpp"
// adapter.hpp comes first: it opens CPython's internals.
#include "../errors.hpp"
#include "analysis.hpp"

#include <string>

namespace sauerkraut::code {

using cpython::Flow;
using cpython::Layout;
using cpython::OpcodeInfo;
using cpython::Push;
using cpython::Touch;

namespace {

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

// Template strings take the texts between their interpolations from a constant, unchecked.
bool is_texts(PyObject* object)
{
  if (!PyTuple_CheckExact(object)) {
    return false;
  }
  for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(object); ++i) {
    if (!PyUnicode_CheckExact(PyTuple_GET_ITEM(object, i))) {
      return false;
    }
  }
  return PyTuple_GET_SIZE(object) != 0;
}

const OpcodeInfo& info(const Instruction& instruction)
{
  return cpython::opcodes().info[instruction.opcode];
}

}  // namespace

Analysis::Analysis(CodeMap& map, PyCodeObject* code)
    : map_(map), code_(code), handlers_(exception_table(code->co_exceptiontable))
{
}

void Analysis::run()
{
  const std::size_t count = map_.instructions_.size();
  map_.stacks_.resize(count);
  map_.plain_.resize(count);
  map_.reachable_.assign(count, 0);
  flow_kinds();
  map_.unchecked_ = flow_backward([this](const Instruction& instruction, std::vector<bool>& flags) {
    touch_unchecked(instruction, flags);
  });
}

Analysis::Sets Analysis::live(const CodeMap& map, PyCodeObject* code)
{
  const Analysis analysis(const_cast<CodeMap&>(map), code);  // only run() changes the map
  return analysis.flow_backward([&](const Instruction& instruction, std::vector<bool>& flags) {
    analysis.touch_live(instruction, flags);
  });
}

void Analysis::refuse(const Instruction& instruction, const char* why) const
{
  const char* name = PyUnicode_AsUTF8(code_->co_qualname);
  throw CaptureError(std::string(name != nullptr ? name : "?") + "(): " + why + " (opcode " +
                     std::to_string(instruction.opcode) + " at unit " +
                     std::to_string(instruction.start) + ")");
}

std::optional<int> Analysis::jump_target(const Instruction& instruction) const
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

template <typename Visit>
void Analysis::each_handler(const Instruction& instruction, Visit visit) const
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

// An except* statement starts with an empty list above the exception it handles, and at once
// brings a copy of that exception above the list: no other statement does.
bool Analysis::collects_exceptions(const Instruction& instruction, const Stack& stack) const
{
  const Instruction* next = map_.instruction(instruction.next);
  return instruction.argument == 0 && !stack.empty() && stack.back() == Kind::exception &&
         next != nullptr && next->argument == 2 &&
         (info(*next).push == Push::copy || info(*next).push == Push::swap);
}

Kind Analysis::kind_of_local(int slot) const
{
  const Kind kind = CodeMap::declared_kind(code_, slot);
  return kind == Kind::cell && plain_[static_cast<std::size_t>(slot)] ? Kind::any : kind;
}

// A slot is declared a cell also when only a comprehension makes one there: then the function
// does not begin with it.
Analysis::Flags Analysis::plain_at_home() const
{
  Flags plain(static_cast<std::size_t>(code_->co_nlocalsplus));
  for (int slot = 0; slot < code_->co_nlocalsplus; ++slot) {
    plain[static_cast<std::size_t>(slot)] =
        (_PyLocals_GetKind(code_->co_localspluskinds, slot) & CO_FAST_FREE) == 0;
  }
  for (const Instruction& instruction : map_.instructions_) {
    if (info(instruction).touch == Touch::make_cell) {
      plain[static_cast<std::size_t>(instruction.argument)] = false;
    } else if (cpython::opcodes().resume == instruction.opcode) {
      break;
    }
  }
  return plain;
}

Analysis::Flags Analysis::plain_after(const Instruction& instruction, const Stack& before) const
{
  Flags plain = plain_;
  const int argument = instruction.argument;
  auto set = [&](int slot, bool value) {
    if (slot >= 0 && slot < code_->co_nlocalsplus) {
      plain[static_cast<std::size_t>(slot)] = value;
    }
  };
  // What is stored is a cell only where a comprehension puts back what it hid.
  auto store = [&](int slot, std::size_t from_top) {
    set(slot, before.size() < from_top || before[before.size() - from_top] != Kind::cell);
  };
  switch (info(instruction).touch) {
    case Touch::none:
    case Touch::load:
    case Touch::load_check:
    case Touch::load_pair:
    case Touch::through:
      break;
    case Touch::make_cell:
      set(argument, false);
      break;
    case Touch::take:
    case Touch::erase:
      set(argument, true);
      break;
    case Touch::store:
      store(argument, 1);
      break;
    case Touch::store_load:
      store(argument >> 4, 1);
      break;
    case Touch::store_pair:
      store(argument >> 4, 1);
      store(argument & 15, 2);
      break;
  }
  return plain;
}

void Analysis::arrive(int unit, const Stack& stack, const Flags& plain)
{
  const int index = map_.index(unit);
  const auto at = static_cast<std::size_t>(index);
  if (map_.reachable_[at] == 0) {
    map_.reachable_[at] = 1;
    map_.stacks_[at] = stack;
    map_.plain_[at] = plain;
    pending_.push_back(index);
    return;
  }
  Stack& known = map_.stacks_[at];
  if (known.size() != stack.size()) {
    refuse(map_.instructions_[at], "two paths meet at different stack depths");
  }
  bool changed = false;
  for (std::size_t slot = 0; slot < stack.size(); ++slot) {
    const Kind joined = join(known[slot], stack[slot]);
    changed = changed || joined != known[slot];
    known[slot] = joined;
  }
  Flags& flags = map_.plain_[at];
  for (std::size_t slot = 0; slot < flags.size(); ++slot) {
    const bool both = flags[slot] && plain[slot];
    changed = changed || both != flags[slot];
    flags[slot] = both;
  }
  if (changed) {
    pending_.push_back(index);
  }
}

void Analysis::flow_kinds()
{
  if (map_.instructions_.empty()) {
    return;
  }
  const Flags home = plain_at_home();
  arrive(0, {}, home);
  while (!pending_.empty()) {
    const auto at = static_cast<std::size_t>(pending_.back());
    pending_.pop_back();
    const Instruction instruction = map_.instructions_[at];
    const Stack before = map_.stacks_[at];
    plain_ = map_.plain_[at];
    each_handler(instruction, [&](const Handler& handler) {
      if (handler.depth > static_cast<int>(before.size())) {
        return;  // an instruction that cannot raise, e.g. before the range's first push
      }
      Stack caught(before.begin(), before.begin() + handler.depth);
      if (handler.lasti) {
        caught.push_back(Kind::lasti);
      }
      caught.push_back(Kind::exception);
      // A comprehension has handlers of its own, which only put back what it hid.
      arrive(handler.target, caught, home);
    });
    const Flags plain = plain_after(instruction, before);
    if (const auto target = jump_target(instruction)) {
      arrive(*target, after(instruction, before, true), plain);
    }
    const Flow flow = info(instruction).flow;
    if ((flow == Flow::next || flow == Flow::branch) && instruction.next < map_.units()) {
      arrive(instruction.next, after(instruction, before, false), plain);
    }
  }
}

Analysis::Stack Analysis::after(const Instruction& instruction, Stack stack, bool jumped) const
{
  push_results(instruction, stack, jumped);
  if (static_cast<int>(stack.size()) > code_->co_stacksize) {
    refuse(instruction, "the value stack overflows");
  }
  return stack;
}

void Analysis::push_results(const Instruction& instruction, Stack& stack, bool jumped) const
{
  const OpcodeInfo& what = info(instruction);
  const int argument = instruction.argument;
  if (what.push == Push::unknown) {
    refuse(instruction, "this version's bytecode has an instruction we do not know");
  }
  const int depth = static_cast<int>(stack.size());
  if (what.push == Push::swap) {
    if (argument < 1 || argument > depth) {
      refuse(instruction, "the value stack underflows");
    }
    std::swap(stack[static_cast<std::size_t>(depth - 1)],
              stack[static_cast<std::size_t>(depth - argument)]);
    return;
  }
  int effect = PyCompile_OpcodeStackEffectWithJump(instruction.opcode, argument, jumped ? 1 : 0);
  if (effect == PY_INVALID_STACK_EFFECT) {
    refuse(instruction, "CPython does not tell its stack effect");
  }
  Stack pushed;
  switch (what.push) {
    case Push::unknown:
    case Push::swap:
    case Push::nothing:
      break;
    case Push::value:
      pushed = {Kind::any};
      break;
    case Push::two:
      pushed = {Kind::any, Kind::any};
      break;
    case Push::null:
      pushed = {Kind::null};
      break;
    case Push::constant: {
      PyObject* constant = argument < PyTuple_GET_SIZE(code_->co_consts)
                               ? PyTuple_GET_ITEM(code_->co_consts, argument)
                               : Py_None;
      pushed = {is_texts(constant)             ? Kind::texts
                : PyTuple_CheckExact(constant) ? Kind::tuple
                                               : Kind::any};
      break;
    }
    case Push::iterator:
      pushed = {Kind::iterator};
      if (Layout::loops_by_index) {  // its argument says so for what is delegated to
        pushed = {argument == 0 ? Kind::iterator : Kind::any, Kind::place_in_loop};
      }
      break;
    case Push::next_item:
      if (effect > 0) {
        pushed = {Kind::any};
      }
      break;
    case Push::copy:
      if (argument < 1 || argument > depth) {
        refuse(instruction, "the value stack underflows");
      }
      // A copy of a container is about to get a name (`a = b[f()] = []`): from then on it is
      // an object like any other, and no instruction that fills it trusts it any more.
      if (Kind& kind = stack[static_cast<std::size_t>(depth - argument)];
          under_construction(kind) && kind != Kind::exception_list) {
        kind = Kind::any;
      }
      pushed = {stack[static_cast<std::size_t>(depth - argument)]};
      break;
    case Push::list:
      pushed = {collects_exceptions(instruction, stack) ? Kind::exception_list : Kind::list};
      break;
    case Push::tuple:
      pushed = {Kind::tuple};
      break;
    case Push::set:
      pushed = {Kind::set};
      break;
    case Push::dict:
      pushed = {Kind::dict};
      break;
    case Push::intrinsic:
      pushed = {argument == Layout::intrinsic_list_to_tuple ? Kind::tuple : Kind::any};
      break;
    case Push::reraise_star:
      pushed = {Kind::any};
      break;
    case Push::global:
      pushed = {Kind::any};
      if ((argument & 1) != 0) {
        pushed.insert(Layout::null_below_callable ? pushed.begin() : pushed.end(), Kind::null);
      }
      break;
    case Push::attribute:
      pushed = {Kind::any};
      if (Layout::attribute_makes_methods && (argument & 1) != 0) {
        pushed.insert(Layout::null_below_callable ? pushed.begin() : pushed.end(),
                      Kind::null_or_any);
      }
      break;
    case Push::method:
      pushed = {Kind::null_or_any, Kind::any};
      break;
    case Push::cell:
      pushed = {Kind::cell};
      break;
    case Push::local:
      pushed = {kind_of_local(argument)};
      break;
    case Push::interpolation:
      pushed = {Kind::interpolation};
      break;
    case Push::special:
      pushed = {Kind::any, Kind::null_or_any};
      break;
    case Push::two_locals:
      pushed = {kind_of_local(argument >> 4), kind_of_local(argument & 15)};
      break;
    case Push::saved_local:
      // A cell that a comprehension hides is put back unchecked.
      pushed = {kind_of_local(argument) == Kind::cell ? Kind::cell : Kind::null_or_any};
      break;
    case Push::handled:
      pushed = {Kind::exception_or_none, Kind::exception};
      break;
    case Push::group_match:
      pushed = {Kind::exception_or_none, Kind::exception_or_none};
      break;
    case Push::unpack:
      pushed.assign(static_cast<std::size_t>(argument), Kind::any);
      break;
    case Push::unpack_star:
      pushed.assign(static_cast<std::size_t>((argument & 0xFF) + (argument >> 8) + 1), Kind::any);
      break;
  }
  if (Layout::is_return_generator(instruction.opcode)) {
    effect = 1;
  }
  const int popped = static_cast<int>(pushed.size()) - effect;
  if (popped < 0 || popped > depth) {
    refuse(instruction, "the value stack underflows");
  }
  stack.resize(static_cast<std::size_t>(depth - popped));
  stack.insert(stack.end(), pushed.begin(), pushed.end());
}

void Analysis::touch_unchecked(const Instruction& instruction, std::vector<bool>& unchecked) const
{
  const int argument = instruction.argument;
  auto set = [&](int slot, bool value) {
    if (slot >= 0 && slot < code_->co_nlocalsplus) {
      unchecked[static_cast<std::size_t>(slot)] = value;
    }
  };
  switch (info(instruction).touch) {
    case Touch::none:
      break;
    case Touch::load_check:  // raises where the local is unbound: from here on it is bound
      set(argument, false);
      break;
    case Touch::load:
      if (!Layout::load_fast_checks || CodeMap::declared_kind(code_, argument) == Kind::cell) {
        set(argument, true);
      }
      break;
    case Touch::through:
      set(argument, true);
      break;
    case Touch::load_pair:
      set(argument >> 4, true);
      set(argument & 15, true);
      break;
    case Touch::store:
    case Touch::make_cell:
    case Touch::take:
    case Touch::erase:
      set(argument, false);
      break;
    case Touch::store_load:
      set(argument & 15, true);
      set(argument >> 4, false);
      break;
    case Touch::store_pair:
      set(argument >> 4, false);
      set(argument & 15, false);
      break;
  }
}

void Analysis::touch_live(const Instruction& instruction, std::vector<bool>& live) const
{
  const int argument = instruction.argument;
  auto set = [&](int slot, bool value) {
    if (slot >= 0 && slot < code_->co_nlocalsplus) {
      live[static_cast<std::size_t>(slot)] = value;
    }
  };
  switch (info(instruction).touch) {
    case Touch::none:
      break;
    case Touch::load:
    case Touch::load_check:
    case Touch::through:
    case Touch::take:
    case Touch::erase:  // the program says itself when the value goes
      set(argument, true);
      break;
    case Touch::load_pair:
      set(argument >> 4, true);
      set(argument & 15, true);
      break;
    case Touch::store:
    case Touch::make_cell:
      set(argument, false);
      break;
    case Touch::store_load:
      set(argument & 15, true);
      set(argument >> 4, false);
      break;
    case Touch::store_pair:
      set(argument >> 4, false);
      set(argument & 15, false);
      break;
  }
}

template <typename Change>
Analysis::Sets Analysis::flow_backward(Change change) const
{
  const auto locals = static_cast<std::size_t>(code_->co_nlocalsplus);
  Sets sets(map_.instructions_.size(), std::vector<bool>(locals));
  // Sets only grow, so repeating until nothing changes ends.
  bool changed = true;
  while (changed) {
    changed = false;
    for (std::size_t at = map_.instructions_.size(); at-- > 0;) {
      if (map_.reachable_[at] == 0) {
        continue;
      }
      const Instruction& instruction = map_.instructions_[at];
      std::vector<bool> flags(locals);
      auto merge = [&](int unit) {
        const auto& other = sets[static_cast<std::size_t>(map_.index(unit))];
        for (std::size_t slot = 0; slot < locals; ++slot) {
          flags[slot] = flags[slot] || other[slot];
        }
      };
      const Flow flow = info(instruction).flow;
      if ((flow == Flow::next || flow == Flow::branch) && instruction.next < map_.units()) {
        merge(instruction.next);
      }
      if (const auto target = jump_target(instruction)) {
        merge(*target);
      }
      change(instruction, flags);
      each_handler(instruction, [&](const Handler& handler) { merge(handler.target); });
      if (flags != sets[at]) {
        sets[at] = std::move(flags);
        changed = true;
      }
    }
  }
  return sets;
}

}  // namespace sauerkraut::code
