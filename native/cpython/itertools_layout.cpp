#include "itertools_layout.hpp"

#include <unordered_map>
#include <utility>

namespace sauerkraut::cpython {

namespace {

Py_ssize_t tuple_size(const Value& value)
{
  return value.object ? PyTuple_GET_SIZE(value.object.get()) : 0;
}

Py_ssize_t count(const Value& value)
{
  return static_cast<Py_ssize_t>(value.array.size());
}

// pool, indices, result, r, stopped; whether they ascend strictly
template <bool strictly>
bool combinations_fit(const Values& v)
{
  const Py_ssize_t n = tuple_size(v[0]);
  const Py_ssize_t r = v[3].number;
  if (count(v[1]) != r || (v[2].object && tuple_size(v[2]) != r)) {
    return false;
  }
  if (v[4].number != 0) {
    return true;
  }
  Py_ssize_t least = 0;
  for (Py_ssize_t i = 0; i < r; ++i) {
    const Py_ssize_t index = v[1].array[static_cast<std::size_t>(i)];
    if (index < least || index >= (strictly ? i + n - r + 1 : n)) {
      return false;
    }
    least = strictly ? index + 1 : 0;
  }
  return !strictly || r <= n;
}

// pool, indices, cycles, result, r, stopped
bool permutations_fit(const Values& v)
{
  const Py_ssize_t n = tuple_size(v[0]);
  const Py_ssize_t r = v[4].number;
  if (count(v[1]) != n || count(v[2]) != r || (v[3].object && tuple_size(v[3]) != r)) {
    return false;
  }
  for (const Py_ssize_t index : v[1].array) {
    if (index < 0 || index >= n) {
      return false;
    }
  }
  for (Py_ssize_t i = 0; i < r && v[5].number == 0; ++i) {
    const Py_ssize_t cycle = v[2].array[static_cast<std::size_t>(i)];
    if (cycle < 1 || cycle > n - i) {
      return false;
    }
  }
  return v[5].number != 0 || r <= n;
}

// pools, indices, result, stopped
bool product_fits(const Values& v)
{
  const Py_ssize_t pools = tuple_size(v[0]);
  if (count(v[1]) != pools || (v[2].object && tuple_size(v[2]) != pools)) {
    return false;
  }
  for (Py_ssize_t i = 0; i < pools; ++i) {
    PyObject* pool = PyTuple_GET_ITEM(v[0].object.get(), i);
    if (!PyTuple_CheckExact(pool)) {
      return false;
    }
    const Py_ssize_t index = v[1].array[static_cast<std::size_t>(i)];
    const bool begun = v[2].object && v[3].number == 0;
    if (index < 0 || (index >= PyTuple_GET_SIZE(pool) && (begun || index > 0))) {
      return false;
    }
  }
  return true;
}

#define FIELD(kind, type, name)      \
  Field                              \
  {                                  \
    Kind::kind, offsetof(type, name) \
  }
#define ARRAY(type, name, length)                                         \
  Field                                                                   \
  {                                                                       \
    Kind::array, offsetof(type, name), [](PyObject* o) { return length; } \
  }

std::vector<Field> batched_fields()
{
  std::vector<Field> fields = {FIELD(maybe_iterator, Batched, it), FIELD(number, Batched, size)};
#if PY_VERSION_HEX >= 0x030D0000
  fields.push_back(FIELD(truth, Batched, strict));
#endif
  return fields;
}

// From 3.14 on an exhausted one has no size.
bool batched_fits(const Values& v)
{
  return v[1].number >= 1 || (PY_VERSION_HEX >= 0x030E0000 && v[1].number == -1);
}

// it, saved, index
bool cycle_fits(const Values& v, bool begins_below_zero)
{
  const Py_ssize_t index = v[2].number;
  if (index < 0) {
    return begins_below_zero && index == -1 && v[0].object;
  }
  return index == 0 || index < PyList_GET_SIZE(v[1].object.get());
}

// Until 3.13 a field tells whether all was read once; later an index of -1 does.
Layout cycle_layout()
{
  std::vector<Field> fields = {FIELD(maybe_iterator, Cycle, it), FIELD(list, Cycle, saved),
                               FIELD(number, Cycle, index)};
#if PY_VERSION_HEX >= 0x030E0000
  return {sizeof(Cycle), fields, [](const Values& v) { return cycle_fits(v, true); }};
#else
  fields.push_back(FIELD(whole, Cycle, first_pass));
  return {sizeof(Cycle), fields, [](const Values& v) { return cycle_fits(v, false); }};
#endif
}

// Made by its type, which tells its parent.
bool never(const Values& /*unused*/)
{
  return false;
}

// it, function, target, key, value
bool groupby_fits(const Values& v)
{
  return !v[4].object || v[3].object;
}

PyTypeObject* tee_data_type()
{
  static PyTypeObject* type = itertools_type("_tee_dataobject");
  return type;
}

// data, index
bool tee_fits(const Values& v)
{
  PyObject* data = v[0].object.get();
  return Py_TYPE(data) == tee_data_type() && v[1].number >= 0 &&
         v[1].number <= as<TeeData>(data)->read;
}

// it, cells, next
bool tee_data_fits(const Values& v)
{
  const bool full = static_cast<Py_ssize_t>(v[1].objects.size()) == tee_cells;
  return !v[2].object || (full && Py_TYPE(v[2].object.get()) == tee_data_type());
}

// its, result, fill
bool zip_longest_fits(const Values& v)
{
  return static_cast<Py_ssize_t>(v[0].objects.size()) == tuple_size(v[1]);
}

std::vector<std::pair<const char*, Layout>> layouts_by_name()
{
  const Field applied[] = {FIELD(object, Applied, function), FIELD(iterator, Applied, it)};
  const std::vector<Field> function_and_it(applied, applied + 2);
  const std::vector<Field> with_flag = {FIELD(object, While, function), FIELD(iterator, While, it),
                                        FIELD(flag, While, flag)};
  const std::vector<Field> combinations = {
      FIELD(tuple, Combinations, pool),
      ARRAY(Combinations, indices, as<Combinations>(o)->r),
      FIELD(maybe_tuple, Combinations, result),
      FIELD(number, Combinations, r),
      FIELD(whole, Combinations, stopped),
  };
  return {
      {"accumulate",
       {sizeof(Accumulate),
        {FIELD(maybe_object, Accumulate, total), FIELD(iterator, Accumulate, it),
         FIELD(maybe_object, Accumulate, function), FIELD(object, Accumulate, initial)}}},
      {"batched", {sizeof(Batched), batched_fields(), batched_fits}},
      {"chain",
       {sizeof(Chain),
        {FIELD(maybe_iterator, Chain, source), FIELD(maybe_iterator, Chain, active)}}},
      {"combinations", {sizeof(Combinations), combinations, combinations_fit<true>}},
      {"combinations_with_replacement",
       {sizeof(Combinations), combinations, combinations_fit<false>}},
      {"compress",
       {sizeof(Compress), {FIELD(iterator, Compress, data), FIELD(iterator, Compress, selectors)}}},
      {"count",
       {sizeof(Count),
        {FIELD(number, Count, small), FIELD(maybe_object, Count, large),
         FIELD(object, Count, step)}}},
      {"cycle", cycle_layout()},
      {"dropwhile", {sizeof(While), with_flag}},
      {"filterfalse", {sizeof(Applied), function_and_it}},
      {"groupby",
       {sizeof(GroupBy),
        {FIELD(iterator, GroupBy, it), FIELD(object, GroupBy, function),
         FIELD(maybe_object, GroupBy, target), FIELD(maybe_object, GroupBy, key),
         FIELD(maybe_object, GroupBy, value)},
        groupby_fits}},
      {"_grouper",
       {sizeof(Group), {FIELD(object, Group, parent), FIELD(maybe_object, Group, target)}, never}},
      {"islice",
       {sizeof(Slice),
        {FIELD(maybe_iterator, Slice, it), FIELD(number, Slice, next), FIELD(number, Slice, stop),
         FIELD(number, Slice, step), FIELD(number, Slice, done)}}},
      {"pairwise",
       {sizeof(Pairwise),
        {FIELD(maybe_iterator, Pairwise, it), FIELD(maybe_object, Pairwise, last)}}},
      {"permutations",
       {sizeof(Permutations),
        {FIELD(tuple, Permutations, pool),
         ARRAY(Permutations, indices, PyTuple_GET_SIZE(as<Permutations>(o)->pool)),
         ARRAY(Permutations, cycles, as<Permutations>(o)->r),
         FIELD(maybe_tuple, Permutations, result), FIELD(number, Permutations, r),
         FIELD(whole, Permutations, stopped)},
        permutations_fit}},
      {"product",
       {sizeof(Product),
        {FIELD(tuple, Product, pools),
         ARRAY(Product, indices, PyTuple_GET_SIZE(as<Product>(o)->pools)),
         FIELD(maybe_tuple, Product, result), FIELD(whole, Product, stopped)},
        product_fits}},
      {"repeat", {sizeof(Repeat), {FIELD(object, Repeat, element), FIELD(number, Repeat, left)}}},
      {"starmap", {sizeof(Applied), function_and_it}},
      {"takewhile", {sizeof(While), with_flag}},
      {"_tee", {sizeof(Tee), {FIELD(object, Tee, data), FIELD(whole, Tee, index)}, tee_fits}},
      {"_tee_dataobject",
       {sizeof(TeeData),
        {FIELD(iterator, TeeData, it), Field{Kind::cells, offsetof(TeeData, values)},
         FIELD(maybe_object, TeeData, next)},
        tee_data_fits}},
      {"zip_longest",
       {sizeof(ZipLongest),
        {FIELD(iterators, ZipLongest, its), FIELD(tuple, ZipLongest, result),
         FIELD(object, ZipLongest, fill)},
        zip_longest_fits}},
  };
}

#undef FIELD
#undef ARRAY

using Layouts = std::unordered_map<PyTypeObject*, Layout>;

Layouts find_types()
{
  Layouts found;
  for (auto& [name, layout] : layouts_by_name()) {
    PyTypeObject* type = itertools_type(name);
    if (type == nullptr) {
      continue;
    }
    const auto size = static_cast<std::size_t>(type->tp_basicsize);
    if (type->tp_itemsize == 0 && (size == layout.size || size == layout.size + sizeof(void*))) {
      found.emplace(type, std::move(layout));
    }
  }
  return found;
}

}  // namespace

PyTypeObject* itertools_type(const char* name)
{
  Owned module = Owned::take(PyImport_ImportModule("itertools"));
  PyObject* type = module ? PyObject_GetAttrString(module.get(), name) : nullptr;
  if (type == nullptr) {
    PyErr_Clear();  // a version that does not have it
  } else if (!PyType_Check(type)) {
    Py_CLEAR(type);
  }
  return reinterpret_cast<PyTypeObject*>(type);  // kept for the life of the process
}

const Layout* layout_of(PyTypeObject* type)
{
  static const Layouts layouts = find_types();
  const auto found = layouts.find(type);
  return found == layouts.end() ? nullptr : &found->second;
}

}  // namespace sauerkraut::cpython
