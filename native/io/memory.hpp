// Memory that is about to be read into: aligned, and not filled with zeros by us.
#pragma once

#include <cstddef>
#include <span>

namespace sauerkraut::io {

// At least 64-byte aligned. From a few MiB on it is aligned for large pages and asks for them:
// first touching 4 KiB pages costs more than reading into them. Much more is mapped on its own.
class Memory {
 public:
  explicit Memory(std::size_t size);  // throws std::bad_alloc
  ~Memory();
  Memory(const Memory&) = delete;
  Memory& operator=(const Memory&) = delete;

  std::span<std::byte> bytes() const noexcept { return {data_, size_}; }

 private:
  std::size_t size_;
  std::byte* data_ = nullptr;
  std::size_t mapped_ = 0;  // length of the mapping; 0: from the heap
};

}  // namespace sauerkraut::io
