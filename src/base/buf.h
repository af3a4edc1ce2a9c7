/* SPDX-License-Identifier: Apache-2.0 */
/* A growing run of bytes with a maximum. What does not fit is dropped and noted: write on, ask buf_over() once. */
#ifndef STOA_BASE_BUF_H
#define STOA_BASE_BUF_H

#include "base/slice.h"

struct buf {
    char *ptr;
    size_t len, cap, max; /* max 0: without limit */
    bool over;
};

void buf_init(struct buf *b, size_t bytes_max);
void buf_free(struct buf *b);
/* Gives back the room behind its bytes: for what is kept. */
void buf_shrink(struct buf *b);
static inline void buf_reset(struct buf *b)
{
    b->len = 0;
    b->over = false;
}

/* Room for n more bytes at ptr + len, not counted until buf_added(). NULL when over the maximum. */
char *buf_room(struct buf *b, size_t n);
static inline void buf_added(struct buf *b, size_t n)
{
    b->len += n;
}

void buf_put(struct buf *b, const void *bytes, size_t n);
void buf_slice(struct buf *b, struct slice s);
void buf_char(struct buf *b, char c);
void buf_printf(struct buf *b, const char *fmt, ...) PRINTF_LIKE(2, 3);
/* Little-endian fixed width, and LEB128 varints (zigzag for signed): the encodings of our own files. */
void buf_u8(struct buf *b, uint8_t v);
void buf_u16(struct buf *b, uint16_t v);
void buf_u32(struct buf *b, uint32_t v);
void buf_u64(struct buf *b, uint64_t v);
void buf_varint(struct buf *b, uint64_t v);
void buf_zigzag(struct buf *b, int64_t v);
/* Varint length, then the bytes. */
void buf_lenslice(struct buf *b, struct slice s);

static inline bool buf_over(const struct buf *b)
{
    return b->over;
}
static inline struct slice buf_as_slice(const struct buf *b)
{
    return slice_of(b->ptr ? b->ptr : "", b->len);
}

/* Reads what buf_* wrote. Past the end every call gives 0 or the empty slice and sets bad: check once at the end. */
struct reader {
    const uint8_t *at, *end;
    bool bad;
};

static inline struct reader reader_of(struct slice s)
{
    return (struct reader){ (const uint8_t *)s.ptr, (const uint8_t *)s.ptr + s.len, false };
}
static inline size_t reader_left(const struct reader *r)
{
    return (size_t)(r->end - r->at);
}
uint8_t read_u8(struct reader *r);
uint16_t read_u16(struct reader *r);
uint32_t read_u32(struct reader *r);
uint64_t read_u64(struct reader *r);
uint64_t read_varint(struct reader *r);
int64_t read_zigzag(struct reader *r);
struct slice read_bytes(struct reader *r, size_t n);
struct slice read_lenslice(struct reader *r);

#endif
