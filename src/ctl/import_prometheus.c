/* SPDX-License-Identifier: Apache-2.0 */
/* Blocks of Prometheus. A block is a folder: `index` (series), `chunks/000001`... (their samples), `tombstones` (what was
 * deleted of them). The index is held in memory, chunks are read one by one. What is still in Prometheus's head is in no
 * block: a snapshot of its API puts it into one. */
#include <stdio.h>

#include "codec/histogram_chunk.h"
#include "codec/proto.h"
#include "codec/tsdb_block.h"
#include "codec/xor_chunk.h"
#include "ctl/import.h"
#include "model/sample.h"
#include "sys/file.h"

enum {
    BLOCK_INDEX_BYTES_MAX = 2047 * MIB,
    BLOCK_SEGMENTS_MAX = 4096,
    TOMBSTONES_BYTES_MAX = 64 * MIB,
    CHUNK_READ_BYTES = 4 * KIB /* at first; most chunks are smaller */
};

struct block_reader {
    struct send *send;
    struct arena *arena;
    const char *dir;
    struct crc32c crc;
    struct buf index, bytes;
    struct file *segments[BLOCK_SEGMENTS_MAX];
    struct tsdb_tombstone *dead;
    size_t dead_count;
    int64_t t_ms[XOR_CHUNK_SAMPLES_MAX];
    double v[XOR_CHUNK_SAMPLES_MAX];
};

static enum status segment(struct block_reader *b, uint32_t number, struct file **out, struct err *err)
{
    if (number >= BLOCK_SEGMENTS_MAX)
        return err_set(err, ST_CORRUPT, "block: a chunk in file %u, at most %d are read", number + 1, BLOCK_SEGMENTS_MAX);
    if (b->segments[number] == NULL) {
        char head[TSDB_SEGMENT_HEAD_BYTES];
        size_t got = 0;
        const char *path = arena_printf(b->arena, "%s/chunks/%06u", b->dir, number + 1).ptr;
        enum status st = fs_open(fs_real(), path, FILE_READ, &b->segments[number], err);
        if (st)
            return st;
        st = file_pread(b->segments[number], 0, head, sizeof head, &got, err);
        if (st)
            return st;
        if (!tsdb_segment_check(slice_of(head, got)))
            return err_set(err, ST_CORRUPT, "%s: this is no file of chunks", path);
    }
    *out = b->segments[number];
    return ST_OK;
}

static enum status read_bytes_at(struct block_reader *b, struct file *f, uint64_t offset, size_t n, struct err *err)
{
    size_t got = 0;
    buf_reset(&b->bytes);
    enum status st = file_pread(f, offset, buf_room(&b->bytes, n), n, &got, err);
    buf_added(&b->bytes, got);
    return st;
}

static enum status read_chunk(struct block_reader *b, const struct tsdb_chunk *c, uint8_t *encoding, struct slice *data, struct err *err)
{
    struct file *f = NULL;
    size_t need;
    enum status st = segment(b, c->segment, &f, err);
    if (!st)
        st = read_bytes_at(b, f, c->offset, CHUNK_READ_BYTES, err);
    if (st)
        return st;
    st = tsdb_chunk_at(&b->crc, buf_as_slice(&b->bytes), &need, encoding, data, err);
    if (st == ST_LIMIT) {
        st = read_bytes_at(b, f, c->offset, need, err);
        if (!st)
            st = tsdb_chunk_at(&b->crc, buf_as_slice(&b->bytes), &need, encoding, data, err);
    }
    return st ? err_prefix(err, "%s/chunks/%06u at offset %u: ", b->dir, c->segment + 1, c->offset) : ST_OK;
}

static bool is_dead(const struct block_reader *b, uint64_t ref, int64_t t_ms)
{
    for (size_t i = 0; i < b->dead_count; i++)
        if (b->dead[i].ref == ref && t_ms >= b->dead[i].min_ms && t_ms <= b->dead[i].max_ms)
            return true;
    return false;
}

/* Fields of remote write's Histogram. Counts go as floats, which hold what whole ones do. */
enum {
    HISTOGRAM_COUNT = 2,
    HISTOGRAM_SUM = 3,
    HISTOGRAM_SCHEMA = 4,
    HISTOGRAM_THRESHOLD = 5,
    HISTOGRAM_ZERO_COUNT = 7,
    NEGATIVE_SPANS = 8,
    NEGATIVE_COUNTS = 10,
    POSITIVE_SPANS = 11,
    POSITIVE_COUNTS = 13,
    HISTOGRAM_HINT = 14,
    HISTOGRAM_TIME = 15,
    HISTOGRAM_BOUNDS = 16,
    HINT_IS_GAUGE = 3
};

static void put_doubles(struct buf *out, uint32_t field, const double *v, size_t n)
{
    size_t mark = proto_nested_begin(out, field);
    buf_put(out, v, n * sizeof *v); /* packed, little-endian */
    proto_nested_end(out, mark);
}

static void put_side(struct buf *out, uint32_t spans, uint32_t counts, const struct histogram_chunk_side *s)
{
    for (uint32_t i = 0; i < s->span_count; i++) {
        size_t mark = proto_nested_begin(out, spans);
        proto_put_sint(out, 1, s->spans[i].offset);
        proto_put_varint(out, 2, s->spans[i].length);
        proto_nested_end(out, mark);
    }
    put_doubles(out, counts, s->counts, s->bucket_count);
}

static void make_histogram(const struct histogram_chunk *c, const struct histogram_chunk_sample *s, struct buf *out)
{
    size_t bound_count;
    const double *bounds = histogram_chunk_bounds(c, &bound_count);
    buf_reset(out);
    proto_put_double(out, HISTOGRAM_COUNT, s->count);
    proto_put_double(out, HISTOGRAM_SUM, s->sum);
    proto_put_sint(out, HISTOGRAM_SCHEMA, histogram_chunk_schema(c));
    proto_put_double(out, HISTOGRAM_THRESHOLD, histogram_chunk_zero_threshold(c));
    proto_put_double(out, HISTOGRAM_ZERO_COUNT, s->zero_count);
    if (!is_stale(s->sum)) {
        put_side(out, NEGATIVE_SPANS, NEGATIVE_COUNTS, histogram_chunk_negative(c));
        put_side(out, POSITIVE_SPANS, POSITIVE_COUNTS, histogram_chunk_positive(c));
        put_doubles(out, HISTOGRAM_BOUNDS, bounds, bound_count);
    }
    if (histogram_chunk_is_gauge(c))
        proto_put_varint(out, HISTOGRAM_HINT, HINT_IS_GAUGE);
    proto_put_varint(out, HISTOGRAM_TIME, (uint64_t)s->t_ms);
}

static enum status put_histograms(struct block_reader *b, uint64_t ref, struct slice data, bool is_float, struct err *err)
{
    struct arena *a = arena_new(0);
    struct buf message;
    struct histogram_chunk_sample s;
    struct histogram_chunk *c = histogram_chunk_open(a, data, is_float);
    bool bad = c == NULL;
    enum status st = ST_OK;
    buf_init(&message, 0);
    while (!bad && !st && histogram_chunk_next(c, &s, &bad)) {
        if (is_dead(b, ref, s.t_ms))
            continue;
        make_histogram(c, &s, &message);
        st = send_histogram(b->send, buf_as_slice(&message), err);
    }
    buf_free(&message);
    arena_free(a);
    return bad ? err_set(err, ST_CORRUPT, "its native histograms do not parse") : st;
}

static enum status put_floats(struct block_reader *b, uint64_t ref, struct slice data, struct err *err)
{
    size_t n = xor_chunk_count(data);
    enum status st = ST_OK;
    if (n == 0 || !xor_chunk_decode(data, b->t_ms, b->v))
        return err_set(err, ST_CORRUPT, "its samples do not parse");
    for (size_t i = 0; i < n && !st; i++)
        if (!is_dead(b, ref, b->t_ms[i]))
            st = send_sample(b->send, b->t_ms[i], b->v[i], err);
    return st;
}

static enum status put_chunk(struct block_reader *b, const struct tsdb_series *series, const struct tsdb_chunk *c, struct err *err)
{
    uint8_t encoding;
    struct slice data;
    enum status st = read_chunk(b, c, &encoding, &data, err);
    if (st)
        return st;
    switch (encoding) {
    case TSDB_XOR:
        st = put_floats(b, series->ref, data, err);
        break;
    case TSDB_HISTOGRAM:
    case TSDB_FLOAT_HISTOGRAM:
        st = put_histograms(b, series->ref, data, encoding == TSDB_FLOAT_HISTOGRAM, err);
        break;
    default:
        st = err_set(err, ST_UNSUPPORTED, "a chunk of encoding %u; known are %d to %d", encoding, TSDB_XOR, TSDB_FLOAT_HISTOGRAM);
    }
    return st == ST_CORRUPT || st == ST_UNSUPPORTED ? err_prefix(err, "%s/chunks/%06u at offset %u: ", b->dir, c->segment + 1, c->offset) : st;
}

static enum status put_series(struct block_reader *b, const struct tsdb_series *series, struct err *err)
{
    struct send_label labels[TSDB_SERIES_LABELS_MAX];
    for (size_t i = 0; i < series->label_count; i++)
        labels[i] = (struct send_label){ series->labels[i].name, series->labels[i].value };
    enum status st = send_series(b->send, labels, series->label_count, err);
    for (size_t i = 0; i < series->chunk_count && !st; i++)
        st = put_chunk(b, series, &series->chunks[i], err);
    return st;
}

static enum status read_dead(struct block_reader *b, struct err *err)
{
    struct buf bytes;
    buf_init(&bytes, 0);
    enum status st = fs_read_all(fs_real(), arena_printf(b->arena, "%s/tombstones", b->dir).ptr, TOMBSTONES_BYTES_MAX, &bytes, err);
    if (st == ST_OK)
        st = tsdb_tombstones(b->arena, buf_as_slice(&bytes), &b->dead, &b->dead_count, err);
    else if (st == ST_NOT_FOUND)
        st = ST_OK; /* nothing was deleted */
    buf_free(&bytes);
    return st;
}

static enum status import_block(struct send *s, const char *dir, struct err *err)
{
    struct block_reader *b = mem_new(struct block_reader);
    b->send = s;
    b->arena = arena_new(0);
    b->dir = dir;
    crc32c_init(&b->crc);
    buf_init(&b->index, 0);
    buf_init(&b->bytes, 0);
    struct tsdb_index *ix = NULL;
    struct tsdb_series series;
    enum status st = fs_read_all(fs_real(), arena_printf(b->arena, "%s/index", dir).ptr, BLOCK_INDEX_BYTES_MAX, &b->index, err);
    if (!st)
        st = read_dead(b, err);
    if (!st)
        st = tsdb_index_open(b->arena, buf_as_slice(&b->index), &ix, err);
    while (!st && (st = tsdb_index_next(ix, &series, err)) == ST_OK)
        st = put_series(b, &series, err);
    if (st == ST_CORRUPT)
        st = err_prefix(err, "%s: ", dir);
    for (size_t i = 0; i < BLOCK_SEGMENTS_MAX; i++)
        file_close(b->segments[i]);
    buf_free(&b->index);
    buf_free(&b->bytes);
    arena_free(b->arena);
    mem_free(b);
    return st == ST_NOT_FOUND ? ST_OK : st;
}

static bool has_index(struct arena *a, const char *dir)
{
    struct file_info info;
    struct err ignored;
    return fs_info(fs_real(), arena_printf(a, "%s/index", dir).ptr, &info, &ignored) == ST_OK && !info.is_dir;
}

enum status import_prometheus(struct send *s, struct slice path, struct err *err)
{
    struct arena *a = arena_new(0);
    struct buf names;
    const char **blocks = NULL, *dir = arena_copy(a, path).ptr;
    size_t count = 0, cap = 0;
    enum status st = ST_OK;
    buf_init(&names, 0);
    if (has_index(a, dir))
        ARENA_PUSH(a, blocks, count, cap) = dir;
    else
        st = fs_list(fs_real(), dir, &names, err);
    struct slice rest = buf_as_slice(&names), name;
    while (!st && rest.len > 0 && slice_next(&rest, 0, &name)) {
        const char *block = arena_printf(a, "%s/%.*s", dir, SLICE_FMT(name)).ptr;
        if (name.len > 0 && has_index(a, block))
            ARENA_PUSH(a, blocks, count, cap) = block;
    }
    if (!st && count == 0)
        st = err_set(err, ST_NOT_FOUND, "%s: no block of Prometheus in it (a folder with a file `index`)", dir);
    for (size_t i = 0; i < count && !st; i++) {
        send_where(s, "block %zu of %zu", i + 1, count);
        st = import_block(s, blocks[i], err);
    }
    buf_free(&names);
    arena_free(a);
    return st;
}
