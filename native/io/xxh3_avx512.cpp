// Compiled with -mavx512f (CMakeLists.txt), empty on other architectures.
#if defined(__AVX512F__)
#  define SAUERKRAUT_XXH3 xxh3_avx512
#  include "xxh3_variant.hpp"
#endif
