#include "control.hpp"

#include <algorithm>
#include <charconv>

namespace sauerkraut::wire {

namespace {

// Names may hold any character: those that separate become spaces.
void append(std::string_view text, std::string& rows)
{
  const std::size_t begin = rows.size();
  rows += text;
  std::replace_if(
      rows.begin() + static_cast<std::ptrdiff_t>(begin), rows.end(),
      [](char each) { return each == '\t' || each == '\n'; }, ' ');
}

// What stands before the next `separator`, which is cut off as well.
std::string_view cut(std::string_view& text, char separator)
{
  const std::size_t end = text.find(separator);
  const std::string_view part = text.substr(0, end);
  text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
  return part;
}

template <typename Number>
Number number(std::string_view text)
{
  Number value = 0;
  std::from_chars(text.data(), text.data() + text.size(), value);
  return value;
}

}  // namespace

void show(const Variable& variable, std::uint32_t& next_slot, std::string& rows)
{
  if (variable.slot != next_slot) {
    rows += std::to_string(variable.slot);
  }
  next_slot = variable.slot + 1;
  rows += '\t';
  append(variable.name, rows);
  rows += '\t';
  append(variable.type, rows);
  if (variable.bytes != 0) {
    rows += '\t';
    rows += std::to_string(variable.bytes);
  }
  rows += '\n';
}

std::vector<Variable> shown_variables(std::string_view rows)
{
  std::vector<Variable> all;
  std::uint32_t next_slot = 0;
  while (!rows.empty()) {
    std::string_view line = cut(rows, '\n');
    const std::string_view told = cut(line, '\t');
    const auto slot = told.empty() ? next_slot : number<std::uint32_t>(told);
    next_slot = slot + 1;
    const std::string_view name = cut(line, '\t');
    const std::string_view type = cut(line, '\t');
    all.push_back({name, slot, type, number<std::uint64_t>(line)});
  }
  return all;
}

}  // namespace sauerkraut::wire
