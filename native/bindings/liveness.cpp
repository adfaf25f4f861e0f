#include "../code/code_map.hpp"
#include "../errors.hpp"
#include "bindings.hpp"

namespace nb = nanobind;
using namespace nb::literals;

namespace sauerkraut::bindings {

namespace {

PyCodeObject* code_of(nb::handle object)
{
  if (!PyCode_Check(object.ptr())) {
    throw nb::type_error("code must be a code object");
  }
  return reinterpret_cast<PyCodeObject*>(object.ptr());
}

nb::list slots_of(const std::vector<bool>& flags)
{
  nb::list slots = new_list();
  for (std::size_t slot = 0; slot < flags.size(); ++slot) {
    if (flags[slot]) {
      slots.append(slot);
    }
  }
  return slots;
}

nb::list live_locals(nb::handle object)
{
  PyCodeObject* code = code_of(object);
  const code::CodeMap& map = code::CodeMap::of(code);
  const auto& live = map.live(code);
  nb::list rows = new_list();
  for (std::size_t at = 0; at < live.size(); ++at) {
    rows.append(nb::make_tuple(map.instructions()[at].start, slots_of(live[at])));
  }
  return rows;
}

nb::list live_at(nb::handle object, int unit)
{
  PyCodeObject* code = code_of(object);
  const code::CodeMap& map = code::CodeMap::of(code);
  const code::Instruction* instruction = map.instruction(unit);
  if (instruction == nullptr) {
    throw nb::value_error("no instruction of the code lies there");
  }
  const auto at = static_cast<std::size_t>(instruction - map.instructions().data());
  return slots_of(map.live(code)[at]);
}

}  // namespace

// What the analysis of one code object tells about the life of its fast locals.
void bind_liveness(nb::module_& m)
{
  m.def("live_locals", live_locals, "code"_a,
        "(unit, slots) of each instruction: the fast locals that may be read from there on "
        "before they are stored.",
        nb::sig("def live_locals(code: types.CodeType) -> list[tuple[int, list[int]]]"));
  m.def("live_at", live_at, "code"_a, "unit"_a,
        "The slots of `live_locals` at the instruction that holds a code unit.",
        nb::sig("def live_at(code: types.CodeType, unit: int) -> list[int]"));
}

}  // namespace sauerkraut::bindings
