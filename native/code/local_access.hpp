// What an instruction does to the fast locals, one slot after the other.
#pragma once

#include "code_map.hpp"

namespace sauerkraut::code {

struct Access {
  enum class How : std::uint8_t {
    load,        // CPython 3.12 and later take it for granted that the local is bound
    load_check,  // raises where it is unbound
    through,     // reads the cell in the slot
    store,       // what lies `from_top` on the value stack, 1 being its top
    take,        // moves it to the value stack, bound or not
    erase,       // del: raises where it is unbound
    make_cell,   // puts a cell around it
  };
  How how;
  int slot;
  int from_top = 0;
};

// In the order of execution; `count` of them.
struct Accesses {
  Access each[2];
  int count;
};

inline Accesses accesses(const Instruction& instruction)
{
  using How = Access::How;
  using cpython::Touch;
  const int slot = instruction.argument;
  const int first = slot >> 4;
  const int second = slot & 15;
  switch (cpython::opcodes().info[instruction.opcode].touch) {
    case Touch::none:
      break;
    case Touch::load:
      return {{{How::load, slot}}, 1};
    case Touch::load_check:
      return {{{How::load_check, slot}}, 1};
    case Touch::load_pair:
      return {{{How::load, first}, {How::load, second}}, 2};
    case Touch::store:
      return {{{How::store, slot, 1}}, 1};
    case Touch::store_load:
      return {{{How::store, first, 1}, {How::load, second}}, 2};
    case Touch::store_pair:
      return {{{How::store, first, 1}, {How::store, second, 2}}, 2};
    case Touch::take:
      return {{{How::take, slot}}, 1};
    case Touch::erase:
      return {{{How::erase, slot}}, 1};
    case Touch::through:
      return {{{How::through, slot}}, 1};
    case Touch::make_cell:
      return {{{How::make_cell, slot}}, 1};
  }
  return {{}, 0};
}

}  // namespace sauerkraut::code
