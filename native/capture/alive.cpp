#include "alive.hpp"

#include "operands.hpp"

#include <new>

namespace sauerkraut::capture {

PyObject* named_operand(const Frame& outer, const code::CallSite& site, int place)
{
  const PyCodeObject* code = Layout::code(outer);
  const auto& map = code::CodeMap::of(Layout::code(outer));
  const int depth = site.kept + place;
  const code::Instruction* loads = map.instruction(site.start);
  while (loads->start > 0 && (!map.reachable(loads->start) ||
                              static_cast<int>(map.stack(loads->start).size()) > depth)) {
    loads = map.instruction(loads->start - 1);
  }
  const cpython::OpcodeInfo& info = cpython::opcodes().info[loads->opcode];
  if (info.push == cpython::Push::local) {
    return local(outer, loads->argument);
  }
  if (info.push != cpython::Push::global) {
    return nullptr;
  }
  PyObject* name = PyTuple_GET_ITEM(code->co_names, loads->argument >> 1);
  for (PyObject* namespace_ : {outer.f_globals, outer.f_builtins}) {
    PyObject* found =
        PyDict_CheckExact(namespace_) ? PyDict_GetItemWithError(namespace_, name) : nullptr;
    PyErr_Clear();  // then nobody knows
    if (found != nullptr) {
      return found;
    }
  }
  return nullptr;
}

Owned all_objects()
{
  const Owned module = Owned::take(PyImport_ImportModule("gc"));
  Owned all =
      Owned::take(module ? PyObject_CallMethod(module.get(), "get_objects", nullptr) : nullptr);
  if (!all) {  // without them a call would be taken for another one
    PyErr_Clear();
    throw std::bad_alloc();
  }
  return all;
}

}  // namespace sauerkraut::capture
