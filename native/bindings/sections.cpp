// The section table of a snapshot in Python.
#include "../wire/sections.hpp"

#include "bindings.hpp"
#include "view.hpp"

#include <list>

namespace nb = nanobind;
using namespace nb::literals;

namespace sauerkraut::bindings {

namespace {

nb::bytes section_table(const nb::list& sections)
{
  std::list<View> views;
  std::vector<wire::Section> all;
  for (const nb::handle item : sections) {
    const auto section = nb::cast<nb::tuple>(item);
    all.push_back({nb::cast<std::uint32_t>(section[0]),
                   views.emplace_back(nb::object(section[1]), false).bytes()});
  }
  std::string table;
  {
    const nb::gil_scoped_release unlocked;
    table = wire::section_table(all);
  }
  return nb::bytes(table.data(), table.size());
}

nb::list sections(nb::handle snapshot, std::size_t count)
{
  const View view(snapshot, false);
  const io::Bytes whole = view.bytes();
  std::vector<wire::Section> found;
  {
    const nb::gil_scoped_release unlocked;
    found = wire::sections(whole, count);
  }
  nb::list all = new_list();
  for (const wire::Section& section : found) {
    const auto begin = static_cast<std::size_t>(section.bytes.data() - whole.data());
    all.append(nb::make_tuple(section.kind, begin, begin + section.bytes.size()));
  }
  return all;
}

}  // namespace

void bind_sections(nb::module_& m)
{
  m.def(
      "section_table", section_table, "sections"_a,
      "64 bytes for each section: (kind, bytes), as they follow header and table.",
      nb::sig("def section_table(sections: list[tuple[int, typing_extensions.Buffer]]) -> bytes"));
  m.def("sections", sections, "snapshot"_a, "count"_a,
        "(kind, begin, end) of each section of a snapshot in one piece; raises ResumeError when "
        "one is not what its table says.",
        nb::sig("def sections(snapshot: typing_extensions.Buffer, count: int) "
                "-> list[tuple[int, int, int]]"));
}

}  // namespace sauerkraut::bindings
