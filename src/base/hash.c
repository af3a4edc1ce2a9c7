/* SPDX-License-Identifier: Apache-2.0 */
#include "base/hash.h"

#include <xxhash.h>

uint64_t hash64(struct slice s, uint64_t seed)
{
    return XXH3_64bits_withSeed(s.ptr, s.len, seed);
}

uint64_t hash64_old(struct slice s)
{
    return XXH64(s.ptr, s.len, 0);
}

struct hash128 hash128(struct slice s, uint64_t seed)
{
    XXH128_hash_t h = XXH3_128bits_withSeed(s.ptr, s.len, seed);
    return (struct hash128){ h.low64, h.high64 };
}
