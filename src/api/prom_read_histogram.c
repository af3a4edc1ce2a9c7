/* SPDX-License-Identifier: Apache-2.0 */
/* A histogram in the two shapes of remote read. A chunk holds one histogram: its buckets are the chunk's layout, and so
 * neighbours with other buckets never have to be brought into one layout.
 *
 *     u16 count | u8 reset header | bits: zero threshold | schema | positive spans | negative spans | bounds |
 *     time | 64 bits each: count, zero count, sum, positive buckets, negative buckets
 *
 * Numbers of the layout are varbits: a prefix of ones tells how many bits follow.
 * https://github.com/prometheus/prometheus/blob/main/tsdb/docs/format/chunks.md */
#include "api/prom_read.h"

#include <math.h>

#include "codec/proto.h"

/* ---- as a message ---- */

static void put_side(struct buf *out, uint32_t spans_field, uint32_t counts_field, const struct histogram_side *side)
{
    for (uint32_t i = 0; i < side->span_count; i++) {
        size_t mark = proto_nested_begin(out, spans_field);
        proto_put_sint(out, 1, side->spans[i].offset);
        proto_put_varint(out, 2, side->spans[i].length);
        proto_nested_end(out, mark);
    }
    if (side->bucket_count == 0)
        return;
    size_t mark = proto_nested_begin(out, counts_field);
    for (uint32_t i = 0; i < side->bucket_count; i++)
        buf_u64(out, double_bits(side->buckets[i]));
    proto_nested_end(out, mark);
}

void prom_read_histogram(struct buf *out, uint32_t field, int64_t t_ms, const struct histogram *h)
{
    static const uint8_t hints[] = { [HINT_UNKNOWN] = 0, [HINT_RESET] = 1, [HINT_NOT_RESET] = 2, [HINT_GAUGE] = 3 };
    size_t mark = proto_nested_begin(out, field);
    proto_put_double(out, 2, h->count);
    proto_put_double(out, 3, h->sum);
    proto_put_sint(out, 4, h->schema);
    proto_put_double(out, 5, h->zero_threshold);
    proto_put_double(out, 7, h->zero_count);
    put_side(out, 8, 10, &h->negative);
    put_side(out, 11, 13, &h->positive);
    proto_put_varint(out, 14, hints[h->hint]);
    proto_put_varint(out, 15, (uint64_t)t_ms);
    if (h->bound_count) {
        size_t bounds = proto_nested_begin(out, 16);
        for (uint32_t i = 0; i < h->bound_count; i++)
            buf_u64(out, double_bits(h->bounds[i]));
        proto_nested_end(out, bounds);
    }
    proto_nested_end(out, mark);
}

/* ---- as a chunk ---- */

struct bits {
    struct buf *out;
    unsigned held, used; /* of the byte that is not full yet */
};

static void put_bits(struct bits *b, uint64_t value, unsigned n)
{
    while (n > 0) {
        unsigned take = MIN(n, 8 - b->used);
        unsigned part = (unsigned)(value >> (n - take)) & ((1u << take) - 1);
        b->held |= part << (8 - b->used - take);
        b->used += take;
        n -= take;
        if (b->used == 8) {
            buf_u8(b->out, (uint8_t)b->held);
            b->held = b->used = 0;
        }
    }
}

static void put_double(struct bits *b, double v)
{
    put_bits(b, double_bits(v), 64);
}

/* The widths of both kinds of varbits, shortest first; what fits none takes 64 bits. */
static const uint8_t widths[] = { 3, 6, 9, 12, 18, 25, 56 };

static void put_prefixed(struct bits *b, uint64_t v, size_t row)
{
    if (row == COUNT_OF(widths)) {
        put_bits(b, 0xff, 8);
        put_bits(b, v, 64);
        return;
    }
    put_bits(b, ((1u << (row + 1)) - 1) << 1, (unsigned)row + 2);
    put_bits(b, v, widths[row]);
}

static void put_varbit_int(struct bits *b, int64_t v)
{
    size_t row = 0;
    if (v == 0) {
        put_bits(b, 0, 1);
        return;
    }
    while (row < COUNT_OF(widths) && !(v >= -(((int64_t)1 << (widths[row] - 1)) - 1) && v <= (int64_t)1 << (widths[row] - 1)))
        row++;
    put_prefixed(b, (uint64_t)v, row);
}

static void put_varbit_uint(struct bits *b, uint64_t v)
{
    size_t row = 0;
    if (v == 0) {
        put_bits(b, 0, 1);
        return;
    }
    while (row < COUNT_OF(widths) && v >> widths[row] != 0)
        row++;
    put_prefixed(b, v, row);
}

/* A power of two near the usual ones takes a byte. */
static void put_zero_threshold(struct bits *b, double v)
{
    enum { EXPONENT_MIN = -242, EXPONENT_MAX = 11, EXPONENT_BIAS = 243, IN_FULL = 255 };
    int exponent;
    double fraction = frexp(v, &exponent);
    if (v == 0) {
        put_bits(b, 0, 8);
    } else if (fraction == 0.5 && exponent >= EXPONENT_MIN && exponent <= EXPONENT_MAX) {
        put_bits(b, (uint64_t)(exponent + EXPONENT_BIAS), 8);
    } else {
        put_bits(b, IN_FULL, 8);
        put_double(b, v);
    }
}

static void put_spans(struct bits *b, const struct histogram_side *side)
{
    put_varbit_uint(b, side->span_count);
    for (uint32_t i = 0; i < side->span_count; i++) {
        put_varbit_uint(b, side->spans[i].length);
        put_varbit_int(b, side->spans[i].offset);
    }
}

/* Thousandths up to a limit take few bits; 0 says that the bound stands in full. */
static void put_bound(struct bits *b, double v)
{
    const double most = 33554430;
    double thousandths = round(v * 1000);
    if (v >= 0 && thousandths <= most && thousandths / 1000 == v) {
        put_varbit_uint(b, (uint64_t)thousandths + 1);
        return;
    }
    put_bits(b, 0, 1);
    put_double(b, v);
}

static void put_buckets(struct bits *b, const struct histogram_side *side)
{
    for (uint32_t i = 0; i < side->bucket_count; i++)
        put_double(b, side->buckets[i]);
}

void prom_read_histogram_chunk(struct buf *out, int64_t t_ms, const struct histogram *h)
{
    static const uint8_t headers[] = { [HINT_UNKNOWN] = 0, [HINT_RESET] = 0x80, [HINT_NOT_RESET] = 0x40, [HINT_GAUGE] = 0xc0 };
    struct bits b = { .out = out };
    put_bits(&b, 1, 16);
    put_bits(&b, headers[h->hint], 8);
    put_zero_threshold(&b, h->zero_threshold);
    put_varbit_int(&b, h->schema);
    put_spans(&b, &h->positive);
    put_spans(&b, &h->negative);
    if (h->schema == HISTOGRAM_SCHEMA_CUSTOM) {
        put_varbit_uint(&b, h->bound_count);
        for (uint32_t i = 0; i < h->bound_count; i++)
            put_bound(&b, h->bounds[i]);
    }
    put_varbit_int(&b, t_ms);
    put_double(&b, h->count);
    put_double(&b, h->zero_count);
    put_double(&b, h->sum);
    put_buckets(&b, &h->positive);
    put_buckets(&b, &h->negative);
    if (b.used)
        buf_u8(out, (uint8_t)b.held);
}
