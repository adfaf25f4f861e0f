// Included by one source file per instruction set, with SAUERKRAUT_XXH3 the name of its Xxh3.
// Nothing here or in what is included may be an inline function with a name that other files
// see: the linker would keep one copy for all, perhaps one this processor cannot run.
#include "xxh3.hpp"

#define XXH_INLINE_ALL
#include <xxhash.h>

namespace sauerkraut::io {

namespace {

static_assert(sizeof(XXH3_state_t) <= kXxh3State && alignof(XXH3_state_t) <= 64);

void reset(void* state) noexcept
{
  XXH3_128bits_reset(static_cast<XXH3_state_t*>(state));
}

void update(void* state, const void* bytes, std::size_t size) noexcept
{
  XXH3_128bits_update(static_cast<XXH3_state_t*>(state), bytes, size);
}

void digest(const void* state, std::uint8_t (&canonical)[16]) noexcept
{
  XXH128_canonical_t result;
  XXH128_canonicalFromHash(&result, XXH3_128bits_digest(static_cast<const XXH3_state_t*>(state)));
  for (int i = 0; i < 16; ++i) {
    canonical[i] = result.digest[i];
  }
}

}  // namespace

#define SAUERKRAUT_TEXT_OF(name) #name
#define SAUERKRAUT_TEXT(name) SAUERKRAUT_TEXT_OF(name)

extern const Xxh3 SAUERKRAUT_XXH3;
constinit const Xxh3 SAUERKRAUT_XXH3{SAUERKRAUT_TEXT(SAUERKRAUT_XXH3), reset, update, digest};

}  // namespace sauerkraut::io
