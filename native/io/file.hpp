// Bytes through a descriptor: allocate, write and read at an offset, hashing on the way.
// Everything throws std::system_error with the errno of the call that failed.
#pragma once

#include "hash.hpp"

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace sauerkraut::io {

// Reserves space for `size` bytes and makes the file that long; where the file system is memory or
// cannot reserve, or signals do not let it, the file only becomes that long and false is returned.
bool allocate(int descriptor, std::uint64_t size);

// Writes all of `bytes` at `offset`, however often the system interrupts or shortens a write.
void write(int descriptor, std::uint64_t offset, Bytes bytes);

// The same, with the digests of the blocks.
std::vector<Digest> write_hashed(int descriptor, std::uint64_t offset, Bytes bytes,
                                 std::size_t block);

// Fills `memory` from `offset`; returns how many bytes there were before the end of the file.
std::size_t read(int descriptor, std::uint64_t offset, std::span<std::byte> memory);

struct HashedRead {
  std::size_t size;
  std::vector<Digest> digests;
};

HashedRead read_hashed(int descriptor, std::uint64_t offset, std::span<std::byte> memory,
                       std::size_t block);

// The digests of `size` bytes of the file, through a small buffer.
HashedRead hash_file(int descriptor, std::uint64_t offset, std::uint64_t size, std::size_t block);

}  // namespace sauerkraut::io
