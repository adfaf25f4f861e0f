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

nb::bytes copied(io::Bytes bytes)
{
  return nb::bytes(bytes.data(), bytes.size());
}

nb::tuple head(nb::handle beginning, std::size_t total)
{
  const View view(beginning, false);
  const wire::Head read = wire::head(view.bytes(), total);
  return nb::make_tuple(nb::bytes(read.sealed.data(), read.sealed.size()), copied(read.seal),
                        read.count);
}

nb::tuple sections(nb::handle snapshot, std::uint32_t kind_in_place)
{
  const View view(snapshot, false);
  const io::Bytes whole = view.bytes();
  wire::Head read;
  std::vector<wire::Section> found;
  {
    const nb::gil_scoped_release unlocked;
    read = wire::head(whole, whole.size());
    found = wire::sections(whole, read.count);
  }
  nb::list all = new_list();
  for (const wire::Section& section : found) {
    nb::object data;
    if (section.kind == kind_in_place) {
      const auto begin = section.bytes.data() - whole.data();
      const auto end = begin + static_cast<std::ptrdiff_t>(section.bytes.size());
      data = nb::steal(PySequence_GetSlice(snapshot.ptr(), begin, end));
      if (!data.is_valid()) {
        throw nb::python_error();
      }
    } else {
      data = copied(section.bytes);
    }
    all.append(nb::make_tuple(section.kind, data));
  }
  return nb::make_tuple(nb::bytes(read.sealed.data(), read.sealed.size()), copied(read.seal), all);
}

}  // namespace

void bind_sections(nb::module_& m)
{
  m.def(
      "section_table", section_table, "sections"_a,
      "64 bytes for each section: (kind, bytes), as they follow header and table.",
      nb::sig("def section_table(sections: list[tuple[int, typing_extensions.Buffer]]) -> bytes"));
  m.def("snapshot_head", head, "beginning"_a, "total"_a,
        "What header and table of a snapshot of `total` bytes are sealed by: (sealed, seal, number "
        "of sections). Raises ResumeError for what is none, is cut off, or of another format.",
        nb::sig("def snapshot_head(beginning: typing_extensions.Buffer, total: int) "
                "-> tuple[bytes, bytes, int]"));
  m.def("sections", sections, "snapshot"_a, "kind_in_place"_a,
        "A snapshot in one piece: (sealed, seal, [(kind, bytes) of each section]); a slice instead "
        "of the bytes for one kind. Raises ResumeError when one is not what its table says.",
        nb::sig("def sections(snapshot: memoryview, kind_in_place: int) "
                "-> tuple[bytes, bytes, list[tuple[int, typing.Any]]]"));
}

}  // namespace sauerkraut::bindings
