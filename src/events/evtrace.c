/* SPDX-License-Identifier: Apache-2.0 */
/* Pairs (key, block), sorted. The key is the high bits of the id's hash: as many as are needed so that a part of n pairs
 * answers wrongly one time in a thousand, which then costs a look into one block. A frame holds up to 8 Ki pairs:
 * keys as steps, then blocks. */
#include "events/evtrace.h"

#include <stdlib.h>

#include "base/hash.h"
#include "events/evcol.h"

enum { FRAME_PAIRS_MAX = 8 * KIB, EXTRA_BITS = 10 };

uint64_t evtrace_hash(const uint8_t trace_id[16])
{
    return hash64(slice_of(trace_id, 16), 0);
}

static int cmp_pairs(const void *x, const void *y)
{
    const struct evtrace_pair *a = x, *b = y;
    if (a->hash != b->hash)
        return a->hash < b->hash ? -1 : 1;
    return (a->block > b->block) - (a->block < b->block);
}

static enum status write_frame(struct part_writer *w, const struct evtrace_pair *pairs, size_t n, struct evdir_trace_frame *f,
                               struct err *err)
{
    int64_t *v = mem_alloc(n * sizeof *v);
    struct buf out;
    buf_init(&out, PART_BLOCK_BYTES_MAX);
    for (size_t i = 0; i < n; i++)
        v[i] = (int64_t)(pairs[i].hash - (i ? pairs[i - 1].hash : pairs[0].hash));
    evcol_put_ints(&out, v, n);
    for (size_t i = 0; i < n; i++)
        v[i] = pairs[i].block;
    evcol_put_ints(&out, v, n);
    f->first = pairs[0].hash;
    f->count = (uint32_t)n;
    enum status st = part_write(w, CODEC_ZSTD, buf_as_slice(&out), &f->ref, err);
    buf_free(&out);
    mem_free(v);
    return st;
}

enum status evtrace_write(struct part_writer *w, struct evtrace_pair *pairs, size_t count, struct evdir *d, struct err *err)
{
    if (count == 0)
        return ST_OK;
    unsigned bits = EXTRA_BITS;
    while (bits < 60 && (uint64_t)1 << (bits - EXTRA_BITS) < count)
        bits++;
    d->trace_shift = 64 - bits;
    for (size_t i = 0; i < count; i++)
        pairs[i].hash >>= d->trace_shift;
    qsort(pairs, count, sizeof *pairs, cmp_pairs);
    size_t n = 0;
    for (size_t i = 0; i < count; i++)
        if (n == 0 || cmp_pairs(&pairs[i], &pairs[n - 1]) != 0)
            pairs[n++] = pairs[i];
    d->traces = arena_array(d->arena, struct evdir_trace_frame, n / FRAME_PAIRS_MAX + 1);
    for (size_t from = 0; from < n; from += FRAME_PAIRS_MAX) {
        enum status st = write_frame(w, pairs + from, MIN(n - from, (size_t)FRAME_PAIRS_MAX), &d->traces[d->trace_count++], err);
        if (st)
            return st;
    }
    return ST_OK;
}

/* keys: ascending. */
static enum status find_in_frame(const struct part *p, const struct evdir *d, const struct evdir_trace_frame *f, const uint64_t *keys, size_t count,
                                 struct engine_ctx *ctx, bool *is_there, struct err *err)
{
    struct block *block;
    enum status st = part_read(p, f->ref, &block, err);
    if (st)
        return st;
    ctx->bytes_read += block->bytes.len;
    struct reader r = reader_of(block->bytes);
    size_t n = f->count <= FRAME_PAIRS_MAX ? f->count : 0, asked = 0;
    int64_t *steps = mem_alloc((2 * n + 1) * sizeof *steps), *blocks = steps + n;
    bool ok = n && evcol_get_ints(&r, steps, n) && evcol_get_ints(&r, blocks, n);
    uint64_t at = f->first;
    for (size_t i = 0; ok && i < n; i++) {
        at += (uint64_t)steps[i];
        while (asked < count && keys[asked] < at)
            asked++;
        ok = (uint64_t)blocks[i] < d->block_count;
        if (ok && asked < count && keys[asked] == at)
            is_there[blocks[i]] = true;
    }
    mem_free(steps);
    block_drop(block);
    return ok ? ST_OK : err_set(err, ST_CORRUPT, "part %016llx: the table of traces at %llu does not parse",
                                (unsigned long long)part_info(p)->id, (unsigned long long)f->ref.offset);
}

static int cmp_keys(const void *x, const void *y)
{
    const uint64_t *a = x, *b = y;
    return (*a > *b) - (*a < *b);
}

enum status evtrace_find(const struct part *p, const struct evdir *d, const uint8_t (*ids)[16], size_t count, struct engine_ctx *ctx,
                         bool *is_there, struct err *err)
{
    uint64_t *keys = mem_alloc((count + 1) * sizeof *keys);
    enum status st = ST_OK;
    for (size_t i = 0; i < count; i++)
        keys[i] = evtrace_hash(ids[i]) >> d->trace_shift;
    qsort(keys, count, sizeof *keys, cmp_keys);
    for (size_t i = 0, from = 0; !st && i < d->trace_count; i++) {
        size_t to;
        while (from < count && keys[from] < d->traces[i].first)
            from++;
        for (to = from; to < count && (i + 1 == d->trace_count || keys[to] <= d->traces[i + 1].first);) /* a key may go on in the next frame */
            to++;
        if (to > from)
            st = find_in_frame(p, d, &d->traces[i], keys + from, to - from, ctx, is_there, err);
    }
    mem_free(keys);
    return st;
}
