/* SPDX-License-Identifier: Apache-2.0 */
/* Fields come off the front of a slice; a group, which nobody sends any more, is skipped with all that is in it.
 *
 * A nested message is written in place: its length is not known at its beginning, so one byte is kept for it, enough for
 * most, and the content moves up at the end when the length needs more. */
#include "codec/proto.h"

enum { PROTO_FIELD_MAX = 0x1fffffff, VARINT_BYTES_MAX = 10 };

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

static bool take_key(const uint8_t **at, const uint8_t *end, struct proto_field *out)
{
    uint64_t key;
    if (!take_varint(at, end, &key) || key >> 3 == 0 || key >> 3 > PROTO_FIELD_MAX)
        return false;
    out->number = (uint32_t)(key >> 3);
    out->wire = key & 7;
    return true;
}

static bool take_payload(const uint8_t **at, const uint8_t *end, struct proto_field *out)
{
    uint64_t n;
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

/* What is between a group's key, which was read, and the end with the same number. */
static bool skip_group(const uint8_t **at, const uint8_t *end, uint32_t number)
{
    uint32_t open[PROTO_GROUP_DEPTH_MAX];
    size_t depth = 0;
    struct proto_field f;
    open[depth++] = number;
    while (depth) {
        if (!take_key(at, end, &f))
            return false;
        if (f.wire == WIRE_GROUP) {
            if (depth == PROTO_GROUP_DEPTH_MAX)
                return false;
            open[depth++] = f.number;
        } else if (f.wire == WIRE_GROUP_END) {
            if (open[--depth] != f.number)
                return false;
        } else if (!take_payload(at, end, &f)) {
            return false;
        }
    }
    return true;
}

bool proto_next(struct slice *rest, struct proto_field *out, bool *bad)
{
    const uint8_t *at = (const uint8_t *)rest->ptr, *end = at + rest->len;
    while (at < end) {
        const uint8_t *field = at;
        bool good = take_key(&at, end, out);
        bool group = good && out->wire == WIRE_GROUP;
        if (good)
            good = group ? skip_group(&at, end, out->number) : take_payload(&at, end, out);
        if (!good) {
            *bad = true;
            *rest = slice_of(field, 0);
            return false;
        }
        if (!group) {
            *rest = slice_of(at, (size_t)(end - at));
            return true;
        }
    }
    rest->len = 0;
    return false;
}

/* One number off a packed run: width bytes, or a varint when width is 0. */
static bool take_packed(struct slice *rest, size_t width, uint64_t *out, bool *bad)
{
    const uint8_t *at = (const uint8_t *)rest->ptr, *end = at + rest->len;
    if (rest->len == 0)
        return false;
    if (!(width ? take_fixed(&at, end, width, out) : take_varint(&at, end, out))) {
        *bad = true;
        rest->len = 0;
        return false;
    }
    *rest = slice_of(at, (size_t)(end - at));
    return true;
}

bool proto_packed_varint(struct slice *rest, uint64_t *out, bool *bad)
{
    return take_packed(rest, 0, out, bad);
}

bool proto_packed_fixed64(struct slice *rest, uint64_t *out, bool *bad)
{
    return take_packed(rest, 8, out, bad);
}

bool proto_packed_fixed32(struct slice *rest, uint64_t *out, bool *bad)
{
    return take_packed(rest, 4, out, bad);
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

void proto_put_sint(struct buf *b, uint32_t field, int64_t v)
{
    buf_varint(b, (uint64_t)field << 3 | WIRE_VARINT);
    buf_zigzag(b, v);
}

void proto_put_fixed32(struct buf *b, uint32_t field, uint32_t v)
{
    buf_varint(b, (uint64_t)field << 3 | WIRE_FIXED32);
    buf_u32(b, v);
}

size_t proto_nested_begin(struct buf *b, uint32_t field)
{
    buf_varint(b, (uint64_t)field << 3 | WIRE_BYTES);
    buf_u8(b, 0);
    return b->len;
}

void proto_nested_end(struct buf *b, size_t mark)
{
    uint8_t length[VARINT_BYTES_MAX];
    size_t n = 0, content = b->len - mark;
    for (uint64_t v = content; n == 0 || v; v >>= 7)
        length[n++] = (uint8_t)(v & 0x7f) | (v >> 7 ? 0x80 : 0);
    if (buf_over(b) || (n > 1 && buf_room(b, n - 1) == NULL))
        return;
    char *start = b->ptr + mark - 1;
    memmove(start + n, start + 1, content);
    memcpy(start, length, n);
    buf_added(b, n - 1);
}
