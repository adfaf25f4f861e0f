// Compiled with -mavx2 (CMakeLists.txt), empty on other architectures.
#if defined(__AVX2__)
#  define SAUERKRAUT_XXH3 xxh3_avx2
#  include "xxh3_variant.hpp"
#endif
