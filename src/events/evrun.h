/* SPDX-License-Identifier: Apache-2.0 */
/* Runs of bytes of many columns, kept together by kind so that like lies with like, or compressed by themselves where they are
 * long enough. docs/formats/events-part.md, "Runs". One thread. */
#ifndef STOA_EVENTS_EVRUN_H
#define STOA_EVENTS_EVRUN_H

#include "base/arena.h"
#include "base/buf.h"
#include "codec/compress.h"

/* Numbers are final. RUN_PLANE + (width - 1) * 8 + plane: byte planes of whole numbers of that width. */
enum evrun_kind { RUN_HEAD = 0, RUN_SHAPES = 1, RUN_DICT = 2, RUN_WHOLE = 3, RUN_BYTES = 4, RUN_HEX = 5, RUN_IDS_1 = 6, RUN_IDS_2 = 7,
                  RUN_IDS_4 = 8, RUN_IDS_8 = 9, RUN_IDS_LOW = 10, RUN_IDS_HIGH = 11, RUN_TOP_1 = 12,
                  RUN_TOP_2 = 13, RUN_TOP_4 = 14, RUN_PLANE = 16, RUN_KINDS = RUN_PLANE + 64 };

/* A run of so many bytes and more is compressed by itself; one of text, where columns have much in common, later than one of numbers. */
enum { EVRUN_OWN_BYTES_MIN = 512, EVRUN_OWN_TEXT_BYTES_MIN = 32 * KIB };
static inline bool evrun_is_own(unsigned kind, size_t n)
{
    return n >= (kind <= RUN_HEX ? EVRUN_OWN_TEXT_BYTES_MIN : EVRUN_OWN_BYTES_MIN);
}

struct evrun_out {
    struct buf kinds[RUN_KINDS]; /* RUN_HEAD is written to directly */
    struct buf own;
    struct zstd_ctx *zstd;
    int level;
};
void evrun_out_init(struct evrun_out *o, int level);
void evrun_out_free(struct evrun_out *o);
void evrun_out_reset(struct evrun_out *o);
/* Room for a run of n bytes to be filled in, then evrun_done with the same n. */
uint8_t *evrun_room(struct evrun_out *o, unsigned kind, size_t n);
void evrun_done(struct evrun_out *o, unsigned kind, size_t n);
void evrun_put(struct evrun_out *o, unsigned kind, const void *bytes, size_t n);
/* Appends everything to out. */
void evrun_finish(struct evrun_out *o, struct buf *out);

struct evrun { /* where a run lies */
    uint8_t kind;
    bool is_own;
    uint32_t offset, len, stored;
};
struct evrun_in;
/* Reads what evrun_finish wrote, up to the end of r; NULL when it does not parse. Borrows the bytes; keeps zstd (may be NULL, which is
 * slower); lives in a, and so does everything it gives. *head reads RUN_HEAD. */
struct evrun_in *evrun_open(struct reader *r, struct zstd_ctx *zstd, struct arena *a, struct reader *head);
/* The next run of this kind: its place, told by head. Any order of later evrun_bytes is fine. */
struct evrun evrun_next(struct evrun_in *in, struct reader *head, unsigned kind, size_t n);
/* NULL when the bytes are not what a writer makes. */
const uint8_t *evrun_bytes(struct evrun_in *in, struct evrun run);

#endif
