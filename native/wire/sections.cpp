#include "sections.hpp"

#include "../errors.hpp"

#include <algorithm>
#include <bit>
#include <cstddef>
#include <cstring>

namespace sauerkraut::wire {

namespace {

constexpr std::size_t alignment = 64;  // also the size of the header and of each entry
constexpr char magic[] = "SAUERKRT";
constexpr std::uint32_t format_version = 1;

struct Entry {
  std::uint32_t kind = 0;
  std::uint32_t zero = 0;
  std::uint64_t offset = 0;
  std::uint64_t size = 0;
  io::Digest digest{};
  std::uint8_t rest[24] = {};
};
static_assert(sizeof(Entry) == alignment && std::endian::native == std::endian::little);

struct Header {
  char magic[8];
  std::uint32_t version;
  std::uint32_t count;
  std::uint64_t total;
  std::uint8_t seal[40];
};
static_assert(sizeof(Header) == alignment);

std::size_t aligned(std::size_t size)
{
  return (size + alignment - 1) / alignment * alignment;
}

io::Digest digest_of(io::Bytes bytes)
{
  constexpr std::size_t whole = std::size_t{1} << 62;
  const auto digests = io::hash(bytes, whole);
  return digests.empty() ? io::Digest{} : digests.front();
}

[[noreturn]] void refuse(std::size_t index, const char* why)
{
  throw ResumeError("snapshot is damaged: section " + std::to_string(index) + why);
}

}  // namespace

Head head(io::Bytes beginning, std::size_t total)
{
  Header header;
  if (beginning.size() < alignment) {
    throw ResumeError("a snapshot has at least " + std::to_string(alignment) + " bytes, this has " +
                      std::to_string(beginning.size()));
  }
  std::memcpy(&header, beginning.data(), sizeof header);
  if (std::memcmp(header.magic, magic, sizeof header.magic) != 0) {
    throw ResumeError("not a snapshot: the first bytes are not SAUERKRT");
  }
  if (header.version != format_version) {
    throw ResumeError("snapshot of format " + std::to_string(header.version) +
                      "; this version reads format " + std::to_string(format_version));
  }
  const std::size_t end = alignment * (1 + std::size_t{header.count});
  if (header.total != total || end > beginning.size()) {
    throw ResumeError("snapshot of " + std::to_string(header.total) +
                      " bytes is cut off or mixed up: " + std::to_string(total) + " bytes");
  }
  Head read{{}, beginning.subspan(offsetof(Header, seal), sizeof header.seal), header.count};
  const auto* bytes = reinterpret_cast<const char*>(beginning.data());
  read.sealed.reserve(end - sizeof header.seal);
  read.sealed.append(bytes, offsetof(Header, seal)).append(bytes + alignment, end - alignment);
  return read;
}

std::string section_table(const std::vector<Section>& sections)
{
  std::string table;
  table.reserve(sections.size() * alignment);
  std::size_t offset = alignment * (1 + sections.size());
  for (const Section& section : sections) {
    Entry entry;
    entry.kind = section.kind;
    entry.offset = offset;
    entry.size = section.bytes.size();
    entry.digest = digest_of(section.bytes);
    table.append(reinterpret_cast<const char*>(&entry), sizeof entry);
    offset += aligned(section.bytes.size());
  }
  return table;
}

std::vector<Section> sections(io::Bytes snapshot, std::size_t count)
{
  std::vector<Section> all;
  std::size_t offset = alignment * (1 + count);
  if (count > snapshot.size() / alignment || offset > snapshot.size()) {
    throw ResumeError("snapshot is cut off in its section table");
  }
  for (std::size_t i = 0; i < count; ++i) {
    Entry entry;
    std::memcpy(&entry, snapshot.data() + alignment * (1 + i), sizeof entry);
    if (entry.offset != offset || entry.size > snapshot.size() - offset) {
      refuse(i, " is not where it belongs");
    }
    const io::Bytes bytes = snapshot.subspan(offset, entry.size);
    if (digest_of(bytes) != entry.digest) {
      refuse(i, " is not what was written");
    }
    const std::size_t end = std::min(offset + aligned(entry.size), snapshot.size());
    const io::Bytes padding = snapshot.subspan(offset + entry.size, end - offset - entry.size);
    if (std::any_of(padding.begin(), padding.end(),
                    [](std::byte each) { return each != std::byte{}; })) {
      throw ResumeError("snapshot is damaged between two sections");
    }
    all.push_back({entry.kind, bytes});
    offset = end;
  }
  if (offset != snapshot.size()) {
    throw ResumeError("snapshot goes on behind its last section");
  }
  return all;
}

}  // namespace sauerkraut::wire
