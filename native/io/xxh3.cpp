#include "xxh3.hpp"

namespace sauerkraut::io {

extern const Xxh3 xxh3_baseline;

#if defined(__x86_64__)
extern const Xxh3 xxh3_avx2;

std::span<const Xxh3* const> xxh3_here() noexcept
{
  static constexpr const Xxh3* kAll[] = {&xxh3_baseline, &xxh3_avx2};
  static const std::size_t count = __builtin_cpu_supports("avx2") ? 2 : 1;
  return {kAll, count};
}
#else
std::span<const Xxh3* const> xxh3_here() noexcept
{
  static constexpr const Xxh3* kAll[] = {&xxh3_baseline};
  return kAll;
}
#endif

}  // namespace sauerkraut::io
