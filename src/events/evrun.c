/* SPDX-License-Identifier: Apache-2.0 */
/* A compressor's tables serve bytes that are alike. Long runs therefore have a frame of their own, which also lets a reader take one
 * column and leave the others; short ones share a frame with all runs of their kind.
 *
 *     number bytes of own runs | number kinds, each: u8 kind | number raw | number stored | the stored bytes of each kind | own runs
 *
 * stored = raw: not compressed. An own run's stored length stands in RUN_HEAD, where the column that has it is told. */
#include "events/evrun.h"

enum { GAIN_PART = 64 /* a frame is worth it when it saves 1 / GAIN_PART */, KIND_BYTES_MAX = 128 * MIB };

void evrun_out_init(struct evrun_out *o, int level)
{
    for (unsigned k = 0; k < RUN_KINDS; k++)
        buf_init(&o->kinds[k], KIND_BYTES_MAX);
    buf_init(&o->own, KIND_BYTES_MAX);
    o->zstd = zstd_ctx_new();
    o->level = level;
}

void evrun_out_free(struct evrun_out *o)
{
    for (unsigned k = 0; k < RUN_KINDS; k++)
        buf_free(&o->kinds[k]);
    buf_free(&o->own);
    zstd_ctx_free(o->zstd);
}

void evrun_out_reset(struct evrun_out *o)
{
    for (unsigned k = 0; k < RUN_KINDS; k++)
        buf_reset(&o->kinds[k]);
    buf_reset(&o->own);
}

/* Appends raw to out, smaller if that can be, and gives the length it has there. */
static size_t pack(struct evrun_out *o, unsigned kind, struct slice raw, struct buf *out)
{
    size_t before = out->len;
    if (kind >= RUN_IDS_1)
        zstd_compress_numbers(o->zstd, raw, out);
    else
        zstd_compress(o->zstd, raw, o->level, out);
    if (out->len - before < raw.len - raw.len / GAIN_PART)
        return out->len - before;
    out->len = before;
    buf_slice(out, raw);
    return raw.len;
}

uint8_t *evrun_room(struct evrun_out *o, unsigned kind, size_t n)
{
    return (uint8_t *)buf_room(&o->kinds[kind], n);
}

void evrun_done(struct evrun_out *o, unsigned kind, size_t n)
{
    struct buf *b = &o->kinds[kind];
    if (!evrun_is_own(kind, n))
        buf_added(b, n);
    else
        buf_varint(&o->kinds[RUN_HEAD], pack(o, kind, slice_of(b->ptr + b->len, n), &o->own));
}

void evrun_put(struct evrun_out *o, unsigned kind, const void *bytes, size_t n)
{
    if (evrun_is_own(kind, n))
        buf_varint(&o->kinds[RUN_HEAD], pack(o, kind, slice_of(bytes, n), &o->own));
    else if (n)
        buf_put(&o->kinds[kind], bytes, n);
}

void evrun_finish(struct evrun_out *o, struct buf *out)
{
    struct buf packed;
    size_t stored[RUN_KINDS], kinds = 0;
    buf_init(&packed, 0);
    for (unsigned k = 0; k < RUN_KINDS; k++) {
        kinds += o->kinds[k].len != 0;
        stored[k] = o->kinds[k].len ? pack(o, k, buf_as_slice(&o->kinds[k]), &packed) : 0;
    }
    buf_varint(out, o->own.len);
    buf_varint(out, kinds);
    for (unsigned k = 0; k < RUN_KINDS; k++) {
        if (o->kinds[k].len == 0)
            continue;
        buf_u8(out, (uint8_t)k);
        buf_varint(out, o->kinds[k].len);
        buf_varint(out, stored[k]);
        out->over = out->over || buf_over(&o->kinds[k]);
    }
    buf_slice(out, buf_as_slice(&packed));
    buf_slice(out, buf_as_slice(&o->own));
    out->over = out->over || buf_over(&o->own);
    buf_free(&packed);
}

/* ---- in ---- */

struct evrun_in {
    struct arena *arena;
    struct zstd_ctx *zstd;
    struct slice stored[RUN_KINDS], own;
    size_t raw[RUN_KINDS], at[RUN_KINDS], own_at;
    const uint8_t *plain[RUN_KINDS];
};

static const uint8_t *unpack(struct evrun_in *in, struct slice stored, size_t raw)
{
    if (stored.len == raw)
        return (const uint8_t *)stored.ptr;
    struct buf b;
    struct err ignored; /* the caller says which column it was */
    buf_init(&b, 0);
    enum status st = zstd_decompress(in->zstd, stored, raw, &b, &ignored);
    const uint8_t *to = st == ST_OK && b.len == raw ? (const uint8_t *)arena_copy(in->arena, buf_as_slice(&b)).ptr : NULL;
    buf_free(&b);
    return to;
}

static const uint8_t *plain_of(struct evrun_in *in, unsigned kind)
{
    if (in->plain[kind] == NULL && in->raw[kind])
        in->plain[kind] = unpack(in, in->stored[kind], in->raw[kind]);
    return in->plain[kind];
}

struct evrun_in *evrun_open(struct reader *r, struct zstd_ctx *zstd, struct arena *a, struct reader *head)
{
    struct evrun_in *in = arena_new_of(a, struct evrun_in);
    uint8_t order[RUN_KINDS];
    in->arena = a;
    in->zstd = zstd;
    uint64_t own = read_varint(r), kinds = read_varint(r);
    if (r->bad || kinds > RUN_KINDS)
        return NULL;
    for (uint64_t i = 0; i < kinds; i++) {
        order[i] = read_u8(r);
        uint64_t raw = read_varint(r), stored = read_varint(r);
        if (r->bad || order[i] >= RUN_KINDS || in->raw[order[i]] || raw > KIND_BYTES_MAX || stored > raw)
            return NULL;
        in->raw[order[i]] = (size_t)raw;
        in->stored[order[i]].len = (size_t)stored;
    }
    for (uint64_t i = 0; i < kinds; i++)
        in->stored[order[i]] = read_bytes(r, in->stored[order[i]].len);
    in->own = read_bytes(r, own > KIND_BYTES_MAX ? SIZE_MAX : (size_t)own);
    if (r->bad)
        return NULL;
    const uint8_t *bytes = plain_of(in, RUN_HEAD);
    if (bytes == NULL)
        return NULL;
    *head = reader_of(slice_of(bytes, in->raw[RUN_HEAD]));
    return in;
}

struct evrun evrun_next(struct evrun_in *in, struct reader *head, unsigned kind, size_t n)
{
    struct evrun run = { .kind = (uint8_t)kind, .is_own = evrun_is_own(kind, n), .len = (uint32_t)n };
    uint64_t stored = run.is_own ? read_varint(head) : n;
    size_t *at = run.is_own ? &in->own_at : &in->at[kind], end = run.is_own ? in->own.len : in->raw[kind];
    if (n > KIND_BYTES_MAX || stored > n || stored > end - *at) {
        head->bad = true;
        return (struct evrun){ 0 };
    }
    run.offset = (uint32_t)*at;
    run.stored = (uint32_t)stored;
    *at += (size_t)stored;
    return run;
}

const uint8_t *evrun_bytes(struct evrun_in *in, struct evrun run)
{
    static const uint8_t nothing[1];
    if (run.len == 0)
        return nothing;
    if (run.is_own)
        return unpack(in, slice_of(in->own.ptr + run.offset, run.stored), run.len);
    const uint8_t *all = plain_of(in, run.kind);
    return all ? all + run.offset : NULL;
}
