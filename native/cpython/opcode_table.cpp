#include "adapter.hpp"
// adapter.hpp comes first: it opens CPython's internals.
#include "../errors.hpp"
#include "opcode_info.hpp"
#include "refs.hpp"

#include <cstring>
#include <string>

namespace sauerkraut::cpython {

namespace {

struct Entry {
  const char* name;
  OpcodeInfo info;
};

constexpr OpcodeInfo pushes(Push push, Touch touch = Touch::none)
{
  return {.push = push, .touch = touch};
}

constexpr OpcodeInfo pops(Touch touch = Touch::none)
{
  return pushes(Push::nothing, touch);
}

constexpr OpcodeInfo waiting(Waits waits)
{
  return {.push = Push::value, .waits = waits};
}

// An operation that runs a special method of the operand `receiver` below the top.
constexpr OpcodeInfo runs(Waits waits, const char* method, std::uint8_t receiver,
                          Push push = Push::value)
{
  return {.push = push, .waits = waits, .method = method, .receiver = receiver};
}

constexpr OpcodeInfo jumps(bool when, bool backward = false, Waits waits = Waits::branch)
{
  return {.push = Push::nothing,
          .flow = Flow::branch,
          .waits = waits,
          .backward = backward,
          .receiver = 1,
          .when = when};
}

constexpr OpcodeInfo flows(Flow flow, bool backward = false)
{
  return {.push = Push::nothing, .flow = flow, .backward = backward};
}

// One list serves CPython 3.11 to 3.15: a name means the same wherever it exists,
// up to the order of two slots, which the frame layout of the version tells.
constexpr Entry entries[] = {
    {"CACHE", pops()},
    {"NOP", pops()},
    {"NOT_TAKEN", pops()},
    {"RESUME", pops()},
    {"EXTENDED_ARG", pops()},
    {"KW_NAMES", pops()},
    {"POP_TOP", pops()},
    {"END_FOR", pops()},
    {"POP_ITER", pops()},
    {"END_SEND", pushes(Push::value)},
    {"PUSH_NULL", pushes(Push::null)},
    {"COPY", pushes(Push::copy)},
    {"SWAP", pushes(Push::swap)},
    {"UNARY_POSITIVE", runs(Waits::method, "__pos__", 1)},
    {"UNARY_NEGATIVE", runs(Waits::method, "__neg__", 1)},
    {"UNARY_NOT", runs(Waits::negation, nullptr, 1)},
    {"UNARY_INVERT", runs(Waits::method, "__invert__", 1)},
    {"TO_BOOL", runs(Waits::truth, nullptr, 1)},
    {"BINARY_OP", runs(Waits::binary, nullptr, 2)},
    {"BINARY_SLICE", runs(Waits::method, "__getitem__", 3)},
    {"BINARY_SUBSCR", runs(Waits::method, "__getitem__", 2)},
    {"STORE_SLICE", runs(Waits::update, "__setitem__", 3, Push::nothing)},
    {"STORE_SUBSCR", runs(Waits::update, "__setitem__", 2, Push::nothing)},
    {"DELETE_SUBSCR", runs(Waits::update, "__delitem__", 2, Push::nothing)},
    {"COMPARE_OP", runs(Waits::compare, nullptr, 2)},
    {"IS_OP", pushes(Push::value)},
    {"CONTAINS_OP", runs(Waits::contains, "__contains__", 1)},
    {"GET_LEN", runs(Waits::length, "__len__", 1)},
    {"MATCH_MAPPING", pushes(Push::value)},
    {"MATCH_SEQUENCE", pushes(Push::value)},
    {"MATCH_KEYS", pushes(Push::value)},
    {"MATCH_CLASS", pushes(Push::value)},
    {"PUSH_EXC_INFO", pushes(Push::handled)},
    {"CHECK_EXC_MATCH", pushes(Push::value)},
    {"CHECK_EG_MATCH", pushes(Push::group_match)},
    {"PREP_RERAISE_STAR", pushes(Push::reraise_star)},
    {"POP_EXCEPT", pops()},
    {"RERAISE", flows(Flow::stop)},
    {"RAISE_VARARGS", flows(Flow::stop)},
    {"WITH_EXCEPT_START", runs(Waits::exit, "__exit__", Layout::exit_keeps_self ? 5 : 4)},
    {"BEFORE_WITH", runs(Waits::enter, "__enter__", 1, Push::two)},
    {"BEFORE_ASYNC_WITH", pushes(Push::two)},
    {"LOAD_SPECIAL", pushes(Push::special)},
    {"GET_AITER", pushes(Push::value)},
    {"GET_ANEXT", pushes(Push::value)},
    {"GET_AWAITABLE", pushes(Push::value)},
    {"ASYNC_GEN_WRAP", pushes(Push::value)},
    {"END_ASYNC_FOR", pops()},
    {"CLEANUP_THROW", pushes(Push::two)},
    {"GET_ITER", runs(Waits::iterate, "__iter__", 1, Push::iterator)},
    {"GET_YIELD_FROM_ITER", pushes(Push::value)},
    {"FOR_ITER",
     {.push = Push::next_item,
      .flow = Flow::branch,
      .waits = Waits::next,
      .method = "__next__",
      .receiver = Layout::loops_by_index ? 2 : 1}},
    {"SEND",
     {.push = Push::value,
      .flow = Flow::branch,
      .waits = Waits::send,
      .method = "__next__",
      .receiver = Layout::loops_by_index ? 3 : 2}},
    {"YIELD_VALUE", waiting(Waits::yield)},
    {"RETURN_GENERATOR", waiting(Waits::start)},
    {"RETURN_VALUE", flows(Flow::stop)},
    {"RETURN_CONST", flows(Flow::stop)},
    {"INTERPRETER_EXIT", flows(Flow::stop)},
    {"PRINT_EXPR", pops()},
    {"IMPORT_STAR", pops()},
    {"SETUP_ANNOTATIONS", pops()},
    {"LOAD_BUILD_CLASS", pushes(Push::value)},
    {"LOAD_ASSERTION_ERROR", pushes(Push::value)},
    {"LOAD_LOCALS", pushes(Push::value)},
    {"LIST_TO_TUPLE", pushes(Push::tuple)},
    {"STORE_NAME", pops()},
    {"DELETE_NAME", pops()},
    {"STORE_GLOBAL", pops()},
    {"DELETE_GLOBAL", pops()},
    {"STORE_ATTR", runs(Waits::assign, nullptr, 1, Push::nothing)},
    {"DELETE_ATTR", runs(Waits::unassign, nullptr, 1, Push::nothing)},
    {"UNPACK_SEQUENCE", pushes(Push::unpack)},
    {"UNPACK_EX", pushes(Push::unpack_star)},
    {"LOAD_CONST", pushes(Push::constant)},
    {"LOAD_SMALL_INT", pushes(Push::value)},
    {"LOAD_COMMON_CONSTANT", pushes(Push::value)},
    {"LOAD_NAME", pushes(Push::value)},
    {"LOAD_GLOBAL", pushes(Push::global)},
    {"LOAD_FROM_DICT_OR_GLOBALS", pushes(Push::value)},
    {"LOAD_ATTR", runs(Waits::attribute, nullptr, 1, Push::attribute)},
    {"LOAD_SUPER_ATTR", runs(Waits::inherited, nullptr, 1, Push::attribute)},
    {"LOAD_METHOD", runs(Waits::attribute, nullptr, 1, Push::method)},
    {"IMPORT_NAME", pushes(Push::value)},
    {"IMPORT_FROM", pushes(Push::value)},
    {"BUILD_TUPLE", pushes(Push::tuple)},
    {"BUILD_LIST", pushes(Push::list)},
    {"BUILD_SET", pushes(Push::set)},
    {"BUILD_MAP", pushes(Push::dict)},
    {"BUILD_CONST_KEY_MAP", pushes(Push::dict)},
    {"BUILD_SLICE", pushes(Push::value)},
    {"BUILD_STRING", pushes(Push::value)},
    {"BUILD_TEMPLATE", pushes(Push::value)},
    {"BUILD_INTERPOLATION", pushes(Push::interpolation)},
    {"LIST_APPEND", pops()},
    {"LIST_EXTEND", pops()},
    {"SET_ADD", pops()},
    {"SET_UPDATE", pops()},
    {"MAP_ADD", pops()},
    {"DICT_MERGE", pops()},
    {"DICT_UPDATE", pops()},
    {"FORMAT_VALUE", waiting(Waits::format_value)},
    {"FORMAT_SIMPLE", waiting(Waits::format)},
    {"FORMAT_WITH_SPEC", waiting(Waits::format_spec)},
    {"CONVERT_VALUE", waiting(Waits::convert)},
    {"CALL_INTRINSIC_1", runs(Waits::positive, "__pos__", 1, Push::intrinsic)},
    {"CALL_INTRINSIC_2", pushes(Push::reraise_star)},
    {"MAKE_FUNCTION", pushes(Push::value)},
    {"SET_FUNCTION_ATTRIBUTE", pushes(Push::value)},
    {"PRECALL", {.push = Push::nothing, .waits = Waits::precall}},
    {"CALL", waiting(Waits::call)},
    {"CALL_KW", waiting(Waits::call_kw)},
    {"CALL_FUNCTION_EX", waiting(Waits::call_ex)},
    {"JUMP_FORWARD", flows(Flow::jump)},
    {"JUMP_BACKWARD", flows(Flow::jump, true)},
    {"JUMP_BACKWARD_NO_INTERRUPT", flows(Flow::jump, true)},
    {"JUMP_IF_FALSE_OR_POP", jumps(false, false, Waits::choice)},
    {"JUMP_IF_TRUE_OR_POP", jumps(true, false, Waits::choice)},
    {"POP_JUMP_IF_FALSE", jumps(false)},
    {"POP_JUMP_IF_TRUE", jumps(true)},
    {"POP_JUMP_IF_NONE", flows(Flow::branch)},
    {"POP_JUMP_IF_NOT_NONE", flows(Flow::branch)},
    {"POP_JUMP_FORWARD_IF_FALSE", jumps(false)},
    {"POP_JUMP_FORWARD_IF_TRUE", jumps(true)},
    {"POP_JUMP_FORWARD_IF_NONE", flows(Flow::branch)},
    {"POP_JUMP_FORWARD_IF_NOT_NONE", flows(Flow::branch)},
    {"POP_JUMP_BACKWARD_IF_FALSE", jumps(false, true)},
    {"POP_JUMP_BACKWARD_IF_TRUE", jumps(true, true)},
    {"POP_JUMP_BACKWARD_IF_NONE", flows(Flow::branch, true)},
    {"POP_JUMP_BACKWARD_IF_NOT_NONE", flows(Flow::branch, true)},
    {"LOAD_FAST", pushes(Push::local, Touch::load)},
    {"LOAD_FAST_BORROW", pushes(Push::local, Touch::load)},
    {"LOAD_FAST_CHECK", pushes(Push::local, Touch::load_check)},
    {"LOAD_FAST_AND_CLEAR", pushes(Push::saved_local, Touch::take)},
    {"LOAD_FAST_LOAD_FAST", pushes(Push::two_locals, Touch::load_pair)},
    {"LOAD_FAST_BORROW_LOAD_FAST_BORROW", pushes(Push::two_locals, Touch::load_pair)},
    {"STORE_FAST", pops(Touch::store)},
    {"STORE_FAST_LOAD_FAST", pushes(Push::value, Touch::store_load)},
    {"STORE_FAST_STORE_FAST", pops(Touch::store_pair)},
    {"DELETE_FAST", pops(Touch::erase)},
    {"MAKE_CELL", pops(Touch::make_cell)},
    {"COPY_FREE_VARS", pops()},
    {"LOAD_CLOSURE", pushes(Push::cell, Touch::load)},
    {"LOAD_DEREF", pushes(Push::value, Touch::through)},
    {"LOAD_CLASSDEREF", pushes(Push::value, Touch::through)},
    {"LOAD_FROM_DICT_OR_DEREF", pushes(Push::value, Touch::through)},
    {"STORE_DEREF", pops(Touch::through)},
    {"DELETE_DEREF", pops(Touch::through)},
};

[[noreturn]] void unexpected()
{
  PyErr_Clear();
  throw CaptureError("the opcode module of this CPython is not as expected");
}

Owned attribute(PyObject* object, const char* name)
{
  Owned found = Owned::take(PyObject_GetAttrString(object, name));
  if (!found) {
    unexpected();
  }
  return found;
}

int small_number(PyObject* object)
{
  const long number = PyLong_AsLong(object);
  if (number == -1 && PyErr_Occurred()) {
    unexpected();
  }
  return static_cast<int>(number);
}

// Code units of inline caches: a list by number up to 3.12, a mapping by name from 3.13 on.
int cache_units(PyObject* caches, int opcode, PyObject* name)
{
  const bool listed = PyList_Check(caches);
  const Owned count =
      Owned::take(listed ? PySequence_GetItem(caches, opcode) : PyObject_GetItem(caches, name));
  if (!count && !listed && PyErr_ExceptionMatches(PyExc_KeyError) != 0) {
    PyErr_Clear();
    return 0;
  }
  return count ? small_number(count.get()) : (unexpected(), 0);
}

OpcodeTable build()
{
  OpcodeTable table{};
  const Owned module = Owned::take(PyImport_ImportModule("opcode"));
  if (!module) {
    unexpected();
  }
  const Owned opmap = attribute(module.get(), "opmap");
  const Owned caches = attribute(module.get(), "_inline_cache_entries");
  const Owned items = Owned::take(PyMapping_Items(opmap.get()));  // of a frozendict from 3.15 on
  if (!items) {
    unexpected();
  }
  for (Py_ssize_t i = 0; i < PyList_GET_SIZE(items.get()); ++i) {
    PyObject* name = PyTuple_GET_ITEM(PyList_GET_ITEM(items.get(), i), 0);
    const int opcode = small_number(PyTuple_GET_ITEM(PyList_GET_ITEM(items.get(), i), 1));
    if (opcode < 0 || opcode > 255) {
      continue;  // pseudo instructions never reach bytecode
    }
    const char* text = PyUnicode_AsUTF8(name);
    if (text == nullptr) {
      unexpected();
    }
    for (const Entry& entry : entries) {
      if (std::strcmp(entry.name, text) == 0) {
        table.info[opcode] = entry.info;
      }
    }
    if (std::strcmp(text, "EXTENDED_ARG") == 0) {
      table.extended_arg = opcode;
    } else if (std::strcmp(text, "RESUME") == 0) {
      table.resume = opcode;
    }
    table.caches[opcode] = static_cast<std::uint8_t>(cache_units(caches.get(), opcode, name));
  }
  return table;
}

}  // namespace

std::vector<std::string> opcode_names()
{
  std::vector<std::string> names;
  for (const Entry& entry : entries) {
    names.emplace_back(entry.name);
  }
  return names;
}

const OpcodeTable& opcodes()
{
  static const OpcodeTable table = build();
  return table;
}

}  // namespace sauerkraut::cpython
