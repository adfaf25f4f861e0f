#include "reference.hpp"

#include "../errors.hpp"

namespace sauerkraut::wire {

namespace {

constexpr std::uint64_t pack(std::uint64_t value, ReferenceKind kind)
{
  return value << 3 | static_cast<std::uint64_t>(kind);
}

constexpr std::uint64_t zigzag(std::int64_t value)
{
  return (static_cast<std::uint64_t>(value) << 1) ^ static_cast<std::uint64_t>(value >> 63);
}

constexpr std::int64_t unzigzag(std::uint64_t value)
{
  return static_cast<std::int64_t>(value >> 1) ^ -static_cast<std::int64_t>(value & 1);
}

// CPython keeps one object for each int from -5 to 256: as a number it keeps its identity.
constexpr long smallest = -5;
constexpr long largest = 256;

// Where to look for an object first in a table of `size`, a power of two (Fibonacci hashing).
std::size_t first_look(const PyObject* object, std::size_t size)
{
  const auto address = reinterpret_cast<std::uintptr_t>(object);
  return static_cast<std::size_t>((address >> 4) * 0x9E3779B97F4A7C15u >> 32) & (size - 1);
}

}  // namespace

std::size_t ObjectList::place_of(PyObject* object)
{
  if (table_.size() <= 2 * objects_.size()) {
    grow();
  }
  std::size_t at = first_look(object, table_.size());
  while (table_[at] != 0) {
    if (const std::size_t place = table_[at] - 1; objects_[place].get() == object) {
      return place;
    }
    at = (at + 1) & (table_.size() - 1);
  }
  objects_.push_back(Owned::share(object));
  table_[at] = static_cast<std::uint32_t>(objects_.size());
  return objects_.size() - 1;
}

void ObjectList::grow()
{
  table_.assign(table_.empty() ? 32 : 2 * table_.size(), 0);
  objects_.reserve(table_.size() / 2);
  for (std::size_t place = 0; place < objects_.size(); ++place) {
    std::size_t at = first_look(objects_[place].get(), table_.size());
    while (table_[at] != 0) {
      at = (at + 1) & (table_.size() - 1);
    }
    table_[at] = static_cast<std::uint32_t>(place + 1);
  }
}

std::uint64_t ObjectList::refer(PyObject* object)
{
  if (object == nullptr) {
    return pack(0, ReferenceKind::null);
  }
  if (object == Py_None) {
    return pack(0, ReferenceKind::none);
  }
  if (object == Py_False || object == Py_True) {
    return pack(0, object == Py_True ? ReferenceKind::true_ : ReferenceKind::false_);
  }
  if (PyLong_CheckExact(object)) {
    int overflow = 0;
    const long value = PyLong_AsLongAndOverflow(object, &overflow);
    if (overflow == 0 && value >= smallest && value <= largest) {
      return pack(zigzag(value), ReferenceKind::small_int);
    }
  }
  return pack(place_of(object), ReferenceKind::object);
}

std::uint64_t ObjectList::refer(const Slot& slot)
{
  return slot.kind == Slot::Kind::number ? pack(zigzag(slot.number), ReferenceKind::number)
                                         : refer(slot.object.get());
}

ObjectList collect(const capture::Stack& stack, const std::vector<bool>& globals_by_value)
{
  ObjectList list;
  for (std::size_t i = 0; i < stack.frames.size(); ++i) {
    const capture::FrameState& frame = stack.frames[i];
    for (const Slot& slot : frame.slots) {
      list.refer(slot);
    }
    list.refer(frame.pending_object.get());
    if (globals_by_value[i]) {
      list.refer(frame.globals.get());
    }
    list.refer(frame.locals.get());
    list.refer(frame.generator.get());
  }
  list.refer(stack.handled.get());
  return list;
}

ObjectList collect(const capture::GeneratorState& state)
{
  ObjectList list;
  for (const Slot& slot : state.frame.slots) {
    list.refer(slot);
  }
  list.refer(state.frame.locals.get());
  list.refer(state.handled.get());
  return list;
}

bool valid_any(std::uint64_t reference, std::uint64_t count)
{
  const std::uint64_t value = reference >> 3;
  switch (static_cast<ReferenceKind>(reference & 7)) {
    case ReferenceKind::null:
    case ReferenceKind::none:
    case ReferenceKind::false_:
    case ReferenceKind::true_:
      return value == 0;
    case ReferenceKind::object:
      return value < count;
    case ReferenceKind::small_int: {
      const std::int64_t number = unzigzag(value);
      return number >= smallest && number <= largest;
    }
    case ReferenceKind::number:
      return true;
  }
  return false;
}

Slot resolve_any(std::uint64_t reference, const std::vector<Owned>& objects)
{
  if (!valid_any(reference, objects.size())) {
    throw ResumeError("control state refers to an object that is not there");
  }
  const std::uint64_t value = reference >> 3;
  switch (static_cast<ReferenceKind>(reference & 7)) {
    case ReferenceKind::null:
      break;
    case ReferenceKind::object:
      return Slot::of(objects[static_cast<std::size_t>(value)].get());
    case ReferenceKind::small_int:
      return {Slot::Kind::object, Owned::take(PyLong_FromLongLong(unzigzag(value))), 0};
    case ReferenceKind::none:
      return Slot::of(Py_None);
    case ReferenceKind::false_:
      return Slot::of(Py_False);
    case ReferenceKind::true_:
      return Slot::of(Py_True);
    case ReferenceKind::number:
      return {Slot::Kind::number, {}, unzigzag(value)};
  }
  return {};
}

}  // namespace sauerkraut::wire
