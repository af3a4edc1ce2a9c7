/* SPDX-License-Identifier: Apache-2.0 */
/* For small tables of texts seen a moment ago: a place by a text's ends and length, and whether two texts are the same, without a hash or
 * a call for short ones. Whoever makes texts with equal ends on purpose makes such a table useless, and nothing else. */
#ifndef STOA_BASE_ENDS_H
#define STOA_BASE_ENDS_H

#include "base/slice.h"

enum { ENDS_WORD_BYTES = 8, ENDS_HALF_BYTES = 4 };

static inline uint64_t ends_word(const char *at)
{
    uint64_t w;
    memcpy(&w, at, sizeof w);
    return w;
}

static inline uint64_t ends_half(const char *at)
{
    uint32_t w;
    memcpy(&w, at, sizeof w);
    return w;
}

/* Up to 8 bytes: tells texts of one length apart. */
static inline uint64_t ends_of(struct slice s)
{
    if (s.len >= ENDS_WORD_BYTES)
        return ends_word(s.ptr) * 3 ^ ends_word(s.ptr + s.len - ENDS_WORD_BYTES);
    if (s.len >= ENDS_HALF_BYTES)
        return ends_half(s.ptr) << 32 ^ ends_half(s.ptr + s.len - ENDS_HALF_BYTES);
    return s.len == 0 ? 0 : (uint64_t)(uint8_t)s.ptr[0] << 16 | (uint64_t)(uint8_t)s.ptr[s.len / 2] << 8 | (uint8_t)s.ptr[s.len - 1];
}

/* Below 1 << bits. */
static inline size_t ends_place(struct slice s, unsigned bits)
{
    return (size_t)((ends_of(s) + s.len) * 0x9e3779b97f4a7c15ull >> (64 - bits));
}

static inline size_t ends_address_place(struct slice s, unsigned bits)
{
    return (size_t)(((uint64_t)(uintptr_t)s.ptr + s.len) * 0x9e3779b97f4a7c15ull >> (64 - bits));
}

static inline bool ends_same(struct slice a, struct slice b)
{
    if (a.len != b.len)
        return false;
    if (a.len > 2 * ENDS_WORD_BYTES)
        return memcmp(a.ptr, b.ptr, a.len) == 0;
    if (a.len >= ENDS_WORD_BYTES)
        return ends_word(a.ptr) == ends_word(b.ptr) && ends_word(a.ptr + a.len - ENDS_WORD_BYTES) == ends_word(b.ptr + a.len - ENDS_WORD_BYTES);
    return ends_of(a) == ends_of(b);
}

static inline bool ends_same_place(struct slice a, struct slice b)
{
    return a.ptr == b.ptr && a.len == b.len;
}

#endif
