/* SPDX-License-Identifier: Apache-2.0 */
/* A chunk is a u16 count (big-endian) and a stream of bits, highest bit of a byte first.
 *
 *     sample 0   zigzag varint time | 64 bits value
 *     sample 1   varint delta of time | value
 *     others     delta of delta: 0 | 10 + 14 bits | 110 + 17 | 1110 + 20 | 1111 + 64 | value
 *     value      XOR with the one before: 0 same | 10 + the bits within the last window | 11 + 5 bits leading zeros +
 *                6 bits width (0: 64) + the bits */
#include "codec/xor_chunk.h"

#include "codec/bits.h"

enum { HEAD_BYTES = 2, LEADING_MAX = 31 };

/* ---- bits ---- */

struct bit_writer {
    uint8_t *to;
    unsigned used; /* bits of *to */
};

static void put_bits(struct bit_writer *w, uint64_t bits, unsigned n)
{
    while (n > 0) {
        unsigned take = MIN(n, 8 - w->used);
        unsigned part = (unsigned)(bits >> (n - take)) & ((1u << take) - 1);
        if (w->used == 0)
            *w->to = 0;
        *w->to |= (uint8_t)(part << (8 - w->used - take));
        w->used += take;
        n -= take;
        if (w->used == 8) {
            w->to++;
            w->used = 0;
        }
    }
}

static void put_varint(struct bit_writer *w, uint64_t v)
{
    for (; v >= 128; v >>= 7)
        put_bits(w, (v & 127) | 128, 8);
    put_bits(w, v, 8);
}

static uint64_t get_varint(struct bit_reader *r)
{
    uint64_t v = 0;
    for (unsigned shift = 0; shift < 64; shift += 7) {
        uint64_t byte = bits_get(r, 8);
        v |= (byte & 127) << shift;
        if (byte < 128)
            return v;
    }
    r->bad = true;
    return 0;
}

/* ---- values ---- */

static uint64_t bits_of(double v)
{
    uint64_t bits;
    memcpy(&bits, &v, sizeof bits);
    return bits;
}

static void put_value(struct bit_writer *w, struct xor_window *win, uint64_t bits, uint64_t last)
{
    uint64_t x = bits ^ last;
    if (x == 0) {
        put_bits(w, 0, 1);
        return;
    }
    unsigned leading = MIN((unsigned)__builtin_clzll(x), (unsigned)LEADING_MAX), trailing = (unsigned)__builtin_ctzll(x);
    if (win->width > 0 && leading >= win->leading && trailing >= 64 - win->leading - win->width) {
        put_bits(w, 2, 2);
        put_bits(w, x >> (64 - win->leading - win->width), win->width);
        return;
    }
    *win = (struct xor_window){ leading, 64 - leading - trailing };
    put_bits(w, 3, 2);
    put_bits(w, win->leading, 5);
    put_bits(w, win->width & 63, 6);
    put_bits(w, x >> trailing, win->width);
}

/* ---- times ---- */

/* As bits_signed gives it back. */
static bool fits(int64_t v, unsigned n)
{
    return v >= -(((int64_t)1 << (n - 1)) - 1) && v <= (int64_t)1 << (n - 1);
}

static void put_change(struct bit_writer *w, int64_t change)
{
    static const struct {
        unsigned prefix, prefix_bits, bits;
    } forms[] = { { 2, 2, 14 }, { 6, 3, 17 }, { 14, 4, 20 } };
    if (change == 0) {
        put_bits(w, 0, 1);
        return;
    }
    for (size_t i = 0; i < COUNT_OF(forms); i++)
        if (fits(change, forms[i].bits)) {
            put_bits(w, forms[i].prefix, forms[i].prefix_bits);
            put_bits(w, (uint64_t)change & (((uint64_t)1 << forms[i].bits) - 1), forms[i].bits);
            return;
        }
    put_bits(w, 15, 4);
    put_bits(w, (uint64_t)change, 64);
}

static int64_t get_change(struct bit_reader *r)
{
    static const unsigned widths[] = { 0, 14, 17, 20, 64 };
    size_t ones = 0;
    while (ones < 4 && bits_get(r, 1) == 1)
        ones++;
    unsigned n = widths[ones];
    if (n == 0)
        return 0;
    return bits_signed(bits_get(r, n), n);
}

/* ---- chunks ---- */

void xor_chunk_encode(const int64_t *t_ms, const double *v, size_t n, struct buf *out)
{
    uint8_t *start = (uint8_t *)buf_room(out, HEAD_BYTES + n * XOR_CHUNK_SAMPLE_BYTES_MAX);
    if (start == NULL)
        return;
    start[0] = (uint8_t)(n >> 8);
    start[1] = (uint8_t)n;
    struct bit_writer w = { start + HEAD_BYTES, 0 };
    struct xor_window win = { 0 };
    put_varint(&w, (uint64_t)t_ms[0] << 1 ^ (uint64_t)(t_ms[0] >> 63));
    put_bits(&w, bits_of(v[0]), 64);
    uint64_t delta = 0;
    for (size_t i = 1; i < n; i++) {
        uint64_t next = (uint64_t)t_ms[i] - (uint64_t)t_ms[i - 1];
        if (i == 1)
            put_varint(&w, next);
        else
            put_change(&w, (int64_t)(next - delta));
        delta = next;
        put_value(&w, &win, bits_of(v[i]), bits_of(v[i - 1]));
    }
    buf_added(out, (size_t)(w.to - start) + (w.used > 0));
}

size_t xor_chunk_count(struct slice bytes)
{
    const uint8_t *p = (const uint8_t *)bytes.ptr;
    size_t n = bytes.len < HEAD_BYTES ? 0 : (size_t)p[0] << 8 | p[1];
    return n <= (bytes.len - MIN(bytes.len, (size_t)HEAD_BYTES)) * 4 ? n : 0; /* two bits each at least */
}

bool xor_chunk_decode(struct slice bytes, int64_t *t_ms, double *v)
{
    size_t n = xor_chunk_count(bytes);
    struct bit_reader r = bit_reader_of(slice_skip(bytes, HEAD_BYTES));
    r.bad = n == 0;
    struct xor_window win = { 0 };
    uint64_t time = 0, delta = 0, bits = 0;
    for (size_t i = 0; i < n && !r.bad; i++) {
        if (i == 0) {
            uint64_t z = get_varint(&r);
            time = z >> 1 ^ -(z & 1);
            bits = bits_get(&r, 64);
        } else {
            delta = i == 1 ? get_varint(&r) : delta + (uint64_t)get_change(&r);
            time += delta;
            bits = bits_xor(&r, &win, bits);
        }
        t_ms[i] = (int64_t)time;
        memcpy(&v[i], &bits, sizeof bits);
    }
    return !r.bad;
}
