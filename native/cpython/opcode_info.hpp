// What one opcode does to the value stack, the flow and the fast locals: data, by name.
//
// How many values an instruction pops follows from what it pushes and from the
// net effect CPython reports (PyCompile_OpcodeStackEffectWithJump).
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <vector>

namespace sauerkraut::cpython {

enum class Push : std::uint8_t {
  unknown,        // an opcode without an entry: analysis refuses
  nothing,        //
  value,          // one object of any kind
  two,            // two of them
  null,           // PUSH_NULL
  constant,       // LOAD_CONST: a tuple constant is known to be one
  iterator,       // GET_ITER: an object with tp_iternext; what a loop by index goes over
  next_item,      // FOR_ITER: above the iterator, which stays
  copy,           // the arg-th value from the top, again
  swap,           // exchanges the top with the arg-th value
  list,           // of exactly this type: later instructions do not check
  tuple,          //
  set,            //
  dict,           //
  interpolation,  // BUILD_INTERPOLATION: of exactly this type, too
  intrinsic,      // CALL_INTRINSIC_1: 6 makes a tuple from a list
  reraise_star,   // PREP_RERAISE_STAR: an exception or None
  global,         // LOAD_GLOBAL: with a NULL for the call that follows if arg & 1
  attribute,      // LOAD_ATTR, LOAD_SUPER_ATTR: with self or NULL if arg & 1
  method,         // LOAD_METHOD: always both
  cell,           // LOAD_CLOSURE
  local,          // LOAD_FAST, LOAD_FAST_BORROW: a cell where the slot holds one
  two_locals,     // LOAD_FAST_LOAD_FAST and the like
  saved_local,    // LOAD_FAST_AND_CLEAR: the value or NULL
  handled,        // PUSH_EXC_INFO: previous handled exception, the exception
  group_match,    // CHECK_EG_MATCH: rest, match
  special,        // LOAD_SPECIAL: a method, and self or NULL
  unpack,         // UNPACK_SEQUENCE: arg values
  unpack_star,    // UNPACK_EX
};

enum class Flow : std::uint8_t { next, jump, branch, stop };

enum class Touch : std::uint8_t {
  none,
  load,        // LOAD_FAST, LOAD_FAST_BORROW: CPython 3.12 and later do not check for NULL
  load_check,  //
  load_pair,   // LOAD_FAST_LOAD_FAST, LOAD_FAST_BORROW_LOAD_FAST_BORROW
  store,       //
  store_load,  // STORE_FAST_LOAD_FAST
  store_pair,  // STORE_FAST_STORE_FAST
  take,        // LOAD_FAST_AND_CLEAR
  erase,       // DELETE_FAST
  through,     // through the cell in the slot
  make_cell,   // MAKE_CELL: a cell around what the slot held
};

// Which pending operation a frame may wait at: what may run Python code there, and what becomes
// of its value.
enum class Waits : std::uint8_t {
  never,
  precall,       // 3.11: finished by the CALL that follows
  call,          //
  call_kw,       // 3.13: keyword names above the arguments
  call_ex,       //
  attribute,     // LOAD_ATTR, LOAD_METHOD: property, descriptor, __getattr__, __getattribute__
  inherited,     // LOAD_SUPER_ATTR
  assign,        // STORE_ATTR: setter, __set__, __setattr__; nothing is pushed
  unassign,      // DELETE_ATTR
  method,        // a special method of the receiver, whose value is pushed
  update,        // the same, whose value is dropped: __setitem__, __delitem__
  positive,      // CALL_INTRINSIC_1: 5 is __pos__
  binary,        // BINARY_OP: __add__, __radd__, __iadd__ ...
  compare,       // COMPARE_OP
  contains,      // CONTAINS_OP: a truth value, inverted if arg
  truth,         // TO_BOOL
  negation,      // UNARY_NOT, up to 3.12
  branch,        // POP_JUMP_IF_TRUE and the like, up to 3.12
  choice,        // JUMP_IF_TRUE_OR_POP and the like, 3.11: keeps the value where it jumps
  iterate,       // GET_ITER: must be an iterator
  next,          // FOR_ITER: StopIteration ends the loop
  send,          // SEND: the value of StopIteration is that of the `yield from` or `await`
  enter,         // BEFORE_WITH: pushes __exit__ as well
  exit,          // WITH_EXCEPT_START: calls the __exit__ four below the top
  format_value,  // FORMAT_VALUE, up to 3.12: arg & 3 converts, arg & 4 has a spec
  convert,       // CONVERT_VALUE
  format,        // FORMAT_SIMPLE
  format_spec,   // FORMAT_WITH_SPEC
  length,        // GET_LEN
  start,         // RETURN_GENERATOR: a generator not started
  yield,         // YIELD_VALUE: a suspended generator
};

struct OpcodeInfo {
  Push push = Push::unknown;
  Flow flow = Flow::next;
  Touch touch = Touch::none;
  Waits waits = Waits::never;
  bool backward = false;
  // Of an operation that runs a special method: its name, where there is but one, and how far
  // below the top of the stack the receiver lies (1: on top).
  const char* method = nullptr;
  std::uint8_t receiver = 0;
  bool when = false;  // branch, choice: the truth value that jumps
};

// BINARY_OP where its argument says that it fetches an item (3.14 and later).
inline constexpr OpcodeInfo fetches_item = {
    .push = Push::value, .waits = Waits::method, .method = "__getitem__", .receiver = 2};

struct OpcodeTable {
  std::array<OpcodeInfo, 256> info;
  std::array<std::uint8_t, 256> caches;
  int extended_arg = -1;
  int resume = -1;
};

// The table of the running interpreter, built once from its `opcode` module.
// Throws CaptureError when that module is not as expected.
const OpcodeTable& opcodes();

// Names of all opcodes that have an entry, of whatever version.
std::vector<std::string> opcode_names();

}  // namespace sauerkraut::cpython
