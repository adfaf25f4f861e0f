// What every processor of the architecture has: SSE2, NEON, VSX.
#define SAUERKRAUT_XXH3 xxh3_baseline
#include "xxh3_variant.hpp"
