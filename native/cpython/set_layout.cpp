#include "set_layout.hpp"

namespace sauerkraut::cpython {

namespace {

PySetObject* fields(PyObject* set)
{
  return reinterpret_cast<PySetObject*>(set);
}

// What a slot holds whose element was removed; no header of every version names it.
PyObject* removed_mark()
{
  static PyObject* mark = [] {
    PyObject* found = nullptr;
    PyObject* set = PySet_New(nullptr);
    PyObject* one = PyLong_FromLong(1);
    if (set != nullptr && one != nullptr && PySet_Add(set, one) == 0 &&
        PySet_Discard(set, one) == 1) {
      for (Py_ssize_t slot = 0; slot <= fields(set)->mask; ++slot) {
        if (fields(set)->table[slot].key != nullptr) {
          found = fields(set)->table[slot].key;
        }
      }
    }
    Py_XDECREF(one);
    Py_XDECREF(set);
    PyErr_Clear();
    return found;
  }();
  return mark;
}

bool can_be_in_cycle(PyObject* object)
{
  if (PyTuple_CheckExact(object)) {
    for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(object); ++i) {
      if (can_be_in_cycle(PyTuple_GET_ITEM(object, i))) {
        return true;
      }
    }
    return false;
  }
  return PyObject_IS_GC(object) != 0;
}

bool fits(const SetLayout& layout)
{
  const auto slots = layout.mask + 1;
  if (slots < PySet_MINSIZE || (slots & layout.mask) != 0 || layout.finger < 0 ||
      layout.hashes.size() != layout.slots.size() ||
      layout.elements.size() != layout.slots.size() ||
      static_cast<Py_ssize_t>(layout.slots.size() + layout.removed.size()) >= slots) {
    return false;
  }
  std::vector<bool> taken(static_cast<std::size_t>(slots));
  for (const auto* part : {&layout.slots, &layout.removed}) {
    for (std::int64_t slot : *part) {
      if (slot < 0 || slot >= slots || taken[static_cast<std::size_t>(slot)]) {
        return false;
      }
      taken[static_cast<std::size_t>(slot)] = true;
    }
  }
  return true;
}

bool same_hashes(const SetLayout& layout)
{
  for (std::size_t i = 0; i < layout.elements.size(); ++i) {
    const Py_hash_t hash = PyObject_Hash(layout.elements[i]);
    if (hash != layout.hashes[i] || (hash == -1 && PyErr_Occurred() != nullptr)) {
      return false;
    }
  }
  return true;
}

// Ints that, merged into an empty set, give it a table of `mask + 1` slots: merging n elements
// makes the smallest table with more than 2 n slots.
PyObject* fillers_for(Py_ssize_t mask)
{
  PyObject* fillers = PySet_New(nullptr);
  const Py_ssize_t count = mask < PySet_MINSIZE ? 1 : (mask + 1) / 2 - 1;
  for (Py_ssize_t i = 0; fillers != nullptr && i < count; ++i) {
    PyObject* filler = PyLong_FromSsize_t(i);
    if (filler == nullptr || PySet_Add(fillers, filler) != 0) {
      Py_CLEAR(fillers);
    }
    Py_XDECREF(filler);
  }
  return fillers;
}

// Replace what stands in the table of a set.
void fill(PyObject* set, const SetLayout& layout)
{
  PySetObject* into = fields(set);
  for (Py_ssize_t slot = 0; slot <= into->mask; ++slot) {
    setentry& entry = into->table[slot];
    if (entry.key != nullptr && entry.key != removed_mark()) {
      Py_DECREF(entry.key);  // a filler: nothing runs
    }
    entry = {nullptr, 0};
  }
  for (std::size_t i = 0; i < layout.slots.size(); ++i) {
    into->table[layout.slots[i]] = {Py_NewRef(layout.elements[i]), layout.hashes[i]};
  }
  for (std::int64_t slot : layout.removed) {
    into->table[slot] = {removed_mark(), -1};
  }
  into->used = static_cast<Py_ssize_t>(layout.slots.size());
  into->fill = into->used + static_cast<Py_ssize_t>(layout.removed.size());
  into->finger = layout.finger;
}

}  // namespace

SetLayout layout_of(PyObject* set)
{
  SetLayout layout;
  const PySetObject* from = fields(set);
  layout.mask = from->mask;
  layout.finger = from->finger;
  for (Py_ssize_t slot = 0; slot <= from->mask; ++slot) {
    const setentry& entry = from->table[slot];
    if (entry.key == nullptr) {
      continue;
    }
    if (entry.key == removed_mark()) {
      layout.removed.push_back(slot);
      continue;
    }
    layout.slots.push_back(slot);
    layout.hashes.push_back(entry.hash);
    layout.elements.push_back(entry.key);
  }
  return layout;
}

int is_as_if_added(PyObject* set, const SetLayout& layout)
{
  if (removed_mark() == nullptr) {
    return 1;
  }
  for (PyObject* element : layout.elements) {
    if (can_be_in_cycle(element)) {
      return 1;
    }
  }
  if (layout.finger != 0 || !layout.removed.empty()) {
    return 0;
  }
  PyObject* list = PySequence_List(set);
  PyObject* added = list == nullptr ? nullptr : PySet_New(list);
  Py_XDECREF(list);
  if (added == nullptr) {
    return -1;
  }
  bool same = fields(added)->mask == layout.mask;
  for (std::size_t i = 0; same && i < layout.slots.size(); ++i) {
    same = fields(added)->table[layout.slots[i]].key == layout.elements[i];
  }
  Py_DECREF(added);
  return same ? 1 : 0;
}

PyObject* make_set(const SetLayout& layout, bool frozen)
{
  if (removed_mark() == nullptr || !fits(layout) || !same_hashes(layout)) {
    return nullptr;
  }
  PyObject* fillers = fillers_for(layout.mask);
  if (fillers == nullptr) {
    return nullptr;
  }
  PyObject* made = frozen ? PyFrozenSet_New(fillers) : PySet_New(fillers);
  Py_DECREF(fillers);
  if (made != nullptr && fields(made)->mask != layout.mask) {
    Py_CLEAR(made);
  }
  if (made != nullptr) {
    fill(made, layout);
  }
  return made;
}

bool lay_out(PyObject* set, const SetLayout& layout)
{
  PyObject* like = make_set(layout, false);
  if (like == nullptr || PySet_GET_SIZE(set) != 0) {
    Py_XDECREF(like);
    return false;
  }
  PyObject* fillers = fillers_for(layout.mask);
  PyObject* merged =
      fillers == nullptr ? nullptr : PyObject_CallMethod(set, "update", "O", fillers);
  Py_XDECREF(fillers);
  Py_XDECREF(merged);
  const bool good = merged != nullptr && fields(set)->mask == layout.mask;
  if (good) {
    fill(set, layout);
  } else {
    PySet_Clear(set);
  }
  Py_DECREF(like);
  return good;
}

}  // namespace sauerkraut::cpython
