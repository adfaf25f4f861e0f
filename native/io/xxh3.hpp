// XXH3-128, compiled once per instruction set; the best that this processor has is chosen when
// the program runs. All give the same digests.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

namespace sauerkraut::io {

// A way to compute it; `state` is kXxh3State bytes aligned to 64.
struct Xxh3 {
  const char* name;
  void (*reset)(void* state) noexcept;
  void (*update)(void* state, const void* bytes, std::size_t size) noexcept;
  void (*digest)(const void* state, std::uint8_t (&canonical)[16]) noexcept;
};

constexpr std::size_t kXxh3State = 576;

// What this processor can run, best last; never empty.
std::span<const Xxh3* const> xxh3_here() noexcept;

}  // namespace sauerkraut::io
