// Header and section table of a snapshot in one piece (docs/format.md). The table has 64 bytes for
// each section: its kind, offset, length and XXH3-128, in the order in which they follow each
// other, aligned.
#pragma once

#include "../io/hash.hpp"

#include <cstdint>
#include <string>
#include <vector>

namespace sauerkraut::wire {

struct Section {
  std::uint32_t kind = 0;
  io::Bytes bytes;
};

// The beginning of a snapshot. Its seal, a hash of BLAKE2b, is for the caller to check.
struct Head {
  std::string sealed;  // what the seal is made of: the fields of the header, and the table
  io::Bytes seal;
  std::size_t count = 0;  // of sections
};

// Reads header and table, which `beginning` begins with, of a snapshot of `total` bytes. Throws
// ResumeError for what is none, is cut off, or of another format.
Head head(io::Bytes beginning, std::size_t total);

// The table of sections that follow a header and this table.
std::string section_table(const std::vector<Section>& sections);

// The sections of `snapshot`, whose table of `count` sections begins behind the header. Throws
// ResumeError when they are not where or what they were.
std::vector<Section> sections(io::Bytes snapshot, std::size_t count);

}  // namespace sauerkraut::wire
