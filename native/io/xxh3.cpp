#include "xxh3.hpp"

namespace sauerkraut::io {

extern const Xxh3 xxh3_baseline;

#if defined(SAUERKRAUT_XXH3_AVX)  // set where CMakeLists.txt compiles the two below
extern const Xxh3 xxh3_avx2;
extern const Xxh3 xxh3_avx512;

std::span<const Xxh3* const> xxh3_here() noexcept
{
  static constexpr const Xxh3* kAll[] = {&xxh3_baseline, &xxh3_avx2, &xxh3_avx512};
  static const std::size_t count = !__builtin_cpu_supports("avx2")      ? 1
                                   : !__builtin_cpu_supports("avx512f") ? 2
                                                                        : 3;
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
