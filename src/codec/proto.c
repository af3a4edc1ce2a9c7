/* SPDX-License-Identifier: Apache-2.0 */
#include "codec/proto.h"

static bool take_varint(const uint8_t **at, const uint8_t *end, uint64_t *out)
{
    const uint8_t *p = *at;
    if (p < end && *p < 0x80) {
        *out = *p;
        *at = p + 1;
        return true;
    }
    uint64_t v = 0;
    for (int shift = 0; shift < 70 && p < end; shift += 7) {
        uint8_t byte = *p++;
        if (shift < 64)
            v |= (uint64_t)(byte & 0x7f) << shift;
        if (byte < 0x80) {
            *out = v;
            *at = p;
            return true;
        }
    }
    return false;
}

static bool take_fixed(const uint8_t **at, const uint8_t *end, size_t n, uint64_t *out)
{
    if ((size_t)(end - *at) < n)
        return false;
    uint64_t v = 0;
    for (size_t i = 0; i < n; i++)
        v |= (uint64_t)(*at)[i] << (8 * i);
    *at += n;
    *out = v;
    return true;
}

static bool take_field(const uint8_t **at, const uint8_t *end, struct proto_field *out)
{
    uint64_t key, n;
    if (!take_varint(at, end, &key) || key >> 3 == 0 || key >> 3 > 0x1fffffff)
        return false;
    out->number = (uint32_t)(key >> 3);
    out->wire = key & 7;
    switch (out->wire) {
    case WIRE_VARINT:
        return take_varint(at, end, &out->value);
    case WIRE_FIXED64:
        return take_fixed(at, end, 8, &out->value);
    case WIRE_FIXED32:
        return take_fixed(at, end, 4, &out->value);
    case WIRE_BYTES:
        if (!take_varint(at, end, &n) || n > (size_t)(end - *at))
            return false;
        out->bytes = slice_of(*at, n);
        *at += n;
        return true;
    }
    return false;
}

bool proto_next(struct slice *rest, struct proto_field *out, bool *bad)
{
    const uint8_t *at = (const uint8_t *)rest->ptr, *end = at + rest->len;
    if (rest->len == 0)
        return false;
    if (!take_field(&at, end, out)) {
        *bad = true;
        rest->len = 0;
        return false;
    }
    *rest = slice_of(at, (size_t)(end - at));
    return true;
}

bool proto_packed_varint(struct slice *rest, uint64_t *out, bool *bad)
{
    const uint8_t *at = (const uint8_t *)rest->ptr, *end = at + rest->len;
    if (rest->len == 0)
        return false;
    if (!take_varint(&at, end, out)) {
        *bad = true;
        rest->len = 0;
        return false;
    }
    *rest = slice_of(at, (size_t)(end - at));
    return true;
}

bool proto_packed_fixed64(struct slice *rest, uint64_t *out, bool *bad)
{
    const uint8_t *at = (const uint8_t *)rest->ptr, *end = at + rest->len;
    if (rest->len == 0)
        return false;
    if (!take_fixed(&at, end, 8, out)) {
        *bad = true;
        rest->len = 0;
        return false;
    }
    *rest = slice_of(at, (size_t)(end - at));
    return true;
}

void proto_put_varint(struct buf *b, uint32_t field, uint64_t v)
{
    buf_varint(b, (uint64_t)field << 3 | WIRE_VARINT);
    buf_varint(b, v);
}

void proto_put_fixed64(struct buf *b, uint32_t field, uint64_t v)
{
    buf_varint(b, (uint64_t)field << 3 | WIRE_FIXED64);
    buf_u64(b, v);
}

void proto_put_double(struct buf *b, uint32_t field, double v)
{
    uint64_t bits;
    memcpy(&bits, &v, sizeof bits);
    proto_put_fixed64(b, field, bits);
}

void proto_put_bytes(struct buf *b, uint32_t field, struct slice bytes)
{
    buf_varint(b, (uint64_t)field << 3 | WIRE_BYTES);
    buf_lenslice(b, bytes);
}
