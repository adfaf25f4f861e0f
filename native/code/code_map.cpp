#include "../cpython/adapter.hpp"
// adapter.hpp comes first: it opens CPython's internals.
#include "../cpython/refs.hpp"
#include "../errors.hpp"
#include "code_map.hpp"

#include <memory>
#include <utility>

namespace sauerkraut::code {

using cpython::Layout;
using cpython::Owned;
using cpython::Waits;

namespace {

void free_map(void* map)
{
  delete static_cast<CodeMap*>(map);
}

// How many values an instruction that may wait leaves on the stack, unless it jumps.
int values_left(cpython::Push push, int argument)
{
  switch (push) {
    case cpython::Push::nothing:
      return 0;
    case cpython::Push::two:
    case cpython::Push::method:
      return 2;
    case cpython::Push::iterator:
      return Layout::loops_by_index ? 2 : 1;
    case cpython::Push::attribute:
      return Layout::attribute_makes_methods && (argument & 1) != 0 ? 2 : 1;
    default:
      return 1;
  }
}

Py_ssize_t extra_index()
{
  static const Py_ssize_t index = Layout::request_code_extra(free_map);
  return index;
}

}  // namespace

const CodeMap& CodeMap::of(PyCodeObject* code)
{
  auto* object = reinterpret_cast<PyObject*>(code);
  const Py_ssize_t index = extra_index();
  void* extra = nullptr;
  if (index < 0 || Layout::get_code_extra(object, index, &extra) < 0) {
    PyErr_Clear();
    throw CaptureError("CPython has no room left to keep data with code objects");
  }
  if (extra == nullptr) {
    std::unique_ptr<CodeMap> made(new CodeMap(code));
    if (Layout::set_code_extra(object, index, made.get()) < 0) {
      PyErr_Clear();
      throw CaptureError("CPython could not keep data with a code object");
    }
    extra = made.release();
  }
  return *static_cast<CodeMap*>(extra);
}

CodeMap::CodeMap(PyCodeObject* code)
{
  const auto& table = cpython::opcodes();
  const Owned bytes = Owned::take(PyCode_GetCode(code));
  if (!bytes) {
    PyErr_Clear();
    throw CaptureError("the bytecode of a function could not be read");
  }
  const auto* raw = reinterpret_cast<const unsigned char*>(PyBytes_AS_STRING(bytes.get()));
  const int units = static_cast<int>(PyBytes_GET_SIZE(bytes.get()) / 2);
  instruction_at_.assign(static_cast<std::size_t>(units), -1);
  unsigned argument = 0;
  for (int unit = 0; unit < units;) {
    const std::uint8_t opcode = raw[2 * unit];
    argument = (argument << 8) | raw[2 * unit + 1];
    const int next = std::min(units, unit + 1 + table.caches[opcode]);
    for (int covered = unit; covered < next; ++covered) {
      instruction_at_[static_cast<std::size_t>(covered)] = static_cast<int>(instructions_.size());
    }
    instructions_.push_back({unit, next, static_cast<int>(argument), opcode});
    if (opcode != table.extended_arg) {
      argument = 0;
    }
    unit = next;
  }
  for (int slot = 0; slot < code->co_nlocalsplus; ++slot) {
    declared_.push_back(declaration(code, slot));
  }
  stacks_ = value_stacks(*this, code);
  unchecked_ = unchecked_reads(*this, code);
  stops_.resize(instructions_.size());
}

const Instruction* CodeMap::instruction(int unit) const
{
  if (unit < 0 || unit >= units()) {
    return nullptr;
  }
  return &instructions_[index(unit)];
}

bool CodeMap::call_site(int unit, CallSite& site) const
{
  const Instruction* found = instruction(unit);
  if (found == nullptr) {
    return false;
  }
  const Stop& stop = stop_at(*found);
  if (stop.is_call_site) {
    site = stop.site;
  }
  return stop.is_call_site;
}

CodeMap::Stop& CodeMap::stop_at(const Instruction& instruction) const
{
  std::unique_ptr<Stop>& stop = stops_[index(instruction.start)];
  if (stop == nullptr) {
    auto made = std::make_unique<Stop>();
    made->is_call_site = reachable(instruction.start) && find_call_site(instruction, made->site);
    stop = std::move(made);
  }
  return *stop;
}

bool CodeMap::find_call_site(const Instruction& found, CallSite& site) const
{
  const cpython::OpcodeInfo& of_opcode = cpython::opcodes().info[found.opcode];
  const cpython::OpcodeInfo& info =
      of_opcode.waits == Waits::binary && found.argument == Layout::item_operator
          ? cpython::fetches_item
          : of_opcode;
  if (info.waits == Waits::never ||
      (info.waits == Waits::positive && found.argument != Layout::intrinsic_positive)) {
    return false;
  }
  const int depth = static_cast<int>(stack(found.start).size());
  const int yields = values_left(info.push, found.argument);
  site = {found.start, found.next, -1, depth, 0, yields, found.argument, &info, info.waits};
  if (info.waits == Waits::precall) {  // finished together with its CALL
    const Instruction* call = instruction(found.next);
    if (call == nullptr) {
      return false;
    }
    site.next = call->next;
    site.yields = 1;
    site.kept = depth - found.argument - 2;
  } else if (info.waits == Waits::start) {
    site.kept = depth;  // CPython's own stack effect may forget the generator that is pushed
  } else {
    site.kept =
        depth + PyCompile_OpcodeStackEffectWithJump(found.opcode, found.argument, 0) - yields;
  }
  if (info.flow == cpython::Flow::branch) {
    site.target = found.next + (info.backward ? -found.argument : found.argument);
  }
  return site.kept >= 0 && site.next < units() && site.target < units();
}

bool CodeMap::delegates(int unit) const
{
  const Instruction* yield = instruction(unit);
  const Instruction* after = yield != nullptr ? instruction(yield->next) : nullptr;
  // The low bits of its argument tell what it comes after: 2 a `yield from`, 3 an `await`.
  return after != nullptr && after->opcode == cpython::opcodes().resume &&
         (after->argument & 3) >= 2;
}

std::vector<CallSite> CodeMap::call_sites() const
{
  std::vector<CallSite> sites;
  for (const Instruction& instruction : instructions_) {
    CallSite site;
    if (call_site(instruction.start, site)) {
      sites.push_back(site);
    }
  }
  return sites;
}

std::span<const Kind> CodeMap::stack(int start) const
{
  return stacks_.before[index(start)];
}

bool CodeMap::reachable(int start) const
{
  return stacks_.reachable[index(start)] != 0;
}

Kind CodeMap::local_kind(int start, int slot) const
{
  const Kind kind = declared_kind(slot);
  const auto& plain = stacks_.plain[index(start)];
  return kind == Kind::cell && plain[static_cast<std::size_t>(slot)] ? Kind::any : kind;
}

// Whether a loop takes what fast local `slot` holds for an iterator, without a look at it.
bool CodeMap::loops_over(int slot) const
{
  const auto& table = cpython::opcodes();
  bool loaded = false;
  for (const Instruction& instruction : instructions_) {
    const cpython::OpcodeInfo& info = table.info[instruction.opcode];
    if (loaded && info.waits == Waits::next) {
      return true;
    }
    if (instruction.opcode != table.extended_arg) {
      loaded = info.touch == cpython::Touch::load && instruction.argument == slot;
    }
  }
  return false;
}

Kind CodeMap::declaration(PyCodeObject* code, int slot) const
{
  if ((_PyLocals_GetKind(code->co_localspluskinds, slot) & (CO_FAST_CELL | CO_FAST_FREE)) != 0) {
    return Kind::cell;
  }
  // The compiler's own arguments: what a comprehension loops over (`async for` checks it, and so
  // does GET_ITER), and the defaults that generic functions are made with.
  PyObject* name = PyTuple_GET_ITEM(code->co_localsplusnames, slot);
  if (PyUnicode_CompareWithASCIIString(name, ".0") == 0) {
    return loops_over(slot) ? Kind::iterator : Kind::any;
  }
  constexpr std::pair<const char*, Kind> implicit[] = {{".defaults", Kind::tuple},
                                                       {".kwdefaults", Kind::dict}};
  for (const auto& [known, kind] : implicit) {
    if (PyUnicode_CompareWithASCIIString(name, known) == 0) {
      return kind;
    }
  }
  return Kind::any;
}

const std::vector<SlotRule>& CodeMap::rules(const CallSite& site) const
{
  std::vector<SlotRule>& known = stop_at(*instruction(site.start)).rules;
  if (known.empty()) {
    std::vector<SlotRule> rules;
    for (int slot = 0; slot < static_cast<int>(declared_.size()); ++slot) {
      const Kind kind = local_kind(site.start, slot);
      // locals() looks into every cell, so none may be missing.
      rules.push_back({kind, kind != Kind::cell && !needs_bound(site.start, slot)});
    }
    for (const Kind kind : stack(site.start).first(static_cast<std::size_t>(site.kept))) {
      rules.push_back({kind, false});
    }
    known = std::move(rules);
  }
  return known;
}

const LocalSets& CodeMap::live(PyCodeObject* code) const
{
  if (live_.empty()) {
    live_ = possible_reads(*this, code);
  }
  return live_;
}

bool CodeMap::needs_bound(int start, int slot) const
{
  return unchecked_[index(start)][static_cast<std::size_t>(slot)];
}

}  // namespace sauerkraut::code
