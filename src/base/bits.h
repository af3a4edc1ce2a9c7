/* SPDX-License-Identifier: Apache-2.0 */
/* A set of small numbers as a row of bits, and what one does with the bits of a word. One thread.
 * For large sparse sets there is CRoaring; this is for the rows of one block. */
#ifndef STOA_BASE_BITS_H
#define STOA_BASE_BITS_H

#include "base/base.h"

struct arena;

struct bits {
    uint64_t *words;
    size_t count; /* of bits; those of the last word beyond it are always 0 */
};

static inline size_t bits_words(size_t count)
{
    return (count + 63) / 64;
}

/* All 0. The words live as long as the arena. */
struct bits bits_new(struct arena *a, size_t count);
/* Over words of the caller's (bits_words(count) of them), as they are: bits beyond count must be 0. */
static inline struct bits bits_over(uint64_t *words, size_t count)
{
    return (struct bits){ words, count };
}

static inline bool bits_get(struct bits b, size_t i)
{
    return b.words[i / 64] >> (i % 64) & 1;
}
static inline void bits_set(struct bits b, size_t i)
{
    b.words[i / 64] |= (uint64_t)1 << (i % 64);
}
static inline void bits_clear(struct bits b, size_t i)
{
    b.words[i / 64] &= ~((uint64_t)1 << (i % 64));
}

void bits_clear_all(struct bits b);
void bits_set_all(struct bits b);
/* from up to but without to; both at most count. */
void bits_set_range(struct bits b, size_t from, size_t to);
/* How many are set. */
size_t bits_ones(struct bits b);
bool bits_any(struct bits b);
/* The first that is set at or after from; SIZE_MAX when there is none. for (i = bits_next(b, 0); i != SIZE_MAX; ...) */
size_t bits_next(struct bits b, size_t from);
/* In place of a; both of the same count. */
void bits_and(struct bits a, struct bits b);
void bits_or(struct bits a, struct bits b);
void bits_and_not(struct bits a, struct bits b);
void bits_not(struct bits a);

/* Bits needed to write v: 0 for 0, 64 for the largest. */
static inline unsigned bit_width(uint64_t v)
{
    return v ? 64 - (unsigned)__builtin_clzll(v) : 0;
}
/* 64 for 0. */
static inline unsigned bit_trailing_zeros(uint64_t v)
{
    return v ? (unsigned)__builtin_ctzll(v) : 64;
}
static inline unsigned bit_ones(uint64_t v)
{
    return (unsigned)__builtin_popcountll(v);
}
static inline bool bit_is_power_of_2(uint64_t v)
{
    return v && (v & (v - 1)) == 0;
}
/* The smallest power of 2 that is not below v (1 for 0); v at most 2^63. */
static inline uint64_t bit_ceil(uint64_t v)
{
    return v <= 1 ? 1 : (uint64_t)1 << bit_width(v - 1);
}
/* The n lowest bits set; n 0 to 64. */
static inline uint64_t bit_mask(unsigned n)
{
    return n >= 64 ? UINT64_MAX : ((uint64_t)1 << n) - 1;
}

#endif
