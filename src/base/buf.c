/* SPDX-License-Identifier: Apache-2.0 */
#include "base/buf.h"

#include <stdarg.h>
#include <stdio.h>

enum { BUF_BYTES_MIN = 256 };

void buf_init(struct buf *b, size_t bytes_max)
{
    *b = (struct buf){ .max = bytes_max };
}

void buf_free(struct buf *b)
{
    mem_free(b->ptr);
    *b = (struct buf){ .max = b->max };
}

void buf_shrink(struct buf *b)
{
    if (b->cap == b->len || b->len == 0)
        return;
    b->ptr = mem_realloc(b->ptr, b->len);
    b->cap = b->len;
}

char *buf_room(struct buf *b, size_t n)
{
    if (b->over || n > SIZE_MAX / 4 || (b->max && b->len + n > b->max)) {
        b->over = true;
        return NULL;
    }
    if (b->cap - b->len < n) {
        size_t cap = MAX(b->cap * 2, (size_t)BUF_BYTES_MIN);
        while (cap < b->len + n)
            cap *= 2;
        b->ptr = mem_realloc(b->ptr, cap);
        b->cap = cap;
    }
    return b->ptr + b->len;
}

void buf_put(struct buf *b, const void *bytes, size_t n)
{
    if (n == 0)
        return;
    char *to = buf_room(b, n);
    if (to) {
        memcpy(to, bytes, n);
        b->len += n;
    }
}

void buf_slice(struct buf *b, struct slice s)
{
    buf_put(b, s.ptr, s.len);
}

void buf_char(struct buf *b, char c)
{
    if (b->len < b->cap && (b->max == 0 || b->len < b->max) && !b->over)
        b->ptr[b->len++] = c;
    else
        buf_put(b, &c, 1);
}

void buf_printf(struct buf *b, const char *fmt, ...)
{
    va_list args, again;
    va_start(args, fmt);
    va_copy(again, args);
    int n = vsnprintf(NULL, 0, fmt, args);
    va_end(args);
    assert(n >= 0);
    char *to = buf_room(b, (size_t)n + 1);
    if (to) {
        vsnprintf(to, (size_t)n + 1, fmt, again);
        b->len += (size_t)n;
    }
    va_end(again);
}

void buf_u8(struct buf *b, uint8_t v)
{
    buf_char(b, (char)v);
}

void buf_u16(struct buf *b, uint16_t v)
{
    uint8_t le[2] = { (uint8_t)v, (uint8_t)(v >> 8) };
    buf_put(b, le, sizeof le);
}

void buf_u32(struct buf *b, uint32_t v)
{
    uint8_t le[4];
    for (int i = 0; i < 4; i++)
        le[i] = (uint8_t)(v >> (8 * i));
    buf_put(b, le, sizeof le);
}

void buf_u64(struct buf *b, uint64_t v)
{
    uint8_t le[8];
    for (int i = 0; i < 8; i++)
        le[i] = (uint8_t)(v >> (8 * i));
    buf_put(b, le, sizeof le);
}

void buf_varint(struct buf *b, uint64_t v)
{
    uint8_t out[10];
    size_t n = 0;
    while (v >= 0x80) {
        out[n++] = (uint8_t)(v | 0x80);
        v >>= 7;
    }
    out[n++] = (uint8_t)v;
    buf_put(b, out, n);
}

void buf_zigzag(struct buf *b, int64_t v)
{
    buf_varint(b, ((uint64_t)v << 1) ^ (uint64_t)(v >> 63));
}

void buf_lenslice(struct buf *b, struct slice s)
{
    buf_varint(b, s.len);
    buf_slice(b, s);
}

static uint64_t read_le(struct reader *r, size_t n)
{
    if (reader_left(r) < n) {
        r->bad = true;
        r->at = r->end;
        return 0;
    }
    uint64_t v = 0;
    for (size_t i = 0; i < n; i++)
        v |= (uint64_t)r->at[i] << (8 * i);
    r->at += n;
    return v;
}

uint8_t read_u8(struct reader *r)
{
    return (uint8_t)read_le(r, 1);
}

uint16_t read_u16(struct reader *r)
{
    return (uint16_t)read_le(r, 2);
}

uint32_t read_u32(struct reader *r)
{
    return (uint32_t)read_le(r, 4);
}

uint64_t read_u64(struct reader *r)
{
    return read_le(r, 8);
}

uint64_t read_varint(struct reader *r)
{
    uint64_t v = 0;
    for (int shift = 0; shift < 64; shift += 7) {
        if (r->at == r->end)
            break;
        uint8_t byte = *r->at++;
        if (shift == 63 && byte > 1)
            break;
        v |= (uint64_t)(byte & 0x7f) << shift;
        if (byte < 0x80)
            return v;
    }
    r->bad = true;
    r->at = r->end;
    return 0;
}

int64_t read_zigzag(struct reader *r)
{
    uint64_t v = read_varint(r);
    return (int64_t)(v >> 1) ^ -(int64_t)(v & 1);
}

struct slice read_bytes(struct reader *r, size_t n)
{
    if (reader_left(r) < n) {
        r->bad = true;
        r->at = r->end;
        return SLICE_EMPTY;
    }
    struct slice s = slice_of(r->at, n);
    r->at += n;
    return s;
}

struct slice read_lenslice(struct reader *r)
{
    size_t n = read_varint(r);
    return read_bytes(r, n);
}
