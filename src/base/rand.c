/* SPDX-License-Identifier: Apache-2.0 */
/* xoshiro256** by Blackman and Vigna; splitmix64 by Steele, Lea and Flood: both in the public domain, written here from
 * their published definitions. */
#include "base/rand.h"

static uint64_t splitmix(uint64_t *state)
{
    uint64_t z = *state += 0x9e3779b97f4a7c15ull;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9ull;
    z = (z ^ z >> 27) * 0x94d049bb133111ebull;
    return z ^ z >> 31;
}

static uint64_t rotate(uint64_t x, int by)
{
    return x << by | x >> (64 - by);
}

void rand_seed(struct rand *r, uint64_t seed)
{
    for (size_t i = 0; i < COUNT_OF(r->s); i++)
        r->s[i] = splitmix(&seed);
}

uint64_t rand_u64(struct rand *r)
{
    uint64_t out = rotate(r->s[1] * 5, 7) * 9, shifted = r->s[1] << 17;
    r->s[2] ^= r->s[0];
    r->s[3] ^= r->s[1];
    r->s[1] ^= r->s[2];
    r->s[0] ^= r->s[3];
    r->s[2] ^= shifted;
    r->s[3] = rotate(r->s[3], 45);
    return out;
}

uint64_t rand_below(struct rand *r, uint64_t n)
{
    if (n == 0)
        return 0;
    /* The values above the last whole multiple of n would favour small results; draw again for those. */
    uint64_t uneven = (UINT64_MAX % n + 1) % n, v;
    do
        v = rand_u64(r);
    while (v > UINT64_MAX - uneven);
    return v % n;
}

double rand_unit(struct rand *r)
{
    return (double)(rand_u64(r) >> 11) * 0x1p-53;
}

bool rand_one_in(struct rand *r, uint64_t n)
{
    return rand_below(r, n) == 0;
}

void rand_bytes(struct rand *r, void *to, size_t n)
{
    uint8_t *at = to;
    while (n > 0) {
        uint64_t v = rand_u64(r);
        size_t part = MIN(n, sizeof v);
        memcpy(at, &v, part);
        at += part;
        n -= part;
    }
}
