#include "memory.hpp"

#include <cstdint>
#include <cstdlib>
#include <limits>
#include <new>
#include <sys/mman.h>

namespace sauerkraut::io {

namespace {

constexpr std::size_t kAlignment = 64;
constexpr std::size_t kPage = std::size_t{4} << 10;
constexpr std::size_t kLargePage = std::size_t{2} << 20;
constexpr std::size_t kLargePagesFrom = 2 * kLargePage;
// What is less comes from the heap, where the next one finds pages that were touched before; glibc
// maps from here on whatever is asked of it.
constexpr std::size_t kMapFrom = 16 * kLargePage;

constexpr std::size_t round_up(std::size_t value, std::size_t to)
{
  return (value + to - 1) / to * to;
}

}  // namespace

Memory::Memory(std::size_t size) : size_(size)
{
  if (size > std::numeric_limits<std::size_t>::max() / 2) {
    throw std::bad_alloc();
  }
  if (size < kMapFrom) {
    const std::size_t rounded = round_up(size == 0 ? 1 : size, kAlignment);
    data_ = static_cast<std::byte*>(std::aligned_alloc(kAlignment, rounded));
    if (data_ == nullptr) {
      throw std::bad_alloc();
    }
    if (size >= kLargePagesFrom) {
      const std::uintptr_t begin = round_up(reinterpret_cast<std::uintptr_t>(data_), kPage);
      ::madvise(reinterpret_cast<void*>(begin), (size - kPage) / kPage * kPage, MADV_HUGEPAGE);
    }
    return;
  }
  // Map more than needed, then give back what lies before and after the aligned part.
  const std::size_t length = round_up(size, kLargePage);
  void* map = ::mmap(nullptr, length + kLargePage, PROT_READ | PROT_WRITE,
                     MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (map == MAP_FAILED) {
    throw std::bad_alloc();
  }
  const auto start = reinterpret_cast<std::uintptr_t>(map);
  const std::uintptr_t aligned = round_up(start, kLargePage);
  if (aligned > start) {
    ::munmap(map, aligned - start);
  }
  const std::uintptr_t end = aligned + length;
  if (const std::uintptr_t map_end = start + length + kLargePage; map_end > end) {
    ::munmap(reinterpret_cast<void*>(end), map_end - end);
  }
  data_ = reinterpret_cast<std::byte*>(aligned);
  mapped_ = length;
  ::madvise(data_, mapped_, MADV_HUGEPAGE);  // a hint: ordinary pages serve too
}

Memory::~Memory()
{
  if (mapped_ != 0) {
    ::munmap(data_, mapped_);
  } else {
    std::free(data_);
  }
}

}  // namespace sauerkraut::io
