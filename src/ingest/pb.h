/* SPDX-License-Identifier: Apache-2.0 */
/* A protobuf message, field by field, without copying: for the hot decoders. Unknown fields are passed over.
 *
 *     for (struct pb p = pb_of(body); pb_next(&p);) switch (p.field) { case 1: use(p.bytes); ... }
 *
 * A broken message ends the loop with bad set: ask p.bad behind it (so declare p before the loop). A field of another wire
 * type than expected reads as zero or empty, as in protobuf's own "unknown field" rule. */
#ifndef STOA_INGEST_PB_H
#define STOA_INGEST_PB_H

#include "base/slice.h"

enum pb_wire { PB_VARINT = 0, PB_FIXED64 = 1, PB_BYTES = 2, PB_GROUP = 3, PB_GROUP_END = 4, PB_FIXED32 = 5 };

struct pb {
    const uint8_t *at, *end;
    uint32_t field;
    uint8_t wire;        /* enum pb_wire */
    bool bad;
    uint64_t value;      /* varint and fixed; 0 for bytes */
    struct slice bytes;  /* PB_BYTES; empty otherwise */
};

static inline struct pb pb_of(struct slice s)
{
    return (struct pb){ .at = (const uint8_t *)s.ptr, .end = (const uint8_t *)s.ptr + s.len };
}

static inline uint64_t pb_varint(struct pb *p)
{
    if (__builtin_expect(p->at < p->end && *p->at < 0x80, 1))
        return *p->at++;
    uint64_t v = 0;
    for (int shift = 0; shift < 70; shift += 7) {
        if (p->at == p->end)
            break;
        uint8_t c = *p->at++;
        v |= shift < 64 ? (uint64_t)(c & 0x7f) << shift : 0;
        if (c < 0x80)
            return v;
    }
    p->bad = true;
    return 0;
}

static inline bool pb_take(struct pb *p, size_t n, void *out)
{
    if ((size_t)(p->end - p->at) < n) {
        p->bad = true;
        return false;
    }
    memcpy(out, p->at, n);
    p->at += n;
    return true;
}

static inline bool pb_next(struct pb *p)
{
    if (p->at >= p->end || p->bad)
        return false;
    uint64_t tag = pb_varint(p);
    p->field = (uint32_t)(tag >> 3);
    p->wire = tag & 7;
    p->value = 0;
    p->bytes = SLICE_EMPTY;
    if (p->field == 0)
        p->bad = true;
    uint32_t small = 0;
    switch (p->wire) {
    case PB_VARINT:
        p->value = pb_varint(p);
        break;
    case PB_FIXED64:
        pb_take(p, sizeof p->value, &p->value);
        break;
    case PB_FIXED32:
        pb_take(p, sizeof small, &small);
        p->value = small;
        break;
    case PB_BYTES: {
        uint64_t n = pb_varint(p);
        if (n > (uint64_t)(p->end - p->at))
            p->bad = true;
        if (p->bad)
            return false;
        p->bytes = slice_of(p->at, (size_t)n);
        p->at += n;
        break;
    }
    default: /* groups are in none of our protocols */
        p->bad = true;
    }
    return !p->bad;
}

static inline double pb_double(const struct pb *p)
{
    double v;
    memcpy(&v, &p->value, sizeof v);
    return p->wire == PB_FIXED64 ? v : 0;
}

#endif
