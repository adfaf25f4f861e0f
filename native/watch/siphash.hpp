// SipHash-2-4 (Aumasson and Bernstein, 2012): a short keyed hash that nobody makes without the key.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

namespace sauerkraut::watch {

using Key = std::array<std::byte, 16>;

std::uint64_t siphash(const Key& key, std::span<const std::byte> data);

}  // namespace sauerkraut::watch
