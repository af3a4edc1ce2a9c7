/* SPDX-License-Identifier: Apache-2.0 */
/* Streams of bits, highest bit of a byte first, as Prometheus's chunks have them; and the two codes they share. */
#ifndef STOA_CODEC_BITS_H
#define STOA_CODEC_BITS_H

#include "base/slice.h"

struct bit_reader {
    const uint8_t *bytes;
    size_t at, end; /* in bits */
    bool bad;       /* past the end: everything is 0 from then on */
};

static inline struct bit_reader bit_reader_of(struct slice s)
{
    return (struct bit_reader){ (const uint8_t *)s.ptr, 0, s.len * 8, false };
}

/* n: 0 to 64. */
static inline uint64_t bits_get(struct bit_reader *r, unsigned n)
{
    if (r->end - r->at < n) {
        r->bad = true;
        return 0;
    }
    uint64_t out = 0;
    while (n > 0) {
        unsigned from = r->at % 8, take = MIN(n, 8 - from);
        out = out << take | (r->bytes[r->at / 8] >> (8 - from - take) & ((1u << take) - 1));
        r->at += take;
        n -= take;
    }
    return out;
}

/* A signed number of n bits, of which the highest value but not the lowest is used: -2^(n-1) + 1 to 2^(n-1). */
static inline int64_t bits_signed(uint64_t bits, unsigned n)
{
    if (n > 0 && n < 64 && bits > (uint64_t)1 << (n - 1))
        bits -= (uint64_t)1 << n;
    return (int64_t)bits;
}

/* A value as the XOR with the one before: 0 the same | 10 + the bits within the last window | 11 + 5 bits of leading zeros +
 * 6 bits of width (0: 64) + the bits. */
struct xor_window {
    unsigned leading, width; /* width 0: none yet */
};

static inline uint64_t bits_xor(struct bit_reader *r, struct xor_window *win, uint64_t last)
{
    if (bits_get(r, 1) == 0)
        return last;
    if (bits_get(r, 1) == 1) {
        win->leading = (unsigned)bits_get(r, 5);
        win->width = (unsigned)bits_get(r, 6);
        if (win->width == 0)
            win->width = 64;
    }
    if (win->width == 0 || win->leading + win->width > 64) {
        r->bad = true;
        return 0;
    }
    return last ^ bits_get(r, win->width) << (64 - win->leading - win->width);
}

#endif
