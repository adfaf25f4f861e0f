// One number per slot: value * 8 + kind, as schema/snapshot.fbs lists them.
#pragma once

#include "../capture/stack.hpp"

#include <cstdint>
#include <vector>

namespace sauerkraut::wire {

using capture::Owned;
using capture::Slot;

enum class ReferenceKind : std::uint8_t {
  null = 0,
  object = 1,
  small_int = 2,
  none = 3,
  false_ = 4,
  true_ = 5,
  number = 6,
};

// The objects that frames refer to, each once, in order of first reference.
class ObjectList {
 public:
  std::uint64_t refer(PyObject* object);
  std::uint64_t refer(const Slot& slot);
  const std::vector<Owned>& objects() const { return objects_; }

 private:
  std::size_t place_of(PyObject* object);
  void grow();

  std::vector<Owned> objects_;
  std::vector<std::uint32_t> table_;  // by address: place + 1, or 0; at most half of it is full
};

// The objects of a stack, in the order in which encode() refers to them. A
// frame's globals are among them only where `globals_by_value` says so.
ObjectList collect(const capture::Stack& stack, const std::vector<bool>& globals_by_value);

// The same of one generator: its own list.
ObjectList collect(const capture::GeneratorState& state);

// Whether `reference` stands for one of `count` objects: most do.
inline bool is_object(std::uint64_t reference, std::uint64_t count)
{
  return (reference & 7) == static_cast<std::uint64_t>(ReferenceKind::object) &&
         reference >> 3 < count;
}

// What resolve() and valid() say about a reference of any kind.
Slot resolve_any(std::uint64_t reference, const std::vector<Owned>& objects);
bool valid_any(std::uint64_t reference, std::uint64_t count);

// The slot that a number stands for. Throws ResumeError for a kind that does not
// exist or a place outside `objects`.
inline Slot resolve(std::uint64_t reference, const std::vector<Owned>& objects)
{
  return is_object(reference, objects.size())
             ? Slot::of(objects[static_cast<std::size_t>(reference >> 3)].get())
             : resolve_any(reference, objects);
}

// Whether `reference` may be resolved with `count` objects.
inline bool valid(std::uint64_t reference, std::uint64_t count)
{
  return is_object(reference, count) || valid_any(reference, count);
}

}  // namespace sauerkraut::wire
