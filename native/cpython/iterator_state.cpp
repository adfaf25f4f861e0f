#include "iterator_state.hpp"

#include "itertools_layout.hpp"

#include <algorithm>
#include <climits>
#include <cstdint>
#include <cstring>
#include <structmember.h>

namespace sauerkraut::cpython {

namespace {

Owned boxed(PyObject* object)
{
  return object == nullptr ? Owned::share(Py_None) : Owned::take(PyTuple_Pack(1, object));
}

Owned numbers(const Py_ssize_t* values, Py_ssize_t count)
{
  Owned tuple = Owned::take(PyTuple_New(count));
  for (Py_ssize_t i = 0; tuple && i < count; ++i) {
    PyObject* number = PyLong_FromSsize_t(values[i]);
    if (number == nullptr) {
      return {};
    }
    PyTuple_SET_ITEM(tuple.get(), i, number);
  }
  return tuple;
}

Owned objects(PyObject* const* items, Py_ssize_t count)
{
  Owned tuple = Owned::take(PyTuple_New(count));
  for (Py_ssize_t i = 0; tuple && i < count; ++i) {
    PyObject* item = items[i] == nullptr ? Py_None : items[i];
    PyTuple_SET_ITEM(tuple.get(), i, Py_NewRef(item));
  }
  return tuple;
}

// A product of an empty pool stops while it fills its first result.
bool is_whole(PyObject* tuple)
{
  PyObject* const* items = &PyTuple_GET_ITEM(tuple, 0);
  return std::find(items, items + PyTuple_GET_SIZE(tuple), nullptr) ==
         items + PyTuple_GET_SIZE(tuple);
}

Owned read(PyObject* iterator, const Field& field)
{
  switch (field.kind) {
    case Kind::number:
      return Owned::take(PyLong_FromSsize_t(at<Py_ssize_t>(iterator, field.offset)));
    case Kind::whole:
      return Owned::take(PyLong_FromLong(at<int>(iterator, field.offset)));
    case Kind::flag:
      return Owned::take(PyLong_FromLong(at<long>(iterator, field.offset)));
    case Kind::truth:
      return Owned::take(PyBool_FromLong(at<bool>(iterator, field.offset) ? 1 : 0));
    case Kind::array:
      return numbers(at<Py_ssize_t*>(iterator, field.offset), field.length(iterator));
    case Kind::cells:
      return objects(as<TeeData>(iterator)->values, as<TeeData>(iterator)->read);
    case Kind::iterators: {
      PyObject* its = at<PyObject*>(iterator, field.offset);
      return objects(&PyTuple_GET_ITEM(its, 0), PyTuple_GET_SIZE(its));
    }
    case Kind::maybe_tuple: {
      PyObject* result = at<PyObject*>(iterator, field.offset);
      return boxed(result != nullptr && is_whole(result) ? result : nullptr);
    }
    default:
      return boxed(at<PyObject*>(iterator, field.offset));
  }
}

bool parse_number(PyObject* given, std::int64_t least, std::int64_t most, Value& value)
{
  if (!PyLong_Check(given)) {
    return false;
  }
  const long long number = PyLong_AsLongLong(given);
  if (number == -1 && PyErr_Occurred() != nullptr) {
    PyErr_Clear();
    return false;
  }
  value.number = number;
  return number >= least && number <= most;
}

bool parse_object(PyObject* given, Kind kind, Value& value)
{
  const bool may_lack =
      kind == Kind::maybe_object || kind == Kind::maybe_iterator || kind == Kind::maybe_tuple;
  if (given == Py_None) {
    return may_lack;
  }
  if (!PyTuple_CheckExact(given) || PyTuple_GET_SIZE(given) != 1) {
    return false;
  }
  PyObject* object = PyTuple_GET_ITEM(given, 0);
  value.object = Owned::share(object);
  switch (kind) {
    case Kind::iterator:
    case Kind::maybe_iterator:
      return PyIter_Check(object) != 0;
    case Kind::tuple:
    case Kind::maybe_tuple:
      return PyTuple_CheckExact(object);
    case Kind::list:
      return PyList_CheckExact(object);
    default:
      return true;
  }
}

bool parse(PyObject* given, Kind kind, Value& value)
{
  switch (kind) {
    case Kind::number:
      return parse_number(given, PY_SSIZE_T_MIN, PY_SSIZE_T_MAX, value);
    case Kind::whole:
      return parse_number(given, INT32_MIN, INT32_MAX, value);
    case Kind::flag:
      return parse_number(given, LONG_MIN, LONG_MAX, value);
    case Kind::truth:
      return parse_number(given, 0, 1, value);
    case Kind::array:
    case Kind::cells:
    case Kind::iterators:
      break;
    default:
      return parse_object(given, kind, value);
  }
  if (!PyTuple_CheckExact(given)) {
    return false;
  }
  for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(given); ++i) {
    PyObject* item = PyTuple_GET_ITEM(given, i);
    if (kind == Kind::array) {
      Value number;
      if (!parse_number(item, PY_SSIZE_T_MIN, PY_SSIZE_T_MAX, number)) {
        return false;
      }
      value.array.push_back(number.number);
      continue;
    }
    if (kind == Kind::iterators && item != Py_None && PyIter_Check(item) == 0) {
      return false;
    }
    value.objects.push_back(Owned::share(item));
  }
  return kind != Kind::cells || value.objects.size() <= tee_cells;
}

// Put an object into a field; what was there is let go later.
void put(PyObject* iterator, std::size_t offset, Owned& object)
{
  PyObject*& field = at<PyObject*>(iterator, offset);
  PyObject* old = field;
  field = object.release();
  object = Owned::take(old);
}

// Room for what the write needs, so that it cannot fail half way; false: out of memory.
bool prepare(Kind kind, Value& value)
{
  if (kind == Kind::array) {
    value.room.reset(static_cast<Py_ssize_t*>(PyMem_Malloc(
        value.array.empty() ? sizeof(Py_ssize_t) : value.array.size() * sizeof(Py_ssize_t))));
    if (value.room == nullptr) {
      PyErr_NoMemory();
      return false;
    }
    std::copy(value.array.begin(), value.array.end(), value.room.get());
  }
  if (kind == Kind::iterators) {
    value.object = Owned::take(PyTuple_New(static_cast<Py_ssize_t>(value.objects.size())));
    if (!value.object) {
      return false;
    }
    for (std::size_t i = 0; i < value.objects.size(); ++i) {
      if (value.objects[i].get() != Py_None) {
        ++value.number;
        PyTuple_SET_ITEM(value.object.get(), static_cast<Py_ssize_t>(i),
                         value.objects[i].release());
      }
    }
  }
  return true;
}

void write(PyObject* iterator, const Field& field, Value& value)
{
  switch (field.kind) {
    case Kind::number:
      at<Py_ssize_t>(iterator, field.offset) = value.number;
      break;
    case Kind::whole:
      at<int>(iterator, field.offset) = static_cast<int>(value.number);
      break;
    case Kind::flag:
      at<long>(iterator, field.offset) = static_cast<long>(value.number);
      break;
    case Kind::truth:
      at<bool>(iterator, field.offset) = value.number != 0;
      break;
    case Kind::array: {
      Py_ssize_t*& array = at<Py_ssize_t*>(iterator, field.offset);
      Py_ssize_t* old = array;
      array = value.room.release();
      value.room.reset(old);
      break;
    }
    case Kind::cells: {
      auto* data = reinterpret_cast<TeeData*>(iterator);
      for (std::size_t i = 0; i < value.objects.size(); ++i) {
        // Cells that were not read hold nothing, not even a null.
        const bool read = static_cast<int>(i) < data->read;
        PyObject* old = read ? data->values[i] : nullptr;
        data->values[i] = value.objects[i].release();
        value.objects[i] = Owned::take(old);
      }
      data->read = std::max(data->read, static_cast<int>(value.objects.size()));
      break;
    }
    case Kind::iterators: {
      auto* longest = reinterpret_cast<ZipLongest*>(iterator);
      longest->size = static_cast<Py_ssize_t>(value.objects.size());
      longest->active = value.number;
      put(iterator, field.offset, value.object);
      break;
    }
    default:
      put(iterator, field.offset, value.object);
  }
}

// Modules/odictobject.c
struct OrderedIterator {
  PyObject_HEAD int kind;
  PyObject* dict;
  Py_ssize_t size;
  std::size_t state;
  PyObject *result, *current;
};

}  // namespace

Owned iterator_state(PyObject* iterator)
{
  const Layout* layout = layout_of(Py_TYPE(iterator));
  if (layout == nullptr) {
    return {};
  }
  Owned state = Owned::take(PyTuple_New(static_cast<Py_ssize_t>(layout->fields.size())));
  Py_ssize_t index = 0;
  for (const Field& field : layout->fields) {
    Owned value = state ? read(iterator, field) : Owned();
    if (!value) {
      return {};
    }
    PyTuple_SET_ITEM(state.get(), index++, value.release());
  }
  return state;
}

bool set_iterator_state(PyObject* iterator, PyObject* state)
{
  const Layout* layout = layout_of(Py_TYPE(iterator));
  Values values;
  bool good = layout != nullptr && PyTuple_CheckExact(state) &&
              PyTuple_GET_SIZE(state) == static_cast<Py_ssize_t>(layout->fields.size());
  for (std::size_t i = 0; good && i < layout->fields.size(); ++i) {
    good = parse(PyTuple_GET_ITEM(state, static_cast<Py_ssize_t>(i)), layout->fields[i].kind,
                 values.emplace_back());
  }
  if (!good || (layout->fits != nullptr && !layout->fits(values))) {
    PyErr_Format(PyExc_ValueError, "not the state of an iterator of type %s",
                 Py_TYPE(iterator)->tp_name);
    return false;
  }
  for (std::size_t i = 0; i < values.size(); ++i) {
    if (!prepare(layout->fields[i].kind, values[i])) {
      return false;
    }
  }
  for (std::size_t i = 0; i < values.size(); ++i) {
    write(iterator, layout->fields[i], values[i]);
  }
  return true;
}

int is_current_group(PyObject* group)
{
  static PyTypeObject* groups = itertools_type("_grouper");
  static PyTypeObject* parents = itertools_type("groupby");
  if (groups == nullptr || Py_TYPE(group) != groups ||
      groups->tp_basicsize != static_cast<Py_ssize_t>(sizeof(Group))) {
    return -1;
  }
  PyObject* parent = as<Group>(group)->parent;
  if (Py_TYPE(parent) != parents || layout_of(parents) == nullptr) {
    return -1;
  }
  return as<GroupBy>(parent)->group == group ? 1 : 0;
}

bool set_line_number(PyObject* reader, unsigned long number)
{
  const bool is_reader = std::strcmp(Py_TYPE(reader)->tp_name, "_csv.reader") == 0;
  Owned field =
      Owned::take(PyObject_GetAttrString(reinterpret_cast<PyObject*>(Py_TYPE(reader)), "line_num"));
  const bool is_field = field && Py_IS_TYPE(field.get(), &PyMemberDescr_Type);
  const PyMemberDef* member =
      is_field ? reinterpret_cast<PyMemberDescrObject*>(field.get())->d_member : nullptr;
  if (!is_reader || member == nullptr || member->type != T_ULONG) {
    PyErr_Clear();
    PyErr_SetString(PyExc_TypeError, "reader must be a csv.reader");
    return false;
  }
  at<unsigned long>(reader, static_cast<std::size_t>(member->offset)) = number;
  return true;
}

int ordered_iterator_kind(PyObject* iterator)
{
  if (Py_TYPE(iterator) != &PyODictIter_Type ||
      PyODictIter_Type.tp_basicsize != static_cast<Py_ssize_t>(sizeof(OrderedIterator))) {
    return -1;
  }
  return as<OrderedIterator>(iterator)->kind;
}

}  // namespace sauerkraut::cpython
